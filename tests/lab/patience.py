# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time limits that a busy host does not use up: seconds in which a machine waits for a processor do not count."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# No limit lasts longer than this, whatever the host does in between.
LONGEST = 3600.0

# How often a limit is looked at.
STEP = 1.0


def delays_of(process: int) -> dict[int, float]:
    """Return how many seconds each thread of a process has waited for a processor (proc-schedstat).

    The second number of /proc/PID/task/TID/schedstat, in nanoseconds (Documentation/scheduler/sched-stats.rst). Without
    CONFIG_SCHED_INFO it is 0; of a process that has ended there is nothing. Then a limit is one of the clock alone.
    """
    delays = {}
    with suppress(OSError):
        for thread in Path("/proc", str(process), "task").iterdir():
            with suppress(OSError):
                delays[int(thread.name)] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return delays


class Patience:
    """A limit of some seconds for a machine, which begins now."""

    def __init__(
        self,
        seconds: float,
        process: int,
        clock: Callable[[], float] = time.monotonic,
        delays: Callable[[int], dict[int, float]] = delays_of,
    ) -> None:
        """`process` is the machine's QEMU; `clock` and `delays` are for tests."""
        self.seconds = seconds
        self._process, self._clock, self._delays = process, clock, delays
        self._began, self._delayed = clock(), delays(process)

    def is_over(self) -> bool:
        """Whether the machine has had its time."""
        passed = self._clock() - self._began
        if passed <= self.seconds:
            return False
        # Threads wait at the same time, so that the sum of them can be more than has passed.
        delays = self._delays(self._process)
        waited = max((delay - self._delayed.get(thread, 0.0) for thread, delay in delays.items()), default=0.0)
        return passed - waited > self.seconds or passed > max(self.seconds, LONGEST)
