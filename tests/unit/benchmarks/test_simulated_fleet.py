# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout over the simulated hosts of the benchmarks is a whole one, and what it sends to a host is bounded."""

from __future__ import annotations

from tests.benchmarks.controller import patch_files
from tests.benchmarks.figures import Benchmark, Figure
from tests.benchmarks.fleet import Fleet, shown_for_each, skipped
from tests.benchmarks.table import BEGIN, END, write_table

# Steps of a host, and the most bytes of each: a fifth more than today.
MOST_BYTES = {"check": 470_000, "load": 660_000, "keep": 660_000}
OUTPUT = """
included: a.yml for host1, host2
ok: [host1]
changed: [host2 -> localhost]
skipping: [host1]
"""


def test_a_rollout_makes_three_calls_to_each_host_and_sends_the_file_once(tmp_path):
    with patch_files() as (patch,):
        fleet = Fleet(tmp_path, 3, patch)
    run = fleet.rollout()
    for name in fleet.names:
        calls = fleet.calls(name)
        assert [step for step, _size in calls] == list(MOST_BYTES), run.output
        assert all(size < MOST_BYTES[step] for step, size in calls), calls
    assert skipped(run.output) == 0
    fleet.ping()
    assert [step for step, _size in fleet.calls(fleet.names[0])] == ["ping"]


def test_task_lines_are_counted_for_the_hosts_that_they_name():
    assert shown_for_each(OUTPUT, ["host1", "host2"]) == 2.5
    assert skipped(OUTPUT) == 1


def test_the_table_keeps_what_a_run_has_not_measured(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(f"Before\n\n{BEGIN}{END}\nAfter\n")
    benchmarks = [Benchmark("a", (Figure("One", 2, "s"), Figure("Two", 1), Figure("Three", None)), dict, "")]
    write_table(page, benchmarks, {"One": 3.14159})
    write_table(page, benchmarks, {"Two": 0.5})
    text = page.read_text()
    assert text.startswith("Before\n") and text.endswith("\nAfter\n")
    rows = [row.split("\n     - ") for row in text.replace("``a``\n", "").split("   * - ")[2:]]
    assert [row[:4] for row in rows] == [
        ["One", "at most 2 s", "3.14 s", "missed"], ["Two", "at most 1", "0.50", "met"],
        ["Three", "none", "not measured", "open"]]
