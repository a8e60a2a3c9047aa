# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back as one change: journalled, in the ledger before and after, and the end of a trial that is going on."""

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_part, disarm
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    in_kernel_now,
    loaded_with,
    same_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def take_way(host, interface, way, recorded, **changes):
    """Go `way` (a WayBack) in the transaction `recorded`; `changes` are what the ledger has from now on.

    Returns a dict of `arrived`, `changed`, `transaction`, `rolled_back`, `brought_back`, `findings` and `blockers`.
    Raises LivepatchError, whose details have the same.
    """
    coming = way.coming()
    names = way.going()
    idle = [module["name"] for module in disabled_modules(host, {patch["name"] for patch in interface.patches()})]
    recorded.begin(
        [_planned(host, interface, name, "absent") for name in [*names, *idle] if name not in names_of(coming)]
        + [dict(_planned(host, interface, layer["name"], "enabled"), sha256=layer["sha256"],
                build_id=layer["build_id"]) for layer in coming], interface.patches())
    earlier = {key: recorded.ledger[key] for key in changes}
    recorded.keep(loaded=loaded_with(host, recorded, coming), **changes)
    everything = list(dict.fromkeys([*names, *idle, *names_of(coming)]))
    try:
        way.check()
        arrived = way.go()
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        if not way.changed:
            recorded.keep(**earlier)
        elif "accepted" in changes:
            recorded.keep(accepted=_still_accepted(host, interface, recorded, way, earlier["accepted"]))
        findings = _end(interface, recorded, everything, way, "failed", error.code)
        error.details["findings"] = error.details.get("findings", []) + findings
        error.details["transaction"] = recorded.id
        raise error from failure
    if arrived:
        end_of_trial(host, recorded, **in_kernel_now(interface.patches(), recorded.ledger))
    way.findings += _end(interface, recorded, everything, way, "done" if arrived else "left-going")
    return {"arrived": arrived, "changed": way.changed, "transaction": recorded.id, "rolled_back": way.rolled_back,
            "brought_back": way.brought_back, "findings": way.findings, "blockers": way.blockers}


def _still_accepted(host, interface, recorded, way, earlier):
    """On a way that ended half way, what was accepted stays so where it still runs, or is not what the way is about."""
    stack = running_stack(host, interface.patches(), recorded.ledger)
    now = recorded.ledger["accepted"]
    known = now + [entry for entry in earlier if not any(same_build(entry, other) for other in now)]
    untouched = [entry for entry in now if not any(same_build(entry, layer) for layer in way.target)]
    return [entry for entry in known if entry["release"] != host.release() or entry in untouched
            or any(same_build(entry, layer) for layer in stack)]


def end_of_trial(host, recorded, at_last=False, **changes):
    """End the trial that may be going on, with other changes of the ledger.

    The ledger goes first, so that what is still armed finds nothing to do; `at_last`: even where it cannot be written.
    """
    keep = recorded.keep_at_last if at_last else recorded.keep
    trial = recorded.ledger["trial"]
    if trial:
        # Without an init system, what waited for the trial's end was all that could see how this boot ends.
        changes.setdefault("watched", recorded.ledger["watched"] and boot_part(host)["init"] != "none")
    if trial or changes:
        keep(trial=None, **changes)
    if trial:
        disarm(host, trial["transaction"])


def _end(interface, recorded, names, way, outcome, code=None):
    recorded.keep(**in_kernel_now(interface.patches(), recorded.ledger))
    seconds = {done["name"]: done["transition_seconds"] for done in way.rolled_back + way.brought_back}
    patches = [{"name": name, "state": interface.state(name), "transition_seconds": seconds.get(name)}
               for name in names]
    return recorded.end(outcome, patches, interface.patches(), code=code)


def _planned(host, interface, name, wanted):
    return {"name": name, "sha256": None, "build_id": module_build_id(host, name),
            "previous_state": interface.state(name), "wanted_state": wanted}
