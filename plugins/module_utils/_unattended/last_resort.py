# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes back at a trial's end if nothing else does: without the lock, the store and the ledger.

The trial process remembers everything for it while the files of this host are still good: the patch, the time, the
patches to restore, and their opened files. It acts MARGIN_SECONDS after the trial's end, if another change still holds
the lock, or if each other try has failed or hangs. It restores the earlier patches, or else disables the patch.

A trial that was accepted or renewed meanwhile must stay: the ledger is read once more before each act, if the disk
answers.
"""

import json
import os
import threading
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.restore import IGNORABLE, TRANSIENT, StackRestore
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.changes import WITHOUT_RECORDS
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import remove_module
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import identify_actor
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import reason
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import TRIAL_ENDED
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.remembered_files import RememberedFiles
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import (
    Transaction,
    transaction_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.announcement import announce
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until, utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

MARGIN_SECONDS = 300  # after a trial's end, for a live change to end and for the first tries
TRANSITION_SECONDS = 90
WATCH_SECONDS = 15  # between two looks of the thread
SILENT_SECONDS = 2 * MARGIN_SECONDS  # without a sign of life, the process hangs
ANSWER_SECONDS = 30  # for the disk to give the ledger
HANGS = "the process did not come back from the disk"


class LastResort:
    """Remembers a running trial. `run` goes back once it is due; `watch` does so in a thread of its own.

    The thread is for a process that hangs in a read of the disk, which nothing interrupts. It shares no lock with the
    process, which can hang in `run` too.
    """

    def __init__(self, host, trial):
        self.host = host
        self.interface = interface_adapter(host)
        self.trial = trial
        self._failed_at = None
        self._files = RememberedFiles(host, trial["back_to"] if trial else [])
        self._signs = 0  # of life
        self._reader = None
        self._over = threading.Event()

    def remember(self, trial, failed_at=None):
        """The trial as the ledger has it now, or None once it is over; also a sign of life.

        `failed_at` is when its watch failed, which is its end.
        """
        self.trial, self._failed_at = trial, failed_at
        self._signs += 1

    def is_due(self):
        """Whether the trial's end and the margin are past, and its patch is enabled or becomes so."""
        trial, ends = self.trial, [] if self._failed_at is None else [self._failed_at]
        return bool(trial) and self.host.now() > min([trial["ends"], *ends]) + MARGIN_SECONDS and self.interface.state(
            trial["name"]) in ("enabled", "enabling")

    def run(self, why):
        """Go back if it is due; returns what was done as a sentence, or None. Raises LivepatchError, OSError.

        `why` is a clause: why the trial has not ended in the usual way.
        """
        if not self.is_due():
            return None
        trial, before = self.trial, self.interface.patches()
        became, failure = self._restore(trial)
        if failure:
            why = f"{why}, and the earlier patches could not be restored ({failure})"
        return self._tell(trial, before, became or self._disable(trial["name"]), why)

    def _tell(self, trial, before, became, why):
        message = WITHOUT_RECORDS.format(name=trial["name"], became=became, why=why)
        self._say(trial, message)
        self._record(trial, before, why)
        return message

    def watch(self):
        """Start the thread; `stop` ends it."""
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self):
        """End the thread, and close the remembered files."""
        self._over.set()
        self._files.close()

    def _watch(self):
        """Count own looks and no time: while the whole process is stopped, this thread is too."""
        looks, signs = 0, None
        while not self._over.wait(WATCH_SECONDS):
            looks = looks + 1 if signs == self._signs else 0
            signs = self._signs
            with suppress(Exception):  # it must try again after any error
                if looks * WATCH_SECONDS > SILENT_SECONDS:
                    self._disable_if_due()

    def _disable_if_due(self):
        """Disable the patch, which needs no disk, if the trial is over and the ledger does not say otherwise."""
        self._read_ledger()
        if self.is_due():
            trial, before = self.trial, self.interface.patches()
            self._tell(trial, before, self._disable(trial["name"]), HANGS)

    def _read_ledger(self):
        """Remember the trial as the ledger has it, in one more thread, because the disk may never answer."""
        if self._reader is None or not self._reader.is_alive():
            self._reader = threading.Thread(target=self._look, daemon=True)
            self._reader.start()
            self._reader.join(ANSWER_SECONDS)

    def _look(self):
        with suppress(Exception):  # the ledger is then not known
            ledger = read_ledger(self.host)
            # Without a trial, a patch of the ledger was accepted; another one was lost with a damaged ledger.
            if ledger["trial"] or (self.trial and self.trial["name"] in names_of(ledger["loaded"])):
                self.trial = ledger["trial"]

    def _restore(self, trial):
        """Restore the earlier patches from the remembered files.

        Returns the result as a clause, None if the patch must be disabled, and the reason of a failure, or None.
        """
        restore = StackRestore(
            self.host, self.interface, trial["back_to"], TRANSITION_SECONDS, "wait",
            IGNORABLE | TRANSIENT | {"quarantined"}, store=self._files)
        try:
            restore.check()
            finished = restore.run()
        except Exception as error:  # the patch is then disabled
            return None, reason(error)
        if not finished:
            return None, None
        return f"this host has reverted to {', '.join(names_of(trial['back_to'])) or 'no live patch'}", None

    def _disable(self, name):
        """Disable the patch with one write to the kernel, and try to unload it."""
        if self.interface.state(name) in ("enabled", "enabling"):
            self.interface.set_enabled(name, False)
        poll_until(self.host, lambda: self.interface.state(name) in ("absent", "disabled"), TRANSITION_SECONDS)
        with suppress(LivepatchError, OSError):
            if self.interface.state(name) == "disabled":
                remove_module(self.host, name)
        return f"the patch is {self.interface.state(name)}"

    def _say(self, trial, message):
        """To the logs, and to a file for patch_info."""
        announce(self.host, message)
        content = json.dumps({
            "transaction": trial["transaction"], "name": trial["name"], "message": message,
            "time": utc_timestamp(self.host.wall_clock())}).encode("utf-8")
        with suppress(LivepatchError, OSError):
            os.makedirs(os.path.dirname(self.host.path(TRIAL_ENDED)), exist_ok=True)
            replace_private(self.host.path(TRIAL_ENDED), content)

    def _record(self, trial, before, why):
        """Write the two records of the journal if that is possible; the ledger belongs to the holder of the lock."""
        with suppress(Exception):
            name = transaction_name(self.host.wall_clock())
            known = dict(empty_ledger(), trial=trial)
            transaction = Transaction(
                self.host, "trial", name, identify_actor(self.host, None), True, known, why, reads_ledger=False)
            patch = {"name": trial["name"], "sha256": None, "build_id": None, "previous_state": "enabled",
                     "wanted_state": "absent"}
            transaction.begin([patch], before)
            state = self.interface.state(trial["name"])
            outcome = "done" if state in ("absent", "disabled") else "in-transition"
            transaction.end(outcome, [{"name": trial["name"], "state": state, "transition_seconds": None}],
                            self.interface.patches())
