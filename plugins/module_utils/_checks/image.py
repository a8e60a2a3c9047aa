# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the patch file by itself, and that it is one for this kernel."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.question import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding


def _is_livepatch(question):
    if not question.description["livepatch"]:
        yield finding("not-a-livepatch", question.description["name"], file=question.description["file"])


def _architecture(question):
    machine = question.host.machine()
    if question.description["arch"] != machine:
        yield finding("wrong-architecture", question.description["name"], machine=machine, **_names(question))


def _release(question):
    running = question.host.release()
    if question.description["release"] is None:
        yield finding("no-vermagic", question.description["name"], file=question.description["file"])
    elif question.description["release"] != running:
        yield finding("wrong-release", question.description["name"], running=running, **_names(question))


def _names(question):
    return {key: question.description[key] for key in ("file", "arch", "release")}


CHECKS = (
    Check(("not-a-livepatch",), "always", (), _is_livepatch),
    Check(("wrong-architecture",), "always", (), _architecture),
    Check(("no-vermagic", "wrong-release"), "always", (), _release),
)
