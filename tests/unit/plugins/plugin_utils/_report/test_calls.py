# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the new code in a report."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.calls import MOST_FUNCTIONS, Calls, calls
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import watch_of
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples


def counted(*counts):
    return {"looks": 3, "first": None, "last": None, "calls": [
        {"object": "vmlinux", "name": name, "sympos": sympos, "calls": number} for name, sympos, number in counts]}


def record(*watches):
    made = examples.rollout(8)
    for host, watch in zip(made["hosts"].values(), watches, strict=False):
        host["watch"] = watch
    return made


def test_each_function_has_its_calls_on_all_hosts_and_the_least_called_is_first():
    made = record(
        counted(("one", 1, 7), ("two", 2, 0)), counted(("one", 1, 2), ("two", 2, 3)), counted(("one", 1, None)))
    first, second, third = list(made["hosts"])[:3]
    assert calls(made) == [
        Calls("vmlinux:two,2", 2, 3, 0, [first], []), Calls("vmlinux:one", 2, 9, 2, [], [third])]
    assert second not in str(calls(made))


def test_the_page_shows_them_and_has_no_such_part_without_a_count():
    text = render(record(counted(("one<script>", 1, 7))))
    assert "Calls of the new code" in text and "one&lt;script&gt;" in text and "one<script>" not in text
    assert "Calls of the new code" not in render(record(counted()))
    assert "Calls of the new code" not in render(record(None))


def test_a_page_has_a_bounded_number_of_them():
    made = record(counted(*((f"f{number}", 1, number) for number in range(500))))
    assert len(calls(made)) == MOST_FUNCTIONS


@pytest.mark.parametrize("value", [None, "many", [3], True, 2.5, 1 << 80])
def test_a_count_that_makes_no_sense_is_none(value):
    entry = {"object": "vmlinux", "name": "f" * 1000, "sympos": 1, "calls": value}
    found, = watch_of({"looks": 1, "calls": [entry, "nonsense"]})["calls"]
    assert (found["calls"], len(found["name"]) < 200) == (None, True)
