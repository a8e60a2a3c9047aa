# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An enabled patch that is on trial and is asked for again: the trial begins anew, or ends and the patch stays."""

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def move_trial(task, controller, check_mode):
    """The result of a OnePatch whose trial begins anew with the seconds that are asked for, or is over with none.

    What the trial's end goes back to is what it was. Raises LivepatchError with the trial as it was.
    """
    answer = dict(task.unchanged(), changed=True)
    if check_mode:
        return answer
    with open_transaction(task.host, "patch", controller) as transaction:
        task.ledger = transaction.ledger
        task.look()
        if task.steps() or not task.moves_trial():  # it has ended, or somebody has accepted it
            return task.change(transaction)
        precautions = task.precautions(transaction)
        transaction.begin([task.planned()], task.before)
        try:
            precautions.prolong()
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            error.details.update(
                transaction=transaction.id, patch=answer["patch"], findings=task.end(transaction, "failed", error.code))
            raise error from failure
        precautions.settle(task.before)
        findings = answer["findings"] + task.end(transaction, "done")
        return dict(answer, transaction=precautions.begun, findings=findings)
