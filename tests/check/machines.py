# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many machines of the lab run at a time."""

from __future__ import annotations

import os

# A machine of the lab keeps one core busy and takes almost one GiB, and a test can have more than one of them.
CORES_FOR_TWO, MEMORY_FOR_TWO = 2, 6 << 30


def run_options() -> tuple[str, ...]:
    """Return the options that run two files of tests at a time, each with its own machines, where that is faster."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if len(os.sched_getaffinity(0)) < CORES_FOR_TWO or memory < MEMORY_FOR_TWO:
        return ()
    # In the order of the suite's conftest.py, and not by the number of tests in a file.
    return "--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"
