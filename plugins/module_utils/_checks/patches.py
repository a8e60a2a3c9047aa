# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks against the patches and the modules that are loaded."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.question import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._verify import function_keys


def _transition(question):
    other = question.interface.in_transition() if question.interface else None
    if other and other != question.description["name"]:
        yield finding("transition-running", other, other=other)


def name_taken(question):
    """Whether another build runs under the name, which also matters where nothing is to be done."""
    description = question.description
    if question.state not in ("enabled", "enabling", "disabling"):
        return  # absent, or a leftover without effect that is taken out first
    loaded = module_build_id(question.host, description["name"])
    if loaded != description["build_id"]:
        yield finding(
            "name-taken-by-other-build", description["name"], name=description["name"], file=description["file"],
            state=question.state, loaded=loaded or "none", wanted=description["build_id"] or "none")


def _parameters(question):
    known = question.description["parameters"]
    for parameter in sorted(set(question.parameters) - set(known)):
        yield finding("unknown-parameter", parameter, file=question.description["file"], parameter=parameter,
                      known=", ".join(sorted(known)) or "none")


def _taken_over(question):
    description = question.description
    if description["replace"] or description["opaque"]:
        return
    claimed = function_keys(description["objects"])
    others = [patch["name"] for patch in question.others() if claimed & function_keys(patch["objects"])]
    if others:
        yield finding("functions-taken-over", description["name"], file=description["file"], others=", ".join(others))


CHECKS = (
    Check(("transition-running",), "change", (), _transition),
    Check(("name-taken-by-other-build",), "always", (), name_taken),
    Check(("unknown-parameter",), "change", (), _parameters),
    Check(("functions-taken-over",), "load", (), _taken_over),
)
