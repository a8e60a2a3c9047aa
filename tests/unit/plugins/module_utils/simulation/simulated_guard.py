# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated trial process that looks at its host, and ends no trial: the looks are those of trial_watch.py."""

from ansible_collections.kernel.livepatch.plugins.module_utils._health.trial_watch import FIRST_SECONDS, TrialWatch
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity, process_state
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


class SimulatedGuard:
    """Looks at events of a SimulatedKernel, for as long as the process `pid` runs and there is a trial."""

    def __init__(self, kernel, pid):
        self._kernel = kernel
        self._pid = pid
        self._transaction = None
        self._watch = TrialWatch(kernel)

    def begin(self):
        self._transaction = (self._trial() or {}).get("transaction")
        self._kernel.at(self._kernel.now() + FIRST_SECONDS, self._look)

    def _look(self):
        trial = self._trial()
        if not trial or trial["transaction"] != self._transaction or not process_identity(self._kernel, self._pid):
            self._watch.stop()
            return
        if process_state(self._kernel, self._pid) != "T":
            self._watch.follow(trial)
            self._look_once()
        seen = (self._watch.verdict() or {"looks": 0})["looks"]
        pause = trial["watch"]["interval"] if seen and trial["watch"] else FIRST_SECONDS
        self._kernel.at(self._kernel.now() + pause, self._look)

    def _look_once(self):
        real, self._kernel.wait_readable = self._kernel.wait_readable, lambda _sources, _seconds: None
        try:
            if self._watch._watched:
                self._watch._step(self._kernel.now())
        finally:
            self._kernel.wait_readable = real

    def _trial(self):
        try:
            return read_ledger(self._kernel)["trial"]
        except (LivepatchError, OSError):
            return None
