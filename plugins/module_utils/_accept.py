# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting a patch that is enabled, so that it is loaded at each boot of this kernel, and the end of that."""

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.policy import permission
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError, known_error
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding, refusal, standing_blockers
from ansible_collections.kernel.livepatch.plugins.module_utils._init_system import boot_part, watch
from ansible_collections.kernel.livepatch.plugins.module_utils._ledger import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import remove_module
from ansible_collections.kernel.livepatch.plugins.module_utils._precautions import accepted_with, entry_of, without
from ansible_collections.kernel.livepatch.plugins.module_utils._program import program
from ansible_collections.kernel.livepatch.plugins.module_utils._stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._taking_back import end_of_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._transaction import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._verify import TOLERATED, verify_patch


def accept(task, told):
    """Verify an enabled patch once more, keep it for the next boots, and end its trial; raises LivepatchError."""
    blockers = list(permission(task.host))
    if blockers:
        raise refusal(blockers)
    with transaction(task.host, "accept", told) as recorded:
        before = task.interface.patches()
        recorded.begin([dict(task.planned(), previous_state="enabled", wanted_state="accepted")], before)
        try:
            findings = _accept(task, recorded)
        except (LivepatchError, OSError) as failure:
            error = known_error(failure)
            unwritten = _end(task, recorded, "failed", error.code)
            error.details["findings"] = error.details.get("findings", []) + unwritten
            error.details.update(transaction=recorded.id, patch=task.result(task.interface.state(task.name)))
            raise error from failure
        task.ledger = recorded.ledger
        findings += _end(task, recorded, "done", None)
        return dict(task.answer("accepted", findings), changed=True, transaction=recorded.id)


def _accept(task, recorded):
    findings, _functions = verify_patch(task.host, task.interface, task.name, task.description)
    blockers = standing_blockers(findings, TOLERATED)
    if blockers:
        raise refusal(blockers, findings=findings)
    watched = watch(task.host, program(task.host))
    findings += _remove_replaced(task, recorded.ledger)
    ledger = recorded.ledger
    entry = next((one for one in ledger["loaded"] if same_build(one, task.description)), None) or entry_of(
        task.description, task.line, recorded.name)
    stack = running_stack(task.host, task.interface.patches(), ledger)
    changes = {
        "accepted": accepted_with(ledger, stack, entry, recorded.now()),
        "quarantined": [one for one in ledger["quarantined"] if not same_build(one, entry)],
        "watched": watched,
    }
    if task.on_trial():
        end_of_trial(task.host, recorded, **changes)
    else:
        recorded.keep(**changes)
    return findings


def _remove_replaced(task, ledger):
    """Take out the modules of what was replaced after a run had left the transition going."""
    names = [entry["name"] for entry in ledger["loaded"] if entry["name"] != task.name]
    for name in names:
        if task.interface.state(name) == "disabled":
            try:
                remove_module(task.host, name)
            except LivepatchError as error:
                yield finding("replaced-module-kept", name, other=name, why=error.message)


def accepted_again(task):
    """Whether what makes an accepted patch come back at boot is still in place; where it is not, accepting mends it."""
    part = boot_part(task.host)
    return part["installed"] or part["init"] == "none"  # an operator may have disabled it, and means it


def forget(task, told, check_mode):
    """Have a patch that is not enabled, and not to be, out of what the next boots load."""
    answer = dict(task.answer(task.previous, []), changed=True)
    if check_mode:
        return answer
    with transaction(task.host, "patch", told, way_back=True) as recorded:
        recorded.begin([task.planned()], task.interface.patches())
        recorded.keep(accepted=without(recorded.ledger["accepted"], task.name))
        return dict(answer, findings=_end(task, recorded, "done", None), transaction=recorded.id)


def _end(task, recorded, outcome, code):
    state = task.interface.state(task.name)
    return recorded.end(
        outcome, [{"name": task.name, "state": state, "transition_seconds": None}], task.interface.patches(), code=code)
