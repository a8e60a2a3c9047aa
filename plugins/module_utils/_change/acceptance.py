# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting a patch that is enabled, so that it is loaded at each boot of this kernel, and the end of that."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import end_of_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, error_from
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import watch
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_with,
    entry_of,
    same_build,
    without,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def accept(task, told):
    """Verify an enabled patch once more, keep it for the next boots, and end its trial; raises LivepatchError."""
    blockers = list(permission(task.host))
    if blockers:
        raise error_from(blockers)
    with transaction(task.host, "accept", told) as recorded:
        task.ledger = recorded.ledger
        task.have_image()  # a patch that somebody else has loaded has none yet
        before = task.interface.patches()
        recorded.begin([dict(task.planned(), previous_state="enabled", wanted_state="accepted")], before)
        try:
            findings = _accept(task, recorded)
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            unwritten = task.end(recorded, "failed", error.code)
            error.details["findings"] = error.details.get("findings", []) + unwritten
            error.details.update(transaction=recorded.id, patch=task.result(task.interface.state(task.name)))
            raise error from failure
        task.ledger = recorded.ledger
        findings += task.end(recorded, "done")
        return dict(task.answer("accepted", findings), changed=True, transaction=recorded.id)


def _accept(task, recorded):
    findings, _functions = verify_patch(task.host, task.interface, task.name, task.description)
    blockers = blockers_in(findings, TOLERATED)
    if blockers:
        raise error_from(blockers, findings=findings)
    ledger = recorded.ledger
    entry = next((one for one in ledger["loaded"] if same_build(one, task.description)), None) or entry_of(
        task.description, task.line, recorded.name)
    watched = _watch(task.host, recorded, entry)
    stack = running_stack(task.host, task.interface.patches(), ledger)
    changes = {
        "accepted": accepted_with(ledger, stack, entry, task.description["replace"] is not False, recorded.now()),
        "quarantined": [one for one in ledger["quarantined"] if not same_build(one, entry)],
        "watched": watched,
    }
    if task.on_trial():
        end_of_trial(task.host, recorded, **changes)
    else:
        recorded.keep(**changes)
    return findings


def _watch(host, recorded, entry):
    """Have the boot part run; what it starts reads the ledger, which is to be of this boot and to know the patch."""
    earlier = recorded.ledger["loaded"]
    recorded.keep(loaded=earlier if entry in earlier else [*without(earlier, entry["name"]), entry])
    try:
        return watch(host, program(host))
    except BaseException:
        recorded.keep_at_last(loaded=earlier)
        raise
