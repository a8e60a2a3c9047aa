# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a trial on the host itself: waits for the deadline in the ledger, then restores the earlier patches.

It needs neither the controller nor the process that began the trial.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import (
    close_trial,
    restore_or_remove,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import IGNORABLE, TRANSIENT, StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    read_ledger,
    still_in_kernel,
    still_loaded,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

TRANSITION_SECONDS = 90
POLL_SECONDS = 10  # seconds; the end can be moved, or the trial accepted, meanwhile
FIRST_PAUSE, LONGEST_PAUSE = 2, 300  # seconds, between two tries


def end_trial(host):
    """Wait for the end of the running trial, and restore the earlier patches.

    Tries until it succeeds, with longer and longer pauses, and without the lock in between, so that an operator can
    help. If the ledger becomes unreadable, it uses the ledger from the start. Returns when the ledger has no trial of
    this boot any more: the outcome as a sentence, or None if another run ended the trial. Raises LivepatchError if the
    trial is over and an earlier patch could not be loaded again.
    """
    known_ledger = read_ledger(host)
    pause, message = FIRST_PAUSE, None
    while True:
        known_ledger = _wait_until_due(host, known_ledger)
        if known_ledger is None:
            return message
        failure = None
        try:
            message = _end(host, known_ledger, message)
        except (LivepatchError, OSError) as error:
            failure = error
        if (message and not _is_still_there(host)) or _current_ledger(host, known_ledger)["trial"] is None:
            if failure:
                raise failure
            return message
        host.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_still_there(host):
    """Whether the ledger on the disk has a trial; False for an unreadable ledger, which cannot be updated."""
    try:
        return read_ledger(host)["trial"] is not None
    except (LivepatchError, OSError):
        return False


def _current_ledger(host, known_ledger):
    """The ledger, or `known_ledger` if the ledger is unreadable or has lost the trial."""
    try:
        ledger = read_ledger(host)
    except (LivepatchError, OSError):
        return known_ledger
    return known_ledger if _has_lost_trial(host, ledger, known_ledger) else ledger


def _has_lost_trial(host, ledger, known_ledger):
    """Whether the ledger was moved away or started again, and so misses a patch that is still on trial."""
    if ledger["trial"] or not known_ledger["trial"] or known_ledger["boot_id"] != host.read_or(BOOT_ID):
        return False
    name = known_ledger["trial"]["name"]
    return name not in names_of(ledger["loaded"]) and interface_adapter(host).state(name) not in ("absent", "disabled")


def _wait_until_due(host, known_ledger):
    """Wait until a trial's time is over; returns the ledger, or None without a trial."""
    while True:
        known_ledger = _current_ledger(host, known_ledger)
        if known_ledger["trial"] is None or known_ledger["boot_id"] != host.read_or(BOOT_ID):
            return None
        left = known_ledger["trial"]["ends"] - host.now()
        if left <= 0:
            return known_ledger
        host.sleep(min(left, POLL_SECONDS))


def _end(host, known_ledger, message):
    """Restore the earlier patches; with a `message` that is done, and only the ledger's trial must still be ended.

    Returns the message for a restored host, or None.
    """
    with open_transaction(host, "trial", best_effort_records=True, wait=True, known_ledger=known_ledger) as transaction:
        if _has_lost_trial(host, transaction.ledger, known_ledger):
            transaction.update_ledger(
                trial=known_ledger["trial"], watched=known_ledger["watched"],
                loaded=still_loaded(interface_adapter(host).patches(), known_ledger))
        trial = transaction.ledger["trial"]
        if not trial or trial["ends"] > host.now():
            return None  # the last holder of the lock accepted it, rolled it back, or began another
        if message:
            close_trial(host, transaction, **still_in_kernel(interface_adapter(host).patches(), transaction.ledger))
            return message
        return _restore_earlier(host, transaction, trial) and (
            f"The trial of {trial['name']} ended without acceptance. This host has reverted to "
            f"{', '.join(names_of(trial['back_to'])) or 'no live patch'}.")


def _restore_earlier(host, transaction, trial):
    """Whether the restore finished; if an earlier patch cannot be loaded again, at least removes the trial's patch."""
    interface = interface_adapter(host)
    ignored = IGNORABLE | TRANSIENT | {"quarantined"}
    restore = StackRestore(host, interface, trial["back_to"], TRANSITION_SECONDS, "wait", ignored)
    return restore_or_remove(host, interface, restore, transaction)["finished"]
