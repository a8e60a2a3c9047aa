# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: a build host that answers what a test says, in turn, and the answers that an honest one gives."""

from __future__ import annotations

import hashlib

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest

ARGUMENTS = {
    "src": ["fix.patch"], "remote_src": False, "name": "livepatch_fix", "version": None, "tool": "auto",
    "replace": True, "jobs": None, "sign_key": None, "sign_cert": None, "cves": [], "summary": None,
    "bundle": "patches", "space": None, "build_dir": "/var/lib/x",
    "kernel": {"release": "6.1.0-56-amd64", "source": None}}


class ScriptedBuildHost:
    """Answers each call with the next of `answers`, which can be an exception; has `content` as the built file."""

    def __init__(self, answers, content=b""):
        self.answers = list(answers)
        self.content = content
        self.calls = []

    def call(self, arguments, **controller):
        self.calls.append(controller)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, sources):
        return f"/tmp/{sources.sha256}.json"

    def fetch(self, path):
        self.fetched = path
        return self.content


def answer(state, content=None, step="building", compiled=0, **build):
    """What an honest build host says of a build in a state."""
    facts = dict(honest("patch_build")["build"], sha256=None, size=None)
    if content is not None:
        facts.update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    facts.update(build)
    return dict(
        honest("patch_build"), failed=False, changed=state != "unchanged", state=state, file=None, build=facts,
        findings=[], progress={"step": step, "compiled": compiled, "seconds": 240})
