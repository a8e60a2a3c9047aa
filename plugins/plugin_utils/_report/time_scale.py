# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The time scale of a report's timeline; it leaves out long pauses."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from datetime import datetime, timezone

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import duration

# The width of a gap.
GAP_WIDTH = 30.0
# A pause is omitted if it is longer than this share of the busy time.
LONGEST_PAUSE = 0.1
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
LEAST_BETWEEN_TICKS = 85.0


class Tick(t.NamedTuple):
    """A place on the scale, and its label."""

    x: float
    text: str


class Scale:
    """From times, in seconds since 1970, to places between `left` and `right`."""

    def __init__(self, busy: Sequence[tuple[float, float]], left: float, right: float) -> None:
        merged: list[list[float]] = []
        for start, stop in sorted(busy):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], stop)
            else:
                merged.append([start, stop])
        longest = LONGEST_PAUSE * sum(stop - start for start, stop in merged)
        self._stretches: list[list[float]] = []
        for start, stop in merged:
            if self._stretches and start - self._stretches[-1][1] <= max(longest, 5):
                self._stretches[-1][1] = stop
            else:
                self._stretches.append([start, stop])
        whole = sum(stop - start for start, stop in self._stretches)
        room = max(right - left - GAP_WIDTH * (len(self._stretches) - 1), (right - left) / 2)
        gap = (right - left - room) / max(1, len(self._stretches) - 1)
        self._per_second = room / max(whole, 1.0)
        self._places = []
        x = left
        for start, stop in self._stretches:
            self._places.append(x)
            x += (stop - start) * self._per_second + gap
        self._gap = gap

    def at(self, seconds: float) -> float:
        """The place of a time; a time in a gap is at its near end, a time outside is at the end of the scale."""
        place = self._places[0]
        for x, (start, stop) in zip(self._places, self._stretches, strict=True):
            if seconds < start:
                return place
            place = x + (min(seconds, stop) - start) * self._per_second
        return place

    def ticks(self) -> list[Tick]:
        step = next((one for one in STEPS if one * self._per_second >= LEAST_BETWEEN_TICKS), STEPS[-1])
        found: list[Tick] = []
        for start, stop in self._stretches:
            at = -(-start // step) * step
            # The start of a stretch after a gap has a label, even without a round time in it.
            times = [start, *(at + step * number for number in range(int(max(0, stop - at) // step) + 1 if at <= stop
                                                                     else 0))]
            for seconds in times:
                x = self.at(seconds)
                if not found or x - found[-1].x >= LEAST_BETWEEN_TICKS * 0.75:
                    found.append(Tick(x, f"{datetime.fromtimestamp(seconds, timezone.utc):%H:%M:%S}"))
        return found

    def gaps(self) -> list[Tick]:
        """The middle of each gap, and its duration."""
        pairs = zip(self._stretches, self._stretches[1:], self._places[1:], strict=False)
        return [
            Tick(x - self._gap / 2, f"{duration(after[0] - before[1])} left out") for before, after, x in pairs]
