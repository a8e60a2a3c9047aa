# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepts an enabled patch, so that each boot of this kernel loads it, and ends its trial."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change.adoption import adopt, shared_boots
from ansible_collections.kernel.livepatch.plugins.module_utils._change.boot_repair import (
    repair_directories,
    with_repairs,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import (
    await_verdict,
    ended_verdict,
    refuse_failed_watch,
    watch_verdict,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import kernel_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import close_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, error_from
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import (
    install_boot_service,
    own_paths,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.selinux import restore_labels
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import has_replace_sets
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_entry,
    accepted_with,
    entry_of,
    trial_of,
    without,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import HOLD_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import ensure_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def accept(change, controller, faults=()):
    """Verify an enabled patch once more, keep it for the next boots, and end its trial; raises LivepatchError.

    A patch on trial must have been watched, see watch_verdict.py; the result has the verdict as `watch`.
    `faults`: what to repair for the next boot, see boot_repairs.
    """
    refuse_to_accept(change)
    await_verdict(change.host, change.build())
    repair_directories(change.host)
    with open_transaction(change.host, "accept", controller) as transaction:
        change.ledger = transaction.ledger
        change.ensure_image()  # the host keeps no file of a patch loaded by hand
        before = change.interface.patches()
        transaction.begin([dict(change.journal_plan(), previous_state="enabled", wanted_state="accepted")], before)
        try:
            refuse_failed_watch(transaction.ledger, change.build())
            trial = trial_of(transaction.ledger, change.name)
            verdict = watch_verdict(change.host, trial, patience=False) if trial else ended_verdict(
                change.host, transaction.ledger, change.build())
            findings = _accept(change, transaction, bool(faults))
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            change.ledger = transaction.ledger
            record_findings = change.end(transaction, "failed", error.code)
            error.details["findings"] = error.details.get("findings", []) + record_findings
            error.details.update(transaction=transaction.id, patch=change.result(change.interface.state(change.name)))
            raise error from failure
        change.ledger = transaction.ledger
        findings += change.end(transaction, "done")
        result = change.task_result("accepted", findings)
        return dict(
            result, changed=True, transaction=transaction.id, watch=verdict,
            diff=with_repairs(result["diff"], faults))


def refuse_to_accept(change):
    """Raises LivepatchError with the first reason, before anything is changed, why an enabled patch is not accepted."""
    found = list(permission(change.host)) + shared_boots(change)
    blockers = blockers_in(found, change.request.ignore_findings)
    if blockers:
        raise error_from(blockers, findings=found, patch=change.result(change.previous))


def _accept(change, transaction, probe):
    findings, _functions = verify_patch(change.host, change.interface, change.name, change.description)
    blockers = blockers_in(findings, change.tolerated)
    if blockers:
        raise error_from(blockers, findings=findings)
    ledger = transaction.ledger
    entry = next((one for one in ledger["loaded"] if same_build(one, change.description)), None) or entry_of(
        change.description, change.line, transaction.name)
    watched, label_findings = _install_boot_service(change.host, transaction, entry, probe)
    stack = running_stack(change.host, change.interface.patches(), ledger)
    changes = {
        "accepted": accepted_with(
            ledger, stack, accepted_entry(entry, transaction.now(), kernel_build_id(change.host)),
            lambda one: _replaces(change, one)),
        "quarantined": [one for one in ledger["quarantined"] if not same_build(one, entry)],
        "watched": watched,
    }
    if change.on_trial():
        close_trial(change.host, transaction, **changes)
    else:
        transaction.update_ledger(**changes)
    return findings + label_findings + adopt(change, transaction.name)


def _replaces(change, entry):
    """Whether the enabled patch of a change replaces the one of an accepted entry that does not run."""
    patches = change.interface.patches()
    if not has_replace_sets(patches):
        return change.description["replace"] is not False
    own = next((patch["replace_set"] for patch in patches if patch["name"] == change.name), None)
    kept = change.store.description(entry["sha256"])
    return kept is not None and own is not None and kept.get("replace_set") == own


def _install_boot_service(host, transaction, entry, probe):
    """Install, enable and start the boot service; it reads the ledger, so that must name this boot and this patch.

    Returns whether it watches the end of this boot, and the findings about the labels of its files.

    With `probe`, test the program though it is as this version writes it. The trial process goes back without the lock
    some time after the trial's end, so the end moves for as long as this change may take.
    """
    earlier = {"loaded": transaction.ledger["loaded"], "trial": transaction.ledger["trial"]}
    loaded, trial = earlier["loaded"], earlier["trial"]
    if trial_of(transaction.ledger, entry["name"]):
        trial = dict(trial, ends=max(trial["ends"], host.now() + HOLD_SECONDS))
    transaction.update_ledger(
        loaded=loaded if entry in loaded else [*without(loaded, entry["name"]), entry], trial=trial)
    try:
        watched = install_boot_service(host, ensure_program(host, probe=probe), enable=True)
        return watched, restore_labels(host, own_paths(host))
    except BaseException:
        transaction.update_ledger_best_effort(**earlier)
        raise
