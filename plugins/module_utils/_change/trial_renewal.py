# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles a new request for an enabled patch on trial: the trial begins again, or ends with the patch enabled."""

from ansible_collections.kernel.livepatch.plugins.module_utils._change.trial_obstacles import count_obstacles
from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import (
    await_verdict,
    watch_verdict,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def renew_trial(change, controller, check_mode):
    """Begin the trial of a PatchChange again with the requested seconds, or end it if none; returns the result.

    The stack to restore at the trial's end stays the same. If a rollout ends the trial, its watch must have found
    nothing, as for an acceptance. Raises LivepatchError with the trial as it was.
    """
    result = dict(change.unchanged(), changed=True)
    blockers = count_obstacles(change) if change.request.trial else []
    if blockers:
        raise error_from(blockers, findings=blockers, patch=result["patch"])
    if check_mode:
        return result
    is_judged = change.request.fresh and not change.request.trial
    if is_judged:
        await_verdict(change.host, change.build())
    with open_transaction(change.host, "patch", controller) as transaction:
        change.ledger = transaction.ledger
        change.refresh()
        if change.steps() or not change.renews_trial():  # it has ended, or the patch was accepted
            return change.apply(transaction)
        verdict = watch_verdict(change.host, change.ledger["trial"], patience=False) if is_judged else None
        safeguards = change.safeguards(transaction)
        transaction.begin([change.journal_plan()], change.before)
        try:
            safeguards.extend_trial()
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            error.details.update(
                transaction=transaction.id, patch=result["patch"],
                findings=change.end(transaction, "failed", error.code))
            raise error from failure
        safeguards.finish(change.before)
        findings = result["findings"] + change.end(transaction, "done")
        return dict(result, transaction=safeguards.trial_transaction, findings=findings, watch=verdict)
