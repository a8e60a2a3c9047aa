# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One time divided by another one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

PAIRS = 5


def ratio(numerator: Callable[[], object], denominator: Callable[[], object], pairs: int = PAIRS) -> float:
    """The median over pairs measured in turn, for the speed of a machine changes from time to time."""
    return statistics.median(_seconds(numerator) / _seconds(denominator) for _pair in range(pairs))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
