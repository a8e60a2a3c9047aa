# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process of a trial does until the trial ends: it looks at its host, and says when something is wrong.

It looks each `interval` at the patch and the taints, reads the kernel's log as it is written, and runs the health
checks beside that. The clock of Host.now() only moves forward, and stands still while the machine is suspended: neither
a suspend nor a new date makes a check late. What it has seen is in a file, see _persistence/watch_record.py.

It reads no file of a disk: only a child does, see background_checks.py.
"""

import sys
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._health.background_checks import BackgroundChecks
from ansible_collections.kernel.livepatch.plugins.module_utils._health.call_counts import CallCounts
from ansible_collections.kernel.livepatch.plugins.module_utils._health.kernel_log import FollowedLog, Since
from ansible_collections.kernel.livepatch.plugins.module_utils._health.patch_state import patch_findings
from ansible_collections.kernel.livepatch.plugins.module_utils._health.taints import new_taints
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import running_change
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import (
    empty_record,
    read_watch,
    write_watch,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp

FIRST_SECONDS = 1  # between two looks for the end of a load, and after a look that broke off
LOG_SECONDS = 1  # between two reads of a log that is written without end
LEAST_PAUSE = 0.001  # seconds
MOST_FINDINGS = 100
INCOMPLETE = ("kernel-log-incomplete",)  # is true of a log for ever, also for a process that is started again


class TrialWatch:
    """Watches one trial after another. `failures` are the blockers found, and end the looks at that trial.

    Nothing raises: a look that breaks off does not count, and no patch is accepted without a look.
    """

    def __init__(self, host):
        self.failures = []
        self._host = host
        self._watched = None
        self._trial = None
        self._build_id = None
        self._ending = []

    def follow(self, trial, build_id=None):
        """Watch this trial of the ledger from now on, or none; `build_id` is its patch's, None if it is not known."""
        if trial and self.is_of(trial):
            return
        self.stop()
        self._trial, self._build_id = trial, build_id
        self._begin()

    def _begin(self):
        """Begin the watch of the trial; `wait` tries again what fails."""
        if self._trial and self._trial["watch"] and not self._watched:
            try:
                self._watched = _Watched(self._host, self._trial, self._build_id)
            except Exception as error:
                _say(error)

    def is_of(self, trial):
        """Whether this trial is the one that is followed, with the same watch; its end can have moved."""
        return bool(self._trial) and all(trial[key] == self._trial[key] for key in ("transaction", "since", "watch"))

    def wait(self, seconds):
        """Look at the host for so many seconds, but no longer than until there are `failures`."""
        end = self._host.now() + seconds
        self._ending = [child for child in self._ending if not child.reap()]
        had_failed = bool(self.failures)
        self._begin()
        while self._watched and not self.failures and self._host.now() < end:
            self._step(end)
        if had_failed or not self.failures:
            self._host.sleep(max(0, end - self._host.now()))

    def _step(self, end):
        try:
            self.failures = self._watched.step(end)
        except Exception as error:  # a damaged host can raise anything
            _say(error)
            self._host.sleep(max(0, min(FIRST_SECONDS, end - self._host.now())))
        if self.failures:
            self._ending += self._watched.stop()

    def verdict(self):
        """The record of what was seen so far, None without a watch."""
        return self._watched and self._watched.record

    def end_counts(self):
        """Remove the probes of this trial, before its patch is disabled."""
        if self._watched:
            self._watched.calls.end()

    def stop(self):
        """End the health checks and the counts, and close the log."""
        if self._watched:
            self._ending += self._watched.stop()
        self._watched = self._trial = None
        self.failures = []


