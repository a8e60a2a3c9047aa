# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the suite on real kernels is started."""

from __future__ import annotations

import pytest

OPTIONS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")


@pytest.mark.parametrize(("cores", "memory", "expected"), [(1, 8, ()), (2, 5, ()), (2, 8, OPTIONS), (16, 64, OPTIONS)])
def test_two_files_run_at_a_time_where_there_are_cores_and_memory_for_it(monkeypatch, cores, memory, expected):
    from tests.check import machines

    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": (memory << 30) // 4096}
    monkeypatch.setattr(machines.os, "sysconf", sizes.get)
    monkeypatch.setattr(machines.os, "sched_getaffinity", lambda process: set(range(cores)))
    assert machines.run_options() == expected
