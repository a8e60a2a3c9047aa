# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a trial on the host itself: watches it until the deadline in the ledger, then restores the earlier patches.

What the watch finds ends the trial at once. All this needs neither the controller nor the process that began the trial.
"""

import sys
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.journaled_restore import (
    close_trial,
    restore_or_remove,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import IGNORABLE, TRANSIENT, StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.watch import REVERTS
from ansible_collections.kernel.livepatch.plugins.module_utils._health.trial_watch import TrialWatch
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
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import verdict_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.announcement import announce
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import MARGIN_SECONDS, LastResort
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

TRANSITION_SECONDS = 90
POLL_SECONDS = 10  # seconds; the end can be moved, or the trial accepted, meanwhile
FIRST_PAUSE, LONGEST_PAUSE = 2, 300  # seconds, between two tries
FAILED = "watch-failed"
ENDED = "{how} This host has reverted to {stack}."


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
    watch = TrialWatch(host)
    if in_thread:
        last_resort.watch()
    try:
        return _TrialEnd(host, known_ledger, last_resort, watch).run()
    finally:
        watch.stop()
        last_resort.stop()


class _TrialEnd:
    """One process that waits for the end of a trial, or of the next one; `ledger` is the last one that was known."""

    def __init__(self, host, ledger, last_resort, watch):
        self.host = host
        self.ledger = ledger
        self.last_resort = last_resort
        self.watch = watch
        self.failed_at = None  # when the watch of this trial failed, on the clock of Host.now()
        self.announced = False

    def run(self):
        pause, message, trial = FIRST_PAUSE, None, self.ledger["trial"]
        while True:
            if not self._wait_until_due():
                return message
            if not trial or self.ledger["trial"]["transaction"] != trial["transaction"]:
                # The message is about an earlier trial.
                pause, message, trial = FIRST_PAUSE, None, self.ledger["trial"]
            failure = None
            try:
                message = self._end(message)
            except Exception as error:  # a damaged host can raise anything, and the trial must end
                failure = error
            self._read_ledger()
            if (message and not _is_still_there(self.host)) or self.ledger["trial"] is None:
                if failure:
                    raise failure
                return message
            self._remember()  # another change may have renewed it
            message = self._go_back_without_records(failure) or message
            self._sleep(pause, self.host.sleep)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _read_ledger(self):
        """Read the ledger again, and watch its trial."""
        self.ledger = ledger = _current_ledger(self.host, self.ledger)
        trial = ledger["trial"]
        if not (trial and self.watch.is_of(trial)):
            self.failed_at, self.announced = None, False
            self.watch.follow(trial, next(
                (entry["build_id"] for entry in ledger["loaded"] if trial and entry["name"] == trial["name"]), None))

    def _wait_until_due(self):
        """Wait until a trial's time is over, or until its watch has failed; returns False without a trial."""
        while True:
            self._read_ledger()
            if self.ledger["trial"] is None or self.ledger["boot_id"] != self.host.read_or(BOOT_ID):
                self.last_resort.remember(None)
                return False
            left = self._end_of_trial() - self.host.now()
            if left <= 0:
                self._remember()
                return True
            self._sleep(min(left, POLL_SECONDS), self.watch.wait)

    def _end_of_trial(self):
        """When the known trial is over, on the clock of Host.now()."""
        ends = self.ledger["trial"]["ends"]
        return ends if self.failed_at is None else min(ends, self.failed_at)

    def _remember(self):
        self.last_resort.remember(self.ledger["trial"], self.failed_at)

    def _sleep(self, seconds, wait):
        """Let `wait` pass so many seconds, with signs of life; no longer than until the watch fails."""
        while seconds > 0:
            self._remember()
            show_sign_of_life(self.host, self.ledger["trial"])
            wait(min(seconds, POLL_SECONDS))
            if self.watch.failures and self.failed_at is None:
                self.failed_at = self.host.now()
                return
            seconds -= POLL_SECONDS

    def _go_back_without_records(self, failure):
        """The last resort if it is due; returns what was done, or None."""
        why = "each transition takes too long"
        if failure:
            why = getattr(failure, "message", None) or f"{type(failure).__name__}: {failure}"
        try:
            return self.last_resort.run(why)
        except Exception as error:  # the next try comes after a pause
            with suppress(OSError, ValueError):
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
            return None

    def _end(self, message):
        """Restore the earlier patches; with a `message` that is done, and only the ledger's trial must still be ended.

        Returns the message for a restored host, or None.
        """
        host, known_ledger = self.host, self.ledger
        wait = max(0, self._end_of_trial() + MARGIN_SECONDS - host.now())
        with open_transaction(
                host, "trial", best_effort_records=True, wait=wait, known_ledger=known_ledger,
                seconds=10 * TRANSITION_SECONDS) as transaction:
            if _has_lost_trial(host, transaction.ledger, known_ledger):
                lost = still_loaded(interface_adapter(host).patches(), known_ledger)
                transaction.update_ledger(
                    trial=known_ledger["trial"], watched=known_ledger["watched"] or transaction.ledger["watched"],
                    loaded=lost + [entry for entry in transaction.ledger["loaded"] if not contains_build(lost, entry)])
            trial = transaction.ledger["trial"]
            why = self._why(trial)
            if not trial or (trial["ends"] > host.now() and not why):
                return None  # the last holder of the lock accepted it, rolled it back, or began another
            if message and interface_adapter(host).state(trial["name"]) in ("absent", "disabled"):
                close_trial(host, transaction, **still_in_kernel(interface_adapter(host).patches(), transaction.ledger))
                return message
            if why:
                self._record_failure(transaction, trial, why)
            self.watch.end_counts()
            return _restore_earlier(host, transaction, trial) and ENDED.format(
                how=why or f"The trial of {trial['name']} ended without acceptance.",
                stack=", ".join(names_of(trial["back_to"])) or "no live patch")

    def _why(self, trial):
        """The sentences of a failed watch, None if the watch of this trial has not failed."""
        if not (trial and self.failed_at is not None and self.watch.is_of(trial)):
            return None
        return REVERTS.format(name=trial["name"], why=self.watch.failures[0]["message"])

    def _record_failure(self, transaction, trial, why):
        """Keep what the watch has found for whoever asks next, and say it once."""
        transaction.reason = (FAILED, why)
        entry = next((one for one in transaction.ledger["loaded"] if one["name"] == trial["name"]), {})
        transaction.update_ledger(
            trial=dict(trial, ends=min(trial["ends"], self.failed_at)),
            failed_watch=dict(
                verdict_of(self.watch.verdict()), name=trial["name"], build_id=entry.get("build_id"),
                sha256=entry.get("sha256", ""), transaction=trial["transaction"], time=transaction.now()))
        if not self.announced:
            self.announced = True
            announce(self.host, why)


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


def _restore_earlier(host, transaction, trial):
    """Whether the restore finished; if an earlier patch cannot be loaded again, at least removes the trial's patch."""
    interface = interface_adapter(host)
    ignored = IGNORABLE | TRANSIENT | {"quarantined"}
    restore = StackRestore(host, interface, trial["back_to"], TRANSITION_SECONDS, "wait", ignored)
    return restore_or_remove(host, interface, restore, transaction)["finished"]
