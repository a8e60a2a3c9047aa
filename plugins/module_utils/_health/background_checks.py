# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks beside other work: each in a child process of its own, with a bound, again and again.

This process never waits for a check. A check that hangs is killed with its process group and has failed. A child that
does not even end then (it waits for a disk, state D) is not started a second time, and fails at each interval.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._health import url
from ansible_collections.kernel.livepatch.plugins.module_utils._health.checks import (
    TIMED_OUT,
    result_of,
    run_check,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import NUMBER, TEXT, matches

SECOND_BOUND = 30  # seconds after a check's timeout, for a child whose parent was killed
REAP_SECONDS = 1  # between two looks for the end of a child that has closed its pipe or was killed
ENDED = "It ended without a result."
STUCK = "It did not end within {timeout} s, and the kernel has not ended it yet."
RESULT = {"name": TEXT, "kind": TEXT, "ok": bool, "message": TEXT, "seconds": NUMBER}


class BackgroundChecks:
    """Runs each check at once, and then `interval` seconds after its last start, but never twice at a time."""

    def __init__(self, host, checks, interval):
        if any(check["kind"] == "url" for check in checks):
            url.prepare()
        self._interval = interval
        self._runs = [_Run(host, check) for check in checks]

    def step(self):
        """Start what is due and end what has timed out; returns the results that are new: (place, result)."""
        results = []
        for place, run in enumerate(self._runs):
            result = run.step(self._interval)
            if result:
                results.append((place, result))
        return results

    def sources(self):
        """The children to wait for."""
        return [run.child for run in self._runs if run.child]

    def next_times(self):
        """When `step` has to be called for each check at the latest, on the clock of Host.now()."""
        return [run.next_time() for run in self._runs]

    def stop(self):
        """Kill everything that runs, and wait for nothing; returns the children that are still to `reap`."""
        return [child for run in self._runs for child in run.stop()]


class _Run:
    """One check; `child` runs it now, `killed` has not ended though it was killed."""

    def __init__(self, host, check):
        self._host = host
        self._check = check
        self._due = host.now()
        self._began = None
        self.child = None
        self.killed = None

    def step(self, interval):
        if self.child:
            return self._collect()
        if self.killed and self.killed.reap():
            self.killed = None
        if self._host.now() < self._due:
            return None
        self._began, self._due = self._host.now(), self._host.now() + interval
        if self.killed:
            return self._failure(STUCK.format(timeout=self._check["timeout"]))
        try:
            self.child = self._host.start_child(self._job)
        except OSError as error:  # no memory, or too many processes
            return self._failure(f"It could not be started: {error.strerror}.")
        return self._collect()

    def next_time(self):
        if self.child:
            return self._began + self._check["timeout"]
        return min(self._due, self._host.now() + REAP_SECONDS) if self.killed else self._due

    def stop(self):
        if self.child:
            self.child.kill()
        return [child for child in (self.child, self.killed) if child and not child.reap()]

    def _job(self):
        check = dict(self._check, timeout=self._check["timeout"] + SECOND_BOUND)
        return run_check(self._host, check, url.fetch)

    def _collect(self):
        """The result of the child if it has ended or has to, or None."""
        if self.child.poll():
            result = self.child.value()
            self.child.close()
            self.killed, self.child = self.child, None  # until it is reaped
            return result if matches(result, RESULT) else self._failure(ENDED)
        if self._host.now() < self.next_time():
            return None
        self.child.kill()
        self.killed, self.child = self.child, None
        return self._failure(TIMED_OUT.format(timeout=self._check["timeout"]))

    def _failure(self, message):
        return result_of(self._check, False, message, self._host.now() - self._began)
