# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial's end, and what the ledger has of a host after a change.

Nothing here needs whoever began the trial: the deadline is in the ledger, and the host itself runs `end_trial`.
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
    """Wait for the end of the trial that is going on, and bring the host back to what ran before.

    Tries for as long as it takes, less and less often, and without the lock in between, so that an operator can help.
    What is on the disk when this begins is gone by where it cannot be read any more. Returns, when the ledger has no
    trial of this boot any more, what came of it as a sentence, None where it was no matter of this. Raises
    LivepatchError where the trial is over and what ran before could not be loaded again.
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
    """Whether the ledger on the disk has a trial; one that cannot be read cannot be mended either."""
    try:
        return read_ledger(host)["trial"] is not None
    except (LivepatchError, OSError):
        return False


def _current_ledger(host, known_ledger):
    """The ledger, or where it cannot be read or has lost the trial, what is known of it."""
    try:
        ledger = read_ledger(host)
    except (LivepatchError, OSError):
        return known_ledger
    return known_ledger if _has_lost_trial(host, ledger, known_ledger) else ledger


def _has_lost_trial(host, ledger, known_ledger):
    """Whether a ledger that somebody has moved away, or begun anew, knows nothing of a patch that is still on trial."""
    if ledger["trial"] or not known_ledger["trial"] or known_ledger["boot_id"] != host.read_or(BOOT_ID):
        return False
    name = known_ledger["trial"]["name"]
    return name not in names_of(ledger["loaded"]) and interface_adapter(host).state(name) not in ("absent", "disabled")


def _wait_until_due(host, known_ledger):
    """Wait until a trial's time is over; returns the ledger then, None where there is no trial."""
    while True:
        known_ledger = _current_ledger(host, known_ledger)
        if known_ledger["trial"] is None or known_ledger["boot_id"] != host.read_or(BOOT_ID):
            return None
        left = known_ledger["trial"]["ends"] - host.now()
        if left <= 0:
            return known_ledger
        host.sleep(min(left, POLL_SECONDS))


def _end(host, known_ledger, message):
    """Come back, or where that is `message` already, end the trial in the ledger, which could not be written until now.

    Returns what there is to say when the host is back, None before.
    """
    with open_transaction(host, "trial", best_effort_records=True, wait=True, known_ledger=known_ledger) as transaction:
        if _has_lost_trial(host, transaction.ledger, known_ledger):
            transaction.update_ledger(
                trial=known_ledger["trial"], watched=known_ledger["watched"],
                loaded=still_loaded(interface_adapter(host).patches(), known_ledger))
        trial = transaction.ledger["trial"]
        if not trial or trial["ends"] > host.now():
            return None  # whoever had the lock has accepted it, or taken it back, or begun another
        if message:
            close_trial(host, transaction, **still_in_kernel(interface_adapter(host).patches(), transaction.ledger))
            return message
        return _restore_earlier(host, transaction, trial) and (
            f"The trial of {trial['name']} ended without acceptance. This host has reverted to "
            f"{', '.join(names_of(trial['back_to'])) or 'no live patch'}.")


def _restore_earlier(host, transaction, trial):
    """Whether the host is back; where what ran before cannot be loaded again, at least the trial's patch goes."""
    interface = interface_adapter(host)
    ignored = IGNORABLE | TRANSIENT | {"quarantined"}
    restore = StackRestore(host, interface, trial["back_to"], TRANSITION_SECONDS, "wait", ignored)
    return restore_or_remove(host, interface, restore, transaction)["finished"]
