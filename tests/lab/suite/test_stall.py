# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transition that a thread holds: reversed, waited for, forced; each time the kernel is asked what became of it."""

from __future__ import annotations

import pytest

RELEASE = "echo 1 > /sys/module/lab_holder/parameters/release"
HOLD = "echo 0 > /sys/module/lab_holder/parameters/release"
HELD = "/sys/module/lab_holder/parameters/held_by"


@pytest.fixture
def held(guest, patches):
    """The guest, with a thread inside lab_hold()."""
    guest.load(patches["lab_holder"])
    guest.wait(f"test $(cat {HELD}) = original")
    return guest


def assert_names_the_holder(blockers):
    assert [blocker["comm"] for blocker in blockers] == ["lab_holder"]
    holder = blockers[0]
    assert holder["kthread"] is True
    assert holder["reason"] == "asleep-in-function"
    assert holder["function"] == "lab_hold"
    assert "lab_hold" in holder["stack"]


def test_a_stalled_load_is_turned_round_and_says_who_held_it(play, held, patches):
    debugging = held.run("grep livepatch/transition.c /proc/dynamic_debug/control")
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3)
    assert outcome.code == 2, outcome.output
    assert outcome.result["code"] == "transition-stalled"
    assert "lab_holder" in outcome.result["msg"] and "asleep in lab_hold" in outcome.result["msg"]
    assert_names_the_holder(outcome.result["blockers"])
    assert outcome.result["patch"]["state"] == "absent"
    assert held.live_patches() == []
    assert not held.has_module("holder_fix")
    assert held.read(HELD) == "original\n"
    assert held.run("grep livepatch/transition.c /proc/dynamic_debug/control") == debugging


def test_a_released_load_succeeds(play, held, patches):
    assert play("patch", src=patches["holder_fix"], transition_timeout=3).code == 2
    held.run(RELEASE)
    outcome = play("patch", src=patches["holder_fix"])
    assert outcome.code == 0, outcome.output
    held.run(HOLD)
    held.wait(f"test $(cat {HELD}) = fixed")


def test_a_load_left_going_is_finished_by_the_next_run(play, held, patches):
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3, on_stall="wait")
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["state"] == "enabling"
    assert [found["code"] for found in outcome.result["findings"] if found["level"] == "warning"] == [
        "transition-unfinished"]
    assert_names_the_holder(outcome.result["blockers"])
    busy = play("patch", src=patches["cmdline_v1"])
    assert busy.result["code"] == "transition-running"
    assert "holder_fix" in busy.result["msg"]
    held.run(RELEASE)
    finished = play("patch", src=patches["holder_fix"])
    assert finished.code == 0, finished.output
    assert finished.result["patch"]["state"] == "enabled"


def test_a_stalled_removal_is_turned_round(play, held, patches):
    held.run(RELEASE)
    assert play("patch", src=patches["holder_fix"]).code == 0
    held.run(HOLD)
    held.wait(f"test $(cat {HELD}) = fixed")
    outcome = play("patch", name="holder_fix", state="absent", transition_timeout=3)
    assert outcome.result["code"] == "transition-stalled"
    assert outcome.result["patch"]["state"] == "enabled"
    assert [blocker["comm"] for blocker in outcome.result["blockers"]] == ["lab_holder"]
    assert held.read("/sys/kernel/livepatch/holder_fix/enabled") == "1\n"
    assert held.read("/sys/kernel/livepatch/holder_fix/transition") == "0\n"


def test_a_forced_load_is_done_and_says_what_it_costs(play, held, patches):
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3, on_stall="force")
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["state"] == "enabled"
    assert "transition-forced" in [found["code"] for found in outcome.result["findings"]]
    assert held.read("/sys/kernel/livepatch/holder_fix/transition") == "0\n"
