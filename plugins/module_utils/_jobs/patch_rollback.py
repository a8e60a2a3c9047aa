# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_rollback`: restore an earlier stack of live patches."""

import contextlib

from ansible_collections.kernel.livepatch.plugins.module_utils._change.adoption import (
    give_back,
    not_taken_over,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import await_revert
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import restore_in_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import install_boot_service
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import (
    disabled_modules,
    loaded_build,
    wait_until_released,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import modules_disabled
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.boot_loads import set_aside
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.result import stack_diff
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import actor_label
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import (
    changed_stack,
    has_failed,
    journal_changes,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import ends_unfinished
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import check_run, refuse_leased
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_entry,
    accepted_for_running_kernel,
    contains_build,
    empty_ledger,
    entry_of_layer,
    in_order,
    loaded_with,
    read_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import may_not_read, reason
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import JOURNAL
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of, same_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import (
    Store,
    newer_descriptions,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import (
    UNATTENDED,
    open_transaction,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


def roll_back(host, to, timeout, on_stall, check_mode=False, controller=None):
    """Roll the kernel back to `to`: `previous`, `original`, or the name of a transaction, for the stack before it.

    `controller` as in open_transaction. Returns a dict of `changed`, `transaction`, `target` (names), `builds` (`name`
    and `build_id` of each of these), `removed` and `restored` (each a list of `name` and `transition_seconds`),
    `findings`, `blockers` and `diff`. Raises LivepatchError with the patches `removed` and `restored` until then in its
    details.
    """
    check_run((controller or {}).get("run"))
    interface = interface_adapter(host)
    trial = _ledger(host)["trial"]
    if trial and not check_mode:
        await_revert(host, trial, timeout)  # both at once would be `host-busy`, for a host that reverts
    before = interface.patches()
    target, undone = starting_point(host, to)
    done = {"changed": False, "transaction": None, **_described(target), "removed": [], "restored": [], "findings": [],
            "blockers": [], "diff": stack_diff(host, before, before)}
    restore = StackRestore(host, interface, target, timeout, on_stall)
    idle = _idle_modules(host, interface)
    work = _has_work(host, restore, _ledger(host), undone)
    if not (idle or work):
        return done
    if not work and modules_disabled(host):
        return dict(done, findings=list(_kept_modules(idle)))
    refuse_leased(host, controller)
    _refuse_changes_of_others(host, to, controller or {})
    blockers = list(permission(host, modules=bool(restore.layers_to_load()) or not work))
    if blockers:
        raise error_from(blockers)
    restore.check()
    if check_mode:
        return dict(done, **_forecast(host, restore, idle, before, work))
    with open_transaction(
            host, "rollback", controller, best_effort_records=True, seconds=10 * timeout) as transaction:
        _refuse_changes_of_others(host, to, controller or {})
        before, (target, undone) = interface.patches(), starting_point(host, to)
        restore = StackRestore(host, interface, target, timeout, on_stall)
        work = _has_work(host, restore, transaction.ledger, undone)
        if not work:
            idle = _idle_modules(host, interface)
            held = list(_pinned_modules(host, idle))
            if len(held) == len(idle):
                return dict(done, findings=held)
        done.update(_restore(host, interface, restore, transaction, undone), **_described(target))
        done["changed"] = done["changed"] or work
        done["findings"] += give_back(host, undone)
    del done["finished"]
    return dict(done, diff=stack_diff(host, before, interface.patches()))


def _described(target):
    return {"target": names_of(target),
            "builds": [{"name": layer["name"], "build_id": layer["build_id"]} for layer in target]}


def _restore(host, interface, restore, transaction, undone):
    trial = transaction.ledger["trial"]
    changes = {"accepted": not_taken_over(host, undone, _accepted(host, restore, transaction, undone)),
               "trial": dict(trial, back_to=restore.target) if trial else None}  # if it stays unfinished
    if restore.layers_to_load():
        # The program and the boot service read the ledger.
        transaction.update_ledger(loaded=loaded_with(host, transaction, restore.layers_to_load()))
        if not newer_descriptions(host, transaction.ledger):  # or the next boot could not read them
            with contextlib.suppress(LivepatchError, OSError):  # then no clean shutdown is recorded
                changes["watched"] = install_boot_service(host, ensure_program(host))
    return restore_in_transaction(host, interface, restore, transaction, **changes)


def starting_point(host, to):
    """The stack to restore, as LAYERs, and the names of the changes that this undoes, None for all.

    Raises LivepatchError `no-previous`, `transaction-unknown`, `journal-unreadable`. `previous` is refused if a newer
    line cannot be read: that line may hold the change to undo.
    """
    if to == "original":
        return [], None
    undone, unreadable = set(), None
    for begin, end in _changes(host, to):
        if begin is None:
            unreadable = "it has damaged lines, or lines of another version of this collection"
            continue
        undone.add(begin["transaction"])
        meant = begin["transaction"] == to or (to == "previous" and changed_stack(begin, end))
        if meant and begin["kernel"] == host.release():
            if unreadable and to == "previous":
                break
            return begin["before"], undone
    if unreadable:
        raise _journal_unreadable(unreadable)
    if to == "previous":
        raise LivepatchError(
            "no-previous",
            "The journal has no earlier change of this kernel's live patches to roll back. Name a transaction "
            "from the journal of patch_info, or use to: original.")
    raise LivepatchError(
        "transaction-unknown",
        f"The journal has no change called {to} of this kernel. Name a transaction from the journal of patch_info.")


def _refuse_changes_of_others(host, to, controller):
    """Raise LivepatchError `changed-since` if a run that undoes its own change would undo later ones of others too."""
    run, later = controller.get("run"), None
    if run is None or to in ("original", "previous") or controller.get("take_lease"):
        return
    for begin, end in _changes(host, to):
        if begin is None:
            continue
        if begin["transaction"] == to:
            break
        if begin["action"] not in UNATTENDED and begin.get("run") != run and not has_failed(begin, end):
            later = begin
    else:
        return
    if later and begin.get("run") == run:
        raise LivepatchError(
            "changed-since",
            f"{actor_label(later['who'])} has changed the live patches of this host on {later['time']}, after this run "
            f"(transaction {later['transaction']}), so this run does not undo its own change any more. To undo both, "
            f"run patch_rollback with to: {to}.")


def _changes(host, to):
    """The journal's changes; raises LivepatchError `journal-unreadable` instead of an OSError."""
    try:
        changes = journal_changes(host)
        if to == "previous" and ends_unfinished(host):
            newest = next(changes, (None, None))
            if not _is_in_effect(host, newest[1]):
                raise _journal_unreadable("its last line is cut, and other patches are enabled than before it")
            yield newest
        yield from changes
    except OSError as error:
        if may_not_read(host, error):
            raise
        raise _journal_unreadable(reason(error)) from error


def _is_in_effect(host, end):
    """Whether the enabled builds are those after a change; a change without an end may have been the last one."""
    enabled = [loaded_build(host, patch["name"])
               for patch in interface_adapter(host).patches() if patch["state"] == "enabled"]
    return end is None or same_stack(enabled, end["after"])


def _journal_unreadable(why):
    return LivepatchError(
        "journal-unreadable",
        f"The newest changes in {JOURNAL} cannot be read ({why}), so the change to undo is not known. Choose a "
        "transaction from the journal of patch_info, or use to: original.")


def _ledger(host):
    """The ledger, or an empty one if it is damaged: a rollback is still possible, with a finding."""
    try:
        return read_ledger(host)
    except LivepatchError:
        return empty_ledger()


def _has_work(host, restore, ledger, undone):
    """Whether a patch must be removed or loaded, the next boot would load another patch, or a trial is running."""
    untouched = _untouched(host, restore, ledger, undone)
    gone = [entry for entry in accepted_for_running_kernel(host, ledger)
            if not contains_build(restore.target, entry) and entry not in untouched]
    taken_over = set_aside(host, undone or ())
    return bool(restore.patches_to_remove() or restore.layers_to_load() or gone or taken_over or ledger["trial"])


def _untouched(host, restore, ledger, undone):
    """The entries accepted for this kernel that do not run and are older than every undone change."""
    removed = restore.patches_to_remove()
    return [entry for entry in accepted_for_running_kernel(host, ledger) if undone is not None
            and entry["transaction"] not in undone and entry["name"] not in removed
            and not contains_build(restore.target, entry)]


def _accepted(host, restore, transaction, undone):
    """The new `accepted`: layers of the target accepted now, or accepted earlier and to be loaded again.

    Entries of other kernels, also of another build of this release, and untouched entries of this one stay.
    """
    ledger, layers = transaction.ledger, restore.layers_to_load()
    now = accepted_for_running_kernel(host, ledger)
    elsewhere = [entry for entry in ledger["accepted"] if entry not in now]
    here = []
    for layer in restore.target:
        known = next((entry for entry in now if same_build(entry, layer)), None)
        if known is None and layer["accepted"] and contains_build(layers, layer):
            known = accepted_entry(
                entry_of_layer(host, layer, transaction.name), transaction.now(), kernel_build_id(host))
        here += [known] if known else []
    return elsewhere + in_order(now, _untouched(host, restore, ledger, undone), here)


def _idle_modules(host, interface):
    shown = {patch["name"] for patch in interface.patches() if patch["state"] != "disabled"}
    return disabled_modules(host, shown)


def _kept_modules(idle):
    """A finding for each idle module, where the kernel unloads none."""
    for module in idle:
        yield finding("module-kept", module["name"], name=module["name"],
                      why="No module can be unloaded until the next reboot (kernel.modules_disabled is 1).")


def _pinned_modules(host, idle):
    """A finding for each idle module that the kernel does not release, perhaps until a reboot."""
    for module in idle:
        try:
            wait_until_released(host, module["name"])
        except LivepatchError as error:
            yield finding("module-kept", module["name"], name=module["name"], why=error.message)


def _forecast(host, restore, idle, before, work):
    """The result that the rollback would have; changes nothing."""
    removed = restore.patches_to_remove() + [module["name"] for module in idle if not module["refcnt"]]
    layers = restore.layers_to_load()
    there = {patch["name"]: patch for patch in before}
    descriptions = {layer["name"]: Store(host).description(layer["sha256"]) for layer in layers}
    after = [{"name": layer["name"], "state": "enabled", "objects": claimed_objects(descriptions[layer["name"]])}
             if layer["name"] in descriptions else there[layer["name"]] for layer in restore.target]
    return {
        "changed": bool(removed or work), "removed": [_planned_step(name) for name in removed],
        "restored": [_planned_step(layer["name"]) for layer in layers], "diff": stack_diff(host, before, after)}


def _planned_step(name):
    return {"name": name, "transition_seconds": None}
