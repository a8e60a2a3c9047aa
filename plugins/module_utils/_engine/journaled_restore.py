# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a restore as one change: writes the journal and the ledger before and after, and ends a running trial."""

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_service_status, disarm
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.call_probes import remove_probes
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import disabled_modules, module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    contains_build,
    loaded_with,
    still_in_kernel,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def restore_in_transaction(host, interface, restore, transaction, **changes):
    """Run `restore` (a StackRestore) in an open transaction; `changes` are new values for keys of the ledger.

    Returns a dict of `finished`, `changed`, `transaction`, `removed`, `restored`, `findings` and `blockers`.
    Raises LivepatchError with the same keys in its details.
    """
    layers = restore.layers_to_load()
    names = restore.patches_to_remove()
    idle = [module["name"] for module in disabled_modules(host, {patch["name"] for patch in interface.patches()})]
    transaction.begin(
        [_journal_plan(host, interface, name, "absent") for name in [*names, *idle] if name not in names_of(layers)]
        + [dict(_journal_plan(host, interface, layer["name"], "enabled"), sha256=layer["sha256"],
                build_id=layer["build_id"]) for layer in layers], interface.patches())
    earlier = {key: transaction.ledger[key] for key in changes}
    transaction.update_ledger(loaded=loaded_with(host, transaction, layers), **changes)
    everything = list(dict.fromkeys([*names, *idle, *names_of(layers)]))
    try:
        restore.check()
        finished = restore.run()
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        if not restore.changed:
            transaction.update_ledger(**earlier)
        elif "accepted" in changes:
            accepted = _accepted_after_failure(host, interface, transaction, restore, earlier["accepted"])
            transaction.update_ledger(accepted=accepted)
        findings = _end(interface, transaction, everything, restore, "failed", error.code)
        error.details["findings"] = error.details.get("findings", []) + findings
        error.details["transaction"] = transaction.id
        raise error from failure
    if finished:
        close_trial(host, transaction, **still_in_kernel(interface.patches(), transaction.ledger))
    restore.findings += _end(interface, transaction, everything, restore, "done" if finished else "in-transition")
    return {
        "finished": finished, "changed": restore.changed, "transaction": transaction.id, "removed": restore.removed,
        "restored": restore.restored, "findings": restore.findings, "blockers": restore.blockers}


def restore_or_remove(host, interface, restore, transaction):
    """Like `restore_in_transaction`; if a layer cannot be loaded again, remove every patch outside the target.

    Raises LivepatchError then, with the reason why the layer cannot be loaded.
    """
    try:
        return restore_in_transaction(host, interface, restore, transaction)
    except LivepatchError:
        remaining = restore.to_layers_in_effect(
            transaction.ledger, lambda layer: contains_build(restore.target, layer))
        trial = transaction.ledger["trial"]
        if remaining.patches_to_remove() or interface.patch_in_transition() is not None:
            restore_in_transaction(host, interface, remaining, transaction.next())
        elif trial and interface.state(trial["name"]) in ("absent", "disabled"):  # removed: no second try is needed
            close_trial(host, transaction)
        raise


def _accepted_after_failure(host, interface, transaction, restore, earlier):
    """The ledger's `accepted` after a failed restore: of this kernel, entries that run or are outside the target."""
    stack = running_stack(host, interface.patches(), transaction.ledger)
    now = transaction.ledger["accepted"]
    known = now + [entry for entry in earlier if not contains_build(now, entry)]
    untouched = [entry for entry in now if not contains_build(restore.target, entry)]
    return [entry for entry in known if entry["release"] != host.release() or entry in untouched
            or contains_build(stack, entry)]


def close_trial(host, transaction, best_effort=False, **changes):
    """End the trial, if there is one, and make other changes of the ledger.

    The ledger is written first, so that a trial process that is still armed finds no trial. With `best_effort` the
    trial also ends if the ledger cannot be written.
    """
    update = transaction.update_ledger_best_effort if best_effort else transaction.update_ledger
    trial = transaction.ledger["trial"]
    if trial:
        # Without an init system, only the trial process could record a clean shutdown.
        changes.setdefault("watched", transaction.ledger["watched"] and boot_service_status(host)["init"] != "none")
    if trial or changes:
        update(trial=None, **changes)
    if trial:
        disarm(host, trial["transaction"])
        remove_probes(host)


def _end(interface, transaction, names, restore, outcome, code=None):
    transaction.update_ledger(**still_in_kernel(interface.patches(), transaction.ledger))
    seconds = {done["name"]: done["transition_seconds"] for done in restore.removed + restore.restored}
    patches = [{"name": name, "state": interface.state(name), "transition_seconds": seconds.get(name)}
               for name in names]
    return transaction.end(outcome, patches, interface.patches(), code=code)


def _journal_plan(host, interface, name, wanted):
    return {"name": name, "sha256": None, "build_id": module_build_id(host, name),
            "previous_state": interface.state(name), "wanted_state": wanted}
