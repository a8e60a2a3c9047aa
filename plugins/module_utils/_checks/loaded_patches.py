# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks against the loaded patches and modules."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.context import Check
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    loaded_module,
    module_build_id,
    unload_obstacle,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import is_older, label_of, same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import function_keys, state_conflict
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for_running_kernel,
    quarantine_entry,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

# The kernel drops its reference to a disabled patch within milliseconds, or never.
RELEASE_SECONDS = 5
MOST_NAMES = 5
QUARANTINED = {
    "crashed-on-trial": "it was loaded and not accepted",
    "crashed-after-boot": "it had been loaded at boot shortly before",
}
# Parameters that the kernel accepts for every module (unknown_module_param_cb in kernel/module/main.c).
KERNELS_OWN = frozenset(("async_probe", "dyndbg"))


def _transition(context):
    other = context.interface.patch_in_transition() if context.interface else None
    if other and other != context.description["name"]:
        yield finding("transition-running", other, other=other)


def _name_taken(context):
    description = context.description
    if context.state not in ("enabled", "enabling", "disabling"):
        return  # absent, or disabled: its module is unloaded first
    loaded = module_build_id(context.host, description["name"])
    if not same_build({"name": description["name"], "build_id": loaded}, description):
        yield finding(
            "name-taken-by-other-build", description["name"], name=description["name"], file=description["file"],
            state=context.state, loaded=loaded or "none", wanted=description["build_id"] or "none")


def _ordinary_module(context):
    name = context.description["name"]
    module = loaded_module(context.host, name)
    if module and not module["livepatch"]:
        yield finding("name-not-a-livepatch", name, name=name)


def _leftover(context):
    """Check the module of a disabled patch: it must be unloaded first, because the kernel cannot enable it again."""
    if context.state != "disabled":
        return
    host, name = context.host, context.description["name"]
    why = unload_obstacle(host, name)
    if why is None and not poll_until(host, lambda: _is_free(host, name), RELEASE_SECONDS):
        why = "the kernel still holds it, as it always does after a forced transition"
    if why:
        yield finding("name-pinned", name, name=name, why=why)
    elif loaded_module(host, name):
        yield finding("leftover-loaded", name, name=name)


def _disabled_below(context):
    """Find disabled patches that the kernel still has in its stack; see SysfsInterface.

    Kernels of SUSE with both, a stack and `replace`, make an exception for a patch that replaces all others. Kernels
    of openEuler do not show whether they keep a stack.
    """
    interface, name = context.interface, context.description["name"]
    if interface is None or context.description["replace"]:
        return

    def others():
        return [other for other in interface.disabled_in_stack()
                if other != name and not interface.redirects_without_ftrace(other)]
    if not poll_until(context.host, lambda: not others(), RELEASE_SECONDS):
        for other in others():
            yield finding("earlier-patch-disabled", other, other=other)


def _is_free(host, name):
    module = loaded_module(host, name)
    return module is None or module["refcnt"] == 0


def _parameters(context):
    known = context.description["parameters"]
    spelled = {name.replace("-", "_") for name in known}  # - and _ are equal to parameq() in kernel/params.c
    unknown = {name for name in context.parameters if name.replace("-", "_") not in spelled}
    for parameter in sorted(unknown - KERNELS_OWN):
        yield finding("unknown-parameter", parameter, file=context.description["file"], parameter=parameter,
                      known=", ".join(sorted(known)) or "none")


def _states(context):
    """Judge states as klp_is_patch_compatible in kernel/livepatch/state.c, by the files of the enabled patches."""
    described = context.description
    for other in context.kept_descriptions:
        kept = context.kept_descriptions[other]
        facts = {"file": described["file"], "other": other}
        if described["opaque"]:
            if kept and kept["states"]:
                yield finding("states-unknown", other, why=f"{described['file']} builds its tables then", **facts)
        elif kept is None or kept["opaque"]:
            if described["states"]:
                yield finding("states-unknown", other, why="this host keeps no file of the enabled one", **facts)
        else:
            conflict = state_conflict(described, kept, replaces=other in context.replacement.replaced)
            if conflict:
                yield finding("states-incompatible", other, why=conflict, **facts)


