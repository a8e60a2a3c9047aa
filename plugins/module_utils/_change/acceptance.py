# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting a patch that is enabled, so that it is loaded at each boot of this kernel, and the end of that."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import end_of_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, error_from
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import install_boot_service
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_with,
    entry_of,
    same_build,
    without,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def accept(task, controller):
    """Verify an enabled patch once more, keep it for the next boots, and end its trial; raises LivepatchError."""
    blockers = list(permission(task.host))
    if blockers:
        raise error_from(blockers)
    with open_transaction(task.host, "accept", controller) as transaction:
        task.ledger = transaction.ledger
        task.have_image()  # a patch that somebody else has loaded has none yet
        before = task.interface.patches()
        transaction.begin([dict(task.planned(), previous_state="enabled", wanted_state="accepted")], before)
        try:
            findings = _accept(task, transaction)
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            unwritten = task.end(transaction, "failed", error.code)
            error.details["findings"] = error.details.get("findings", []) + unwritten
            error.details.update(transaction=transaction.id, patch=task.result(task.interface.state(task.name)))
            raise error from failure
        task.ledger = transaction.ledger
        findings += task.end(transaction, "done")
        return dict(task.answer("accepted", findings), changed=True, transaction=transaction.id)


def _accept(task, transaction):
    findings, _functions = verify_patch(task.host, task.interface, task.name, task.description)
    blockers = blockers_in(findings, TOLERATED)
    if blockers:
        raise error_from(blockers, findings=findings)
    ledger = transaction.ledger
    entry = next((one for one in ledger["loaded"] if same_build(one, task.description)), None) or entry_of(
        task.description, task.line, transaction.name)
    watched = _watch(task.host, transaction, entry)
    stack = running_stack(task.host, task.interface.patches(), ledger)
    changes = {
        "accepted": accepted_with(ledger, stack, entry, task.description["replace"] is not False, transaction.now()),
        "quarantined": [one for one in ledger["quarantined"] if not same_build(one, entry)],
        "watched": watched,
    }
    if task.on_trial():
        end_of_trial(task.host, transaction, **changes)
    else:
        transaction.update_ledger(**changes)
    return findings


def _watch(host, transaction, entry):
    """Have the boot part run; what it starts reads the ledger, which is to be of this boot and to know the patch."""
    earlier = transaction.ledger["loaded"]
    transaction.update_ledger(loaded=earlier if entry in earlier else [*without(earlier, entry["name"]), entry])
    try:
        return install_boot_service(host, program(host))
    except BaseException:
        transaction.update_ledger_best_effort(loaded=earlier)
        raise
