# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks against the patches and the modules that are loaded."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    is_livepatch,
    kept_in_memory_by,
    loaded_module,
    module_build_id,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import function_keys, state_clash
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import quarantine_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import wait_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import shortened

# The kernel drops its reference to a disabled patch within milliseconds, unless it keeps it for ever.
RELEASE_SECONDS = 5
MOST_NAMES = 5
QUARANTINED = {
    "crashed-on-trial": "it was loaded and not accepted",
    "crashed-after-boot": "it had been loaded at boot shortly before",
}
# Parameters that the kernel itself takes for every module (unknown_module_param_cb in kernel/module/main.c).
KERNELS_OWN = frozenset(("async_probe", "dyndbg"))


def _transition(question):
    other = question.interface.in_transition() if question.interface else None
    if other and other != question.description["name"]:
        yield finding("transition-running", other, other=other)


def _name_taken(question):
    description = question.description
    if question.state not in ("enabled", "enabling", "disabling"):
        return  # absent, or a leftover without effect that is taken out first
    loaded = module_build_id(question.host, description["name"])
    if loaded != description["build_id"]:
        yield finding(
            "name-taken-by-other-build", description["name"], name=description["name"], file=description["file"],
            state=question.state, loaded=loaded or "none", wanted=description["build_id"] or "none")


def _ordinary_module(question):
    name = question.description["name"]
    module = loaded_module(question.host, name)
    if module and not is_livepatch(module):
        yield finding("name-not-a-livepatch", name, name=name)


def _leftover(question):
    """A disabled patch is not enabled again by the kernel: its module has to go before one of that name comes."""
    if question.state != "disabled":
        return
    host, name = question.host, question.description["name"]
    why = kept_in_memory_by(host, name)
    if why is None and not wait_until(host, lambda: _is_free(host, name), RELEASE_SECONDS):
        why = "the kernel still holds it, as it always does after a forced transition"
    if why:
        yield finding("name-pinned", name, name=name, why=why)
    elif loaded_module(host, name):
        yield finding("leftover-loaded", name, name=name)


def _is_free(host, name):
    module = loaded_module(host, name)
    return module is None or module["refcnt"] == 0


def _parameters(question):
    known = question.description["parameters"]
    spelled = {name.replace("-", "_") for name in known}  # - and _ are equal to parameq() in kernel/params.c
    unknown = {name for name in question.parameters if name.replace("-", "_") not in spelled}
    for parameter in sorted(unknown - KERNELS_OWN):
        yield finding("unknown-parameter", parameter, file=question.description["file"], parameter=parameter,
                      known=", ".join(sorted(known)) or "none")


def _states(question):
    """As klp_is_patch_compatible in kernel/livepatch/state.c, with the files of the enabled patches."""
    described = question.description
    for other in question.kept:
        kept = question.kept[other]
        facts = {"file": described["file"], "other": other}
        if described["opaque"]:
            if kept and kept["states"]:
                yield finding("states-unknown", other, why=f"{described['file']} builds its tables then", **facts)
        elif kept is None or kept["opaque"]:
            if described["states"]:
                yield finding("states-unknown", other, why="this host keeps no file of the enabled one", **facts)
        else:
            clash = state_clash(described, kept)
            if clash:
                yield finding("states-incompatible", other, why=clash, **facts)


def _taken_over(question):
    description = question.description
    if description["replace"] is not False or description["opaque"]:
        return
    claimed = function_keys(description["objects"])
    others = [patch["name"] for patch in question.others() if claimed & function_keys(patch["objects"])]
    if others:
        yield finding("functions-taken-over", description["name"], file=description["file"], others=", ".join(others))


def _replaced(question):
    """What the patches that it replaces have and it does not goes with them."""
    described, others = question.description, question.others()
    if not others or described["replace"] is False:
        return
    if described["replace"] is None or described["opaque"]:
        names = ", ".join(patch["name"] for patch in others)
        yield finding("replace-unknown", described["name"], file=described["file"], others=names)
        return
    claimed = function_keys(described["objects"])
    for patch in others:
        dropped = sorted(function_keys(patch["objects"]) - claimed)
        if dropped:
            code = "functions-dropped" if question.kept[patch["name"]] else "replaces-foreign-patch"
            functions = shortened([f"{entry}:{function}" for entry, function, _sympos in dropped], MOST_NAMES)
            yield finding(code, patch["name"], file=described["file"], other=patch["name"], functions=functions)


def _quarantined(question):
    """A build that was there when this host crashed."""
    held = quarantine_of(question.facts.ledger, question.description)
    if held:
        name = question.description["name"]
        yield finding("quarantined", name, name=name, since=held["since"],
                      why=QUARANTINED.get(held["why"], held["why"]))


def _trial(question):
    """One patch on trial at a time: at its end the host goes back to what was there before."""
    trial = question.facts.ledger["trial"]
    name = question.description["name"]
    if trial and trial["name"] != name and any(patch["name"] == trial["name"] for patch in question.patches):
        yield finding("trial-running", trial["name"], other=trial["name"], since=trial["since"])


CHECKS = (
    Check(("quarantined",), "load", ("ledger",), _quarantined),
    Check(("trial-running",), "load", ("ledger",), _trial),
    Check(("transition-running",), "change", (), _transition),
    Check(("name-taken-by-other-build",), "always", (), _name_taken),
    Check(("name-not-a-livepatch",), "load", (), _ordinary_module),
    Check(("name-pinned", "leftover-loaded"), "load", (), _leftover),
    Check(("unknown-parameter",), "load", (), _parameters),
    Check(("states-incompatible", "states-unknown"), "fit", (), _states),
    Check(("functions-taken-over",), "fit", (), _taken_over),
    Check(("replaces-foreign-patch", "functions-dropped", "replace-unknown"), "fit", (), _replaced),
)
