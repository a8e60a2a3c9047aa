# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change on one host: holds the lock, and writes the ledger and the two records of the journal."""

import binascii
import os
import time
from contextlib import contextmanager, suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import sweep
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import find_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import identify_actor
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.hook import read_hook
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import append_record
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import (
    RunLease,
    TrialLease,
    unwritable_lease,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    empty_ledger,
    keep_damaged_copy,
    ledger_content,
    read_ledger,
    write_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import reason
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    LEASE,
    LOCK,
    STATE_DIRECTORY,
    TRIAL_ENDED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.retention import prune_store
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import (
    Store,
    newer_descriptions,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import NEWER, newer_message
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# The actions of the host itself, which no lease stops.
UNATTENDED = ("trial", "boot")


@contextmanager
def open_transaction(host, action, controller=None, best_effort_records=False, wait=0, known_ledger=None, seconds=0,
                     going_back=None):
    """Hold the host's lock for a Transaction.

    Raises LivepatchError `host-busy`, `host-leased`, `ledger-damaged`, `ledger-unreadable`, `newer-version`, and those
    of change_lock.

    `action` is `patch`, `accept`, `rollback`, `trial` or `boot`; `controller` is a dict of the controller's `user` and
    `node`, see actor.py, and of its `run` and `take_lease`, see lease.py. With `best_effort_records` the change
    continues if the records can be neither read nor written; `known_ledger` then replaces an unreadable ledger. It
    waits `wait` seconds for another change's end. `seconds` is the longest time for the transitions. A change that is
    `going_back` (as without a value, each one with best-effort records) continues without a broken lock, and says so;
    see lock.py.
    """
    started = host.wall_clock()
    name = transaction_name(started)
    who = identify_actor(host, controller)
    going_back = best_effort_records if going_back is None else going_back
    change = {"transaction": name, "since": utc_timestamp(started), "who": who}
    with change_lock(host, change, wait, going_back, seconds) as why_unlocked:
        lease = TrialLease(host) if action in UNATTENDED else RunLease(host, controller, who)
        yield Transaction(host, action, name, who, best_effort_records, known_ledger, why_unlocked, lease=lease,
                          run=(controller or {}).get("run"))


class Transaction:
    """The records of one change; `id` is None until `begin`, and the change begins there.

    `name` is the future `id`. `reason` is a code and a sentence for the end record of a change without a request, or
    None. `ledger` is the ledger for this boot (see ledger.py); change it with `update_ledger`. From `begin` on, the
    `lease` ends with the ledger's trial.
    """

    def __init__(self, host, action, name, who, best_effort_records, known_ledger, why_unlocked=None,
                 reads_ledger=True, lease=None, run=None):
        self.id = None
        self.name = name
        self.reason = None
        self._host = host
        self._action = action
        self._who = who
        self._run = run
        self._best_effort_records = best_effort_records
        self._known_ledger = known_ledger
        self._why_unlocked = why_unlocked
        self._lease = lease
        self._findings = [finding("lock-not-held", name, lock=LOCK, why=why_unlocked)] if why_unlocked else []
        self._findings += lease.findings if lease else []
        self._started = None
        self._ledger_is_known = True
        earlier = self._read() if reads_ledger else known_ledger
        self._content = ledger_content(host)
        self.ledger = ledger_for_this_boot(host, earlier, self.now())
        # Not later: a clean shutdown writes there. Not without the lock: another change writes there.
        if earlier["boot_id"] != self.ledger["boot_id"] and not why_unlocked:
            with suppress(OSError):
                sweep(host.path(STATE_DIRECTORY))

    def begin(self, patches, before):
        """Write the begin of a change; raises LivepatchError `journal-unwritable`, and then nothing may be changed.

        `patches` are dicts of `name`, `sha256`, `build_id`, `previous_state` and `wanted_state`; `before` is the
        interface's list of patches.
        """
        kept = Store(self._host).descriptions()
        self._started = self._host.now()
        record = {
            "transaction": self.name, "time": self.now(), "action": self._action, "who": self._who, "run": self._run,
            "boot_id": self._host.read_or(BOOT_ID), "kernel": self._host.release(),
            "patches": [
                dict(patch, sha256=patch["sha256"] or (find_build(kept, patch) or {}).get("sha256"))
                for patch in patches],
            "before": running_stack(self._host, before, self.ledger),
        }
        try:
            append_record(self._host, "begin", record)
        except (LivepatchError, OSError) as error:
            if not self._best_effort_records:
                raise _journal_error(error) from error
            self._add_finding("journal-begin-missing", error)
        else:
            self._forget_trial_ended()
        self.id = self.name
        self._let_lease_follow(self.ledger["trial"], best_effort=True)

    def update_ledger(self, **changes):
        """Change the ledger and write it to the disk.

        Raises LivepatchError `no-space`, `lock-lost`, `lease-unwritable`, and OSError.

        With best-effort records a failure is only a finding of `end`.
        """
        if self._best_effort_records:
            self.update_ledger_best_effort(**changes)
            return
        self._refuse_lost_lock()
        ledger = dict(self.ledger, **changes)
        # Before the ledger: no trial begins without the lease of its run.
        self._let_lease_follow(ledger["trial"], best_effort=ledger["trial"] is None)
        self._write(ledger)
        self.ledger = ledger

    def update_ledger_best_effort(self, **changes):
        """Like `update_ledger`, for a state already reached; a failure to write is only a finding of `end`."""
        self.ledger = dict(self.ledger, **changes)
        self._let_lease_follow(self.ledger["trial"], best_effort=True)
        try:
            self._write(self.ledger)
        except (LivepatchError, OSError) as error:
            self._add_finding("ledger-not-written", error)

    def _let_lease_follow(self, trial, best_effort):
        """Let the lease end with a trial; a failure is only a finding with `best_effort`."""
        if self._lease is None or self.id is None:
            return
        hook = None if trial else read_hook(self._host)
        try:
            self._lease.follow(trial, marked_by=hook and hook["run"])
        except (LivepatchError, OSError) as error:
            if not best_effort:
                raise unwritable_lease(error, "during the trial") from error
            self._add_finding("lease-not-written", error, path=LEASE)

    def _refuse_lost_lock(self):
        """Raise LivepatchError if a change without the lock wrote the ledger while this process was stopped."""
        if not self._why_unlocked and ledger_content(self._host) != self._content:
            raise _lock_lost()

    def _write(self, ledger):
        self._refuse_lost_lock()
        write_ledger(self._host, ledger)
        self._content = ledger_content(self._host)

    def end(self, outcome, patches, after, code=None, replaces=()):
        """Write the end of a finished change; returns the findings about the records, none without a fault.

        `outcome` is `done`, `in-transition`, or `failed` with a `code`; `patches` are dicts of `name`, `state` and
        `transition_seconds`; `after` is the interface's list of patches. Removes files that are not needed any more.
        """
        if self.id is None:
            self._prune_store()
            return self._findings
        why = self.reason or (None, None)
        record = {
            "transaction": self.id, "time": self.now(), "outcome": outcome, "code": code or why[0], "why": why[1],
            "seconds": round(self._host.now() - self._started, 3), "patches": patches,
            "replaces": list(replaces), "after": running_stack(self._host, after, self.ledger),
        }
        try:
            append_record(self._host, "end", record)
        except (LivepatchError, OSError) as error:
            self._add_finding("journal-end-missing", error, transaction=self.id)
        else:
            self._prune_store()
        return self._findings

    def next(self):
        """A new Transaction under the same lock."""
        name = transaction_name(self._host.wall_clock())
        following = Transaction(
            self._host, self._action, name, self._who, self._best_effort_records, self.ledger, self._why_unlocked,
            lease=self._lease, run=self._run)
        following.reason = self.reason
        return following

    def _forget_trial_ended(self):
        """Remove the note of a trial's end without records, once a later change is in the journal."""
        if not self._why_unlocked:
            with suppress(OSError):
                os.unlink(self._host.path(TRIAL_ENDED))

    def _prune_store(self):
        """Remove unneeded files; a file that cannot be removed only uses space. What is needed must be known."""
        if self._ledger_is_known and not self._why_unlocked:
            with suppress(OSError):
                prune_store(self._host, self.ledger)

    def now(self):
        """The time in the format of the records."""
        return utc_timestamp(self._host.wall_clock())

    def _read(self):
        try:
            ledger = read_ledger(self._host)
            if not self._best_effort_records and self._action not in UNATTENDED:
                _refuse_newer_files(self._host, ledger)
            return ledger
        except (LivepatchError, OSError) as error:
            if not self._best_effort_records:
                raise
            self._add_finding("ledger-not-read", error)
            self._ledger_is_known = False
            if getattr(error, "code", None) != NEWER:
                keep_damaged_copy(self._host)
            return self._known_ledger or empty_ledger()

    def _add_finding(self, code, error, **facts):
        entry = finding(code, self.name, why=reason(error), **facts)
        self._findings += [] if entry in self._findings else [entry]


def _refuse_newer_files(host, ledger):
    """The next boot would be by the program of this version, which could not load such files."""
    for path in newer_descriptions(host, ledger).values():
        raise LivepatchError(NEWER, newer_message(path))


def _journal_error(error):
    if isinstance(error, LivepatchError):
        return error
    return LivepatchError(
        "journal-unwritable",
        f"The journal {JOURNAL} cannot be written ({reason(error)}), and no patch is loaded without a record of it. "
        "Make it writable and run again.")


def _lock_lost():
    return LivepatchError(
        "lock-lost",
        "Another change rolled this host back without the lock, because this change was stopped or took too long. This "
        "change leaves the records as they are now. Read the journal of patch_info, then run again.")


def transaction_name(seconds):
    """A unique name that sorts by time."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    microseconds = int(seconds % 1 * 1e6)
    return f"{stamp}.{microseconds:06d}Z-{binascii.hexlify(os.urandom(4)).decode('ascii')}"