def _taken_over(context):
    description = context.description
    if description["opaque"]:
        return
    claimed, shared = function_keys(description["objects"]), context.facts.kernel_symbols.shared
    replaced, unknown = context.replacement
    others = [patch["name"] for patch in context.other_patches()
              if patch["name"] not in replaced + unknown and shared(claimed, function_keys(patch["objects"]))]
    if others:
        yield finding("functions-taken-over", description["name"], file=description["file"], others=", ".join(others))


def _replaced(context):
    """Find functions of the replaced patches that the new patch does not have: they would be unpatched."""
    described, (replaced, unknown) = context.description, context.replacement
    doubtful = replaced + unknown if described["opaque"] else unknown
    if doubtful:
        yield finding("replace-unknown", described["name"], file=described["file"], others=", ".join(doubtful))
        return
    claimed = function_keys(described["objects"])
    for patch in (one for one in context.other_patches() if one["name"] in replaced):
        theirs = function_keys(patch["objects"])
        dropped = sorted(theirs - context.facts.kernel_symbols.shared(theirs, claimed))
        if dropped:
            code = "functions-dropped" if context.kept_descriptions[patch["name"]] else "replaces-foreign-patch"
            functions = join_limited([f"{entry}:{function}" for entry, function, _sympos in dropped], MOST_NAMES)
            yield finding(code, patch["name"], file=described["file"], other=patch["name"], functions=functions)


def _older(context):
    """Find a later version of the same patch, enabled or accepted on this host.

    The names alone decide only where the file would come over the later patch: numbers in names can mean anything.
    """
    described = context.description
    accepted = accepted_for_running_kernel(context.host, context.facts.ledger) if context.facts.ledger else []
    later = {}
    for entry in accepted:
        other = Store(context.host).description(entry["sha256"]) or entry
        if is_older(described, other, by_names=described["replace"] is not False):
            later[label_of(other)] = "accepted"
    covered = _covered(context)
    for name, kept in context.kept_descriptions.items():
        other = kept or {"name": name, "version": context.host.read_or(f"/sys/module/{name}/version")}
        if is_older(described, other, by_names=name in covered):
            later[label_of(other)] = "enabled"
    for other in sorted(later):
        yield finding("older-version", described["name"], file=described["file"], version=label_of(described),
                      other=other, state=later[other])


def _covered(context):
    """The names of the enabled patches that the file replaces, may replace, or shares functions with."""
    replaced, unknown = context.replacement
    if context.description["opaque"]:
        return replaced + unknown  # its objects are guesses
    claimed, shared = function_keys(context.description["objects"]), context.facts.kernel_symbols.shared
    return replaced + unknown + [
        patch["name"] for patch in context.other_patches() if shared(claimed, function_keys(patch["objects"]))]


def _quarantined(context):
    """Find a build suspected of a crash of this host."""
    entry = quarantine_entry(context.facts.ledger, context.description)
    if entry:
        name = context.description["name"]
        yield finding("quarantined", name, name=name, since=entry["since"],
                      why=QUARANTINED.get(entry["why"], entry["why"]))


def _trial(context):
    """Allow one patch on trial at a time, because a trial's end restores the earlier patches."""
    trial = context.facts.ledger["trial"]
    name = context.description["name"]
    if trial and trial["name"] != name and any(patch["name"] == trial["name"] for patch in context.patches):
        yield finding("trial-running", trial["name"], other=trial["name"], since=trial["since"])


CHECKS = (
    Check(("quarantined",), "load", ("ledger",), _quarantined),
    Check(("trial-running",), "load", ("ledger",), _trial),
    Check(("transition-running",), "change", (), _transition),
    Check(("name-taken-by-other-build",), "always", (), _name_taken),
    Check(("name-not-a-livepatch",), "load", (), _ordinary_module),
    Check(("name-pinned", "leftover-loaded"), "load", (), _leftover),
    Check(("earlier-patch-disabled",), "load", (), _disabled_below),
    Check(("unknown-parameter",), "load", (), _parameters),
    Check(("states-incompatible", "states-unknown"), "fit", (), _states),
    Check(("functions-taken-over",), "fit", (), _taken_over),
    Check(("replaces-foreign-patch", "functions-dropped", "replace-unknown"), "fit", (), _replaced),
    Check(("older-version",), "fit", (), _older),
)
