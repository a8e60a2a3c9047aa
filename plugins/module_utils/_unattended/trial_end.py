# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a trial on the host itself: waits for the deadline in the ledger, then restores the earlier patches.

It needs neither the controller nor the process that began the trial.
"""

import sys
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import (
    close_trial,
    restore_or_remove,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import IGNORABLE, TRANSIENT, StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    registered_trial,
    show_sign_of_life,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    contains_build,
    empty_ledger,
    read_ledger,
    still_in_kernel,
    still_loaded,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import MARGIN_SECONDS, LastResort
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

TRANSITION_SECONDS = 90
POLL_SECONDS = 10  # seconds; the end can be moved, or the trial accepted, meanwhile
FIRST_PAUSE, LONGEST_PAUSE = 2, 300  # seconds, between two tries


def end_trial(host, in_thread=False):
    """Wait for the end of the running trial, and restore the earlier patches.

    Tries until it succeeds, with longer and longer pauses, and without the lock in between, so that an operator can
    help. If the ledger becomes unreadable, it uses the ledger from the start. Some time after the end it goes back
    without the lock and without any record; see last_resort.py, also in a thread of its own with `in_thread`. Returns
    when the ledger has no trial of this boot any more: the outcome as a sentence, or None if another run ended the
    trial. Raises LivepatchError if the trial is over and an earlier patch could not be loaded again.
    """
    known_ledger = _first_ledger(host)
    last_resort = LastResort(host, known_ledger["trial"])
    if in_thread:
        last_resort.watch()
    try:
        return _end_until_done(host, known_ledger, last_resort)
    finally:
        last_resort.stop()


def _end_until_done(host, known_ledger, last_resort):
    pause, message, trial = FIRST_PAUSE, None, known_ledger["trial"]
    while True:
        known_ledger = _wait_until_due(host, known_ledger, last_resort)
        if known_ledger is None:
            return message
        if not trial or known_ledger["trial"]["transaction"] != trial["transaction"]:
            # The message is about an earlier trial.
            pause, message, trial = FIRST_PAUSE, None, known_ledger["trial"]
        failure = None
        try:
            message = _end(host, known_ledger, message)
        except Exception as error:  # a damaged host can raise anything, and the trial must end
            failure = error
        known_ledger = _current_ledger(host, known_ledger)
        if (message and not _is_still_there(host)) or known_ledger["trial"] is None:
            if failure:
                raise failure
            return message
        last_resort.remember(known_ledger["trial"])  # another change may have renewed it
        message = _go_back_without_records(last_resort, failure) or message
        _sleep(host, pause, known_ledger["trial"], last_resort)
        pause = min(2 * pause, LONGEST_PAUSE)


def _go_back_without_records(last_resort, failure):
    """The last resort if it is due; returns what was done, or None."""
    why = "each transition takes too long"
    if failure:
        why = getattr(failure, "message", None) or f"{type(failure).__name__}: {failure}"
    try:
        return last_resort.run(why)
    except Exception as error:  # the next try comes after a pause
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return None


def _sleep(host, seconds, trial, last_resort):
    """Sleep with signs of life."""
    while seconds > 0:
        last_resort.remember(trial)
        show_sign_of_life(host, trial)
        host.sleep(min(seconds, POLL_SECONDS))
        seconds -= POLL_SECONDS


def _first_ledger(host):
    """The ledger, or what an earlier trial process of this boot has remembered of an unreadable or a lost one."""
    trial = registered_trial(host)
    remembered = dict(empty_ledger(), boot_id=host.read_or(BOOT_ID), trial=trial)
    try:
        ledger = read_ledger(host)
    except (LivepatchError, OSError):
        if not trial:
            raise
        return remembered
    return remembered if _has_lost_trial(host, ledger, remembered) else ledger


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


def _wait_until_due(host, known_ledger, last_resort):
    """Wait until a trial's time is over; returns the ledger, or None without a trial."""
    while True:
        known_ledger = _current_ledger(host, known_ledger)
        if known_ledger["trial"] is None or known_ledger["boot_id"] != host.read_or(BOOT_ID):
            last_resort.remember(None)
            return None
        left = known_ledger["trial"]["ends"] - host.now()
        if left <= 0:
            last_resort.remember(known_ledger["trial"])
            return known_ledger
        _sleep(host, min(left, POLL_SECONDS), known_ledger["trial"], last_resort)


def _end(host, known_ledger, message):
    """Restore the earlier patches; with a `message` that is done, and only the ledger's trial must still be ended.

    Returns the message for a restored host, or None.
    """
    wait = max(0, known_ledger["trial"]["ends"] + MARGIN_SECONDS - host.now())
    with open_transaction(
            host, "trial", best_effort_records=True, wait=wait, known_ledger=known_ledger,
            seconds=10 * TRANSITION_SECONDS) as transaction:
        if _has_lost_trial(host, transaction.ledger, known_ledger):
            lost = still_loaded(interface_adapter(host).patches(), known_ledger)
            transaction.update_ledger(
                trial=known_ledger["trial"], watched=known_ledger["watched"] or transaction.ledger["watched"],
                loaded=lost + [entry for entry in transaction.ledger["loaded"] if not contains_build(lost, entry)])
        trial = transaction.ledger["trial"]
        if not trial or trial["ends"] > host.now():
            return None  # the last holder of the lock accepted it, rolled it back, or began another
        if message and interface_adapter(host).state(trial["name"]) in ("absent", "disabled"):
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