class _Watched:
    """One trial with a watch; `record` is what was seen."""

    def __init__(self, host, trial, build_id):
        self._host = host
        self._interface = interface_adapter(host)
        self._name = trial["name"]
        self._build_id = build_id
        self._watch = watch = trial["watch"]
        self._baseline = baseline = trial["baseline"] or {"kernel_log": None, "uptime": 0, "taints": None}
        self.record = read_watch(host, trial) or empty_record(trial, watch["health_checks"])
        self._earlier = [found for found in self.record["findings"]
                         if found["level"] == "blocker" or found["code"] in INCOMPLETE]
        self._seen_now = []
        number = self.record["kernel_log"]
        self.calls = CallCounts(host, trial)
        self._checks = BackgroundChecks(host, watch["health_checks"], watch["interval"])
        # Last: a watch that cannot begin leaves no file open, because it is tried again and again.
        self._log = FollowedLog(
            host, Since(baseline["kernel_log"] if number is None else number, baseline["uptime"]),
        ) if watch["kernel_warnings"] else None
        self._next_look = self._next_read = host.now()

    def step(self, end):
        """Look at what is due, then wait until the next time, at most until `end`; returns the blockers found."""
        changed = self._read_log()
        if self._host.now() >= self._next_look or (changed and not self._has_begun()):
            changed = self._look() or changed
        if self._has_begun():
            results = self._checks.step()
            for place, result in results:
                self._count(place, result)
            changed = changed or bool(results)
        if changed:
            self._keep()
        failures = blockers_in(self.record["findings"])
        if not failures:
            self._pause(end)
        return failures

    def stop(self):
        """End everything; returns the children that are still to be reaped."""
        if self._log:
            self._log.source.close()
        self.calls.end()
        return self._checks.stop()

    def _has_begun(self):
        return self.record["looks"] > 0

    def _read_log(self):
        """Whether the log had something new."""
        if not self._log or self._host.now() < self._next_read:
            return False
        found = self._log.read()
        if found:
            self._next_read = self._host.now() + LOG_SECONDS
        return found

    def _look(self):
        """Whether the patch was seen; it is not while it is loaded, or while a change of this collection goes on."""
        self._next_look = self._host.now() + FIRST_SECONDS
        if not self._has_begun() and self._interface.state(self._name) != "enabled":
            return False
        if self._build_id is None:
            self._build_id = module_build_id(self._host, self._name)
        found = patch_findings(self._host, self._interface, self._name, self._build_id)
        if found and running_change(self._host):
            return False
        if self._watch["kernel_warnings"] and self._baseline["taints"] is not None:
            found += new_taints(self._host, self._name, self._baseline["taints"])
        calls = self.calls.count()
        self._seen_now = found + self.calls.findings
        self._next_look = self._host.now() + self._watch["interval"]
        time = utc_timestamp(self._host.wall_clock())
        self.record.update(
            looks=self.record["looks"] + 1, first=self.record["first"] or time, last=time, seen=self._host.now(),
            calls=calls)
        return True

    def _count(self, place, result):
        counts = self.record["health"][place]
        counts["ok" if result["ok"] else "failed"] += 1
        counts.update(message=result["message"], in_a_row=0 if result["ok"] else counts["in_a_row"] + 1)

    def _keep(self):
        """Judge, and write the record."""
        log = self._log.findings() if self._log else []
        earlier = [one for one in self._earlier if one["code"] not in {found["code"] for found in log}]
        failed = [finding("health-check-failed", one["name"], name=one["name"], message=one["message"])
                  for one in self.record["health"] if one["in_a_row"] >= self._watch["failures"]]
        # Blockers first: a patch can have more functions without a count than the record has places.
        found = sorted(earlier + log + self._seen_now + failed, key=lambda one: one["level"] != "blocker")
        self.record["findings"] = found[:MOST_FINDINGS]
        self.record["kernel_log"] = self._log.number if self._log else None
        write_watch(self._host, self.record)

    def _pause(self, end):
        now = self._host.now()
        times, sources = [end, self._next_look], []
        if self._has_begun():
            sources += self._checks.sources()
            times += self._checks.next_times()
        if self._log and self._log.source.is_open:
            if now < self._next_read:
                times.append(self._next_read)
            else:
                sources.append(self._log.source)
        self._host.wait_readable(sources, max(LEAST_PAUSE, min(times) - now))


def _say(error):
    """A mistake of ours or a damaged host, to the journal of systemd."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
