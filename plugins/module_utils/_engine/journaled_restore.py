# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back as one change: journalled, in the ledger before and after, and the end of a trial that is going on."""

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_service_status, disarm
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    loaded_with,
    same_build,
    still_in_kernel,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def take_way(host, interface, way, transaction, **changes):
    """Go `way` (a WayBack) in the transaction `recorded`; `changes` are what the ledger has from now on.

    Returns a dict of `arrived`, `changed`, `transaction`, `rolled_back`, `brought_back`, `findings` and `blockers`.
    Raises LivepatchError, whose details have the same.
    """
    coming = way.coming()
    names = way.going()
    idle = [module["name"] for module in disabled_modules(host, {patch["name"] for patch in interface.patches()})]
    transaction.begin(
        [_planned(host, interface, name, "absent") for name in [*names, *idle] if name not in names_of(coming)]
        + [dict(_planned(host, interface, layer["name"], "enabled"), sha256=layer["sha256"],
                build_id=layer["build_id"]) for layer in coming], interface.patches())
    earlier = {key: transaction.ledger[key] for key in changes}
    transaction.update_ledger(loaded=loaded_with(host, transaction, coming), **changes)
    everything = list(dict.fromkeys([*names, *idle, *names_of(coming)]))
    try:
        way.check()
        arrived = way.go()
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        if not way.changed:
            transaction.update_ledger(**earlier)
        elif "accepted" in changes:
            transaction.update_ledger(accepted=_still_accepted(host, interface, transaction, way, earlier["accepted"]))
        findings = _end(interface, transaction, everything, way, "failed", error.code)
        error.details["findings"] = error.details.get("findings", []) + findings
        error.details["transaction"] = transaction.id
        raise error from failure
    if arrived:
        end_of_trial(host, transaction, **still_in_kernel(interface.patches(), transaction.ledger))
    way.findings += _end(interface, transaction, everything, way, "done" if arrived else "left-going")
    return {"arrived": arrived, "changed": way.changed, "transaction": transaction.id, "rolled_back": way.rolled_back,
            "brought_back": way.brought_back, "findings": way.findings, "blockers": way.blockers}


def _still_accepted(host, interface, transaction, way, earlier):
    """On a way that ended half way, what was accepted stays so where it still runs, or is not what the way is about."""
    stack = running_stack(host, interface.patches(), transaction.ledger)
    now = transaction.ledger["accepted"]
    known = now + [entry for entry in earlier if not any(same_build(entry, other) for other in now)]
    untouched = [entry for entry in now if not any(same_build(entry, layer) for layer in way.target)]
    return [entry for entry in known if entry["release"] != host.release() or entry in untouched
            or any(same_build(entry, layer) for layer in stack)]


def end_of_trial(host, transaction, at_last=False, **changes):
    """End the trial that may be going on, with other changes of the ledger.

    The ledger goes first, so that what is still armed finds nothing to do; `at_last`: even where it cannot be written.
    """
    keep = transaction.update_ledger_best_effort if at_last else transaction.update_ledger
    trial = transaction.ledger["trial"]
    if trial:
        # Without an init system, what waited for the trial's end was all that could see how this boot ends.
        changes.setdefault("watched", transaction.ledger["watched"] and boot_service_status(host)["init"] != "none")
    if trial or changes:
        keep(trial=None, **changes)
    if trial:
        disarm(host, trial["transaction"])


def _end(interface, transaction, names, way, outcome, code=None):
    transaction.update_ledger(**still_in_kernel(interface.patches(), transaction.ledger))
    seconds = {done["name"]: done["transition_seconds"] for done in way.rolled_back + way.brought_back}
    patches = [{"name": name, "state": interface.state(name), "transition_seconds": seconds.get(name)}
               for name in names]
    return transaction.end(outcome, patches, interface.patches(), code=code)


def _planned(host, interface, name, wanted):
    return {"name": name, "sha256": None, "build_id": module_build_id(host, name),
            "previous_state": interface.state(name), "wanted_state": wanted}
