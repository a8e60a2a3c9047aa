# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The count of loaded hosts over the processes of a run; the clock is the tests'."""

from __future__ import annotations

import multiprocessing
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.load_count import (
    FAILED,
    LOADED,
    OTHER,
    LoadCount,
    outcome_of,
)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines():
    return []


@pytest.fixture
def count(tmp_path, clock, lines):
    """count(): as one more process of the run sees it."""
    return lambda hosts=500, key="a/../b": LoadCount(tmp_path, key, hosts, show=lines.append, tick=clock)


def test_one_line_each_ten_seconds_over_all_processes(count, clock, lines):
    for number in range(120):
        clock.now = 100 + number / 10
        count().record(FAILED if number == 7 else LOADED)
    assert lines == ["1 of 500 hosts loaded, 0 failed", "100 of 500 hosts loaded, 1 failed"]


def test_the_last_host_shows_the_whole_count_and_nothing_follows(count, clock, lines):
    for outcome in (LOADED, OTHER, FAILED):
        count(3).record(outcome)
    assert lines == ["1 of 3 hosts loaded, 0 failed", "1 of 3 hosts loaded, 1 failed, 1 without a build"]
    clock.now += 60
    assert (count(3).prefix(), len(lines)) == (None, 2)


def test_a_host_that_is_waited_for_shows_the_count_before_its_own_line(count, clock):
    assert count().prefix() == "0 of 500 hosts loaded, 0 failed; "
    assert count().prefix() is None
    clock.now += 10
    assert count().prefix() == "0 of 500 hosts loaded, 0 failed; "


def test_another_task_counts_anew_and_the_files_are_private(count, tmp_path, lines):
    count().record(LOADED)
    count(key="other").record(FAILED)
    assert lines[1] == "0 of 500 hosts loaded, 1 failed"
    assert len(list(tmp_path.iterdir())) == 4  # no key leads out of the directory
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_link_is_not_followed(count, tmp_path, lines):
    (tmp_path / "livepatch-loads-x").symlink_to(tmp_path / "elsewhere")
    count(key="x").record(LOADED)
    assert (lines, (tmp_path / "elsewhere").exists()) == ([], False)


def test_a_full_disk_fails_no_load_and_hides_no_line_of_a_host(tmp_path, lines):
    count = LoadCount(tmp_path / "missing", "k", 5, show=lines.append)
    count.record(LOADED)
    assert (count.prefix(), lines) == ("", [])


def record_many(directory):
    for _number in range(100):
        LoadCount(directory, "k", 10000, show=lambda _line: None).record(LOADED)


def test_no_outcome_is_lost_between_processes(tmp_path):
    processes = [multiprocessing.get_context("fork").Process(target=record_many, args=(tmp_path,)) for _one in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert LoadCount(tmp_path, "k", 10000).line() == "400 of 10000 hosts loaded, 0 failed"


@pytest.mark.parametrize("result, outcome", [
    ({"failed": True, "patch": {"state": "absent"}}, FAILED), ({"patch": {"state": "enabled"}}, LOADED),
    ({"patch": {"state": "no_build"}}, OTHER), ({"failed": True}, FAILED)])
def test_the_outcome_of_a_load(result, outcome):
    assert outcome_of(result) == outcome
