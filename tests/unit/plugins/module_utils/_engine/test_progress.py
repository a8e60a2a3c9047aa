# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host writes for its controller while it waits for a transition, on a simulated kernel."""

import json
import os
import stat

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine import progress
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PROGRESS_FILE
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()


def written(host):
    return json.loads(host.read(PROGRESS_FILE)) if host.exists(PROGRESS_FILE) else None


@pytest.fixture
def seen(kernel):
    """What a controller would have read after so many seconds of the task."""
    found = {}

    def look(seconds):
        kernel.at(kernel.now() + seconds, lambda: found.update({seconds: written(kernel)}))
    for seconds in (3, 12, 40):
        look(seconds)
    return found


def test_a_transition_that_is_held_tells_its_tasks_and_leaves_no_file(kernel, apply, seen):
    kernel.hold(7)
    kernel.at(30, lambda: kernel.let_go(7))
    apply(FIX, timeout=90)
    assert seen[3] is None
    assert dict(seen[12], seconds=None) == {
        "name": "fix", "state": "enabling", "seconds": None, "timeout": 90, "tasks": 1,
        "held_by": [{"pid": 7, "comm": "worker"}]}
    assert 5 <= seen[12]["seconds"] <= 12
    assert written(kernel) is None


def test_a_reversed_transition_is_told_too(kernel, apply, seen):
    kernel.hold(7, ("enabling", "disabling"))
    kernel.at(50, lambda: kernel.let_go(7))
    assert failure(apply, FIX, timeout=30).code == "transition-stalled"
    assert (seen[12]["state"], seen[40]["state"], written(kernel)) == ("enabling", "disabling", None)


def test_a_file_of_a_killed_task_is_removed_before_the_next_transition(kernel, apply):
    kernel.put(PROGRESS_FILE, "{}")
    kernel.at(0.2, lambda: kernel.put("/told", str(written(kernel))))
    apply(FIX)
    assert kernel.read("/told") == "None"


def test_the_tasks_are_counted_each_five_seconds_and_the_file_is_private(kernel, apply, monkeypatch):
    kernel.hold(7)
    kernel.at(31, lambda: kernel.let_go(7))
    modes, counted = [], []
    real = progress.left_behind
    monkeypatch.setattr(progress, "left_behind", lambda *asked: counted.append(kernel.now()) or real(*asked))
    kernel.at(20, lambda: modes.append(stat.S_IMODE(os.lstat(kernel.path(PROGRESS_FILE)).st_mode)))
    apply(FIX, timeout=90)
    assert (modes, len(counted)) == ([0o600], 6)


def test_a_full_disk_does_not_stop_the_wait(kernel, apply, monkeypatch):
    def full(*_told):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(progress, "replace_private", full)
    kernel.hold(7)
    kernel.at(30, lambda: kernel.let_go(7))
    assert apply(FIX, timeout=90)["patch"]["state"] == "enabled"
