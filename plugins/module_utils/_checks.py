# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be true before a patch is loaded: one list of checks, each a function of the same four things."""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import may_load_modules, modules_disabled
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._verify import function_keys

# description: of the patch file; state: of that name now; parameters: asked for; interface: the adapter.
Question = namedtuple("Question", "host interface description state parameters")


def check(question):
    """Every finding of every check, in the list's order."""
    findings = []
    for one_check in CHECKS:
        findings.extend(one_check(question))
    return findings


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


def permission(host, modules=True):
    """The findings that keep this process from changing patches; `modules` when modules go in or out as well."""
    if not may_load_modules(host):
        yield finding("not-permitted", "CAP_SYS_MODULE")
    if modules and modules_disabled(host):
        yield finding("module-loading-disabled", "kernel.modules_disabled")


def _permission(question):
    return permission(question.host)


def _transition(question):
    other = question.interface.in_transition()
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
    if question.state not in ("absent", "disabled") or description["replace"] or description["opaque"]:
        return  # it does not become the newest, or it replaces them
    claimed = function_keys(description["objects"])
    others = [patch["name"] for patch in question.interface.patches()
              if patch["name"] != description["name"] and claimed & function_keys(patch["objects"])]
    if others:
        yield finding("functions-taken-over", description["name"], file=description["file"], others=", ".join(others))


def _names(question):
    return {key: question.description[key] for key in ("file", "arch", "release")}


CHECKS = (_is_livepatch, _architecture, _release, _permission, _transition, name_taken, _parameters, _taken_over)
