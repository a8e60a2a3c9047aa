# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own time of each change is read from its log."""

from __future__ import annotations

import pytest

from tests.benchmarks.kernel import kernel_seconds

LOAD = """\
[{0:>5}.250000] livepatch: enabling patch 'cmdline_v1'
[{0:>5}.260000] livepatch: 'cmdline_v1': initializing patching transition
[{0:>5}.{1}] livepatch: 'cmdline_v1': patching complete
"""
REMOVAL = """\
[{0:>5}.500000] livepatch: 'cmdline_v1': starting unpatching transition
[{0:>5}.510000] loop: module loaded
[{0:>5}.{1}] livepatch: 'cmdline_v1': unpatching complete
"""


def round_from(second):
    changes = (LOAD, REMOVAL) * 4
    return "".join(text.format(second + place, 750000 + place) for place, text in enumerate(changes))


def test_each_change_of_each_round_has_its_own_time():
    assert kernel_seconds(round_from(100) + round_from(200), 2) == {
        name: [pytest.approx(seconds)] * 2 for name, seconds in (
            ("very first", 0.5), ("kept", 0.500002), ("trial own", 0.500004),
            ("absent own", 0.250001), ("rollback own", 0.250005))}


def test_a_log_that_lost_its_begin_is_refused():
    with pytest.raises(RuntimeError, match="7 changes and not 8"):
        kernel_seconds(round_from(100).replace(LOAD.format(100, 750000), "") + round_from(200), 2)
