# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker ends with its run, and no sooner."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util import orphan


def test_a_process_whose_parent_has_ended_ends(monkeypatch):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    left, status, parents = threading.Event(), [], iter([7, 7, 7, 1])

    def leave(code):
        status.append(code)
        left.set()
    with orphan.EndsWithRun(leave, lambda: next(parents)):
        assert left.wait(60)
    assert status == [1]


def test_a_process_with_its_parent_goes_on_and_the_watch_ends_with_the_task(monkeypatch):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    looks, looked = [], threading.Event()

    def parent():
        looks.append(1)
        if len(looks) > 5:
            looked.set()
        return os.getppid()
    watch = orphan.EndsWithRun(lambda code: looks.append("left"), parent)
    with watch:
        assert looked.wait(60)
    watch._thread.join(60)
    assert not watch._thread.is_alive() and "left" not in looks


def test_a_process_whose_parent_has_lost_its_runner_ends(monkeypatch):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    left, asked, runners = threading.Event(), [], iter([9, 9, 9, 1])

    def runner(run):
        asked.append(run)
        return next(runners)
    with orphan.EndsWithRun(lambda code: left.set(), os.getppid, runner):
        assert left.wait(60)
    assert asked == [os.getppid()] * 4


@pytest.mark.parametrize("runners", [(9, 0), (0, 9)])
def test_a_runner_that_cannot_be_looked_up_ends_no_run(monkeypatch, runners):
    monkeypatch.setattr(orphan, "LOOK_SECONDS", 0.001)
    left, looked, looks = threading.Event(), threading.Event(), []

    def parent():
        looks.append(1)
        if len(looks) > 5:
            looked.set()
        return os.getppid()
    answers = itertools.chain(runners, itertools.repeat(runners[-1]))
    with orphan.EndsWithRun(lambda code: left.set(), parent, lambda run: next(answers)):
        assert looked.wait(60)
    assert not left.is_set()


def test_the_runner_is_the_parent_of_the_run_and_only_what_a_runner_started_has_one():
    of_runner = {"AWX_ISOLATED_DATA_DIR": "/runner/artifacts/7"}
    assert orphan.runner_of(os.getpid(), of_runner) == os.getppid()
    assert orphan.runner_of(os.getpid(), {"HOME": "/root"}) == 0
    assert orphan.runner_of(1 << 30, of_runner) == 0  # there is no such process


def test_a_name_of_a_process_does_not_hide_its_parent():
    """The name is in the same line, before the number, and can have spaces and brackets."""
    name = Path("/proc/self/comm").read_text(encoding="utf-8")
    Path("/proc/self/comm").write_text(") S 1 (x", encoding="utf-8")
    try:
        parent = orphan.runner_of(os.getpid(), {"AWX_ISOLATED_DATA_DIR": "/x"})
    finally:
        Path("/proc/self/comm").write_text(name, encoding="utf-8")
    assert parent == os.getppid()
