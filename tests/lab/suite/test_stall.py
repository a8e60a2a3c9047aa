# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transition that a thread holds: reversed, waited for, forced; each time the kernel is asked what became of it."""

from __future__ import annotations

import re

import pytest
from guest import HOLD, HOLD_LATE, HOLDER, RELEASE, RELEASE_LATE
from wholeness import assert_whole, codes


def assert_names_the_holder(blockers):
    assert [blocker["comm"] for blocker in blockers] == ["lab_holder"]
    holder = blockers[0]
    assert holder["kthread"] is True
    assert holder["reason"] == "asleep-in-function"
    assert holder["function"] == "lab_hold"
    assert "lab_hold" in holder["stack"]


@pytest.mark.core
def test_a_stalled_load_is_reversed_and_names_the_task(play, held, patches):
    debugging = held.run("grep livepatch/transition.c /proc/dynamic_debug/control")
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3)
    assert outcome.code == 2, outcome.output
    assert outcome.result["code"] == "transition-stalled"
    assert "lab_holder" in outcome.result["msg"] and "asleep in lab_hold" in outcome.result["msg"]
    assert_names_the_holder(outcome.result["blockers"])
    assert outcome.result["patch"]["state"] == "absent"
    assert held.live_patches() == []
    assert not held.has_module("holder_fix")
    assert held.read(f"{HOLDER}/held_by") == "original\n"
    assert held.run("grep livepatch/transition.c /proc/dynamic_debug/control") == debugging


@pytest.mark.exhaustive
def test_a_held_transition_shows_its_tasks_while_it_is_waited_for(play, held, patches, seen):
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=40)
    assert outcome.result["code"] == "transition-stalled", outcome.output
    lines = re.findall(
        r"^==> \S+: enabling holder_fix since (\d+) s of at most 40 s: 1 task left, held by lab_holder \(pid \d+\)$",
        outcome.output, re.MULTILINE)
    assert len(lines) >= 2 and lines == sorted(lines, key=int), outcome.output
    held.run("test ! -e /run/kernel-livepatch/transition")
    seen("a transition that is held for 40 s", "its task is shown on the controller every 10 s")


@pytest.mark.exhaustive
def test_a_released_load_succeeds(play, held, patches):
    assert play("patch", src=patches["holder_fix"], transition_timeout=3).code == 2
    held.run(RELEASE)
    outcome = play("patch", src=patches["holder_fix"])
    assert outcome.code == 0, outcome.output
    held.run(HOLD)
    held.wait_for_thread("fixed")


@pytest.mark.exhaustive
def test_a_load_in_transition_is_finished_by_the_next_run(play, held, patches):
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3, on_stall="wait")
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["state"] == "enabling"
    assert [found["code"] for found in outcome.result["findings"] if found["level"] == "warning"] == [
        "object-out-of-tree", "transition-unfinished"]
    assert_names_the_holder(outcome.result["blockers"])
    busy = play("patch", src=patches["cmdline_v1"], transition_timeout=3)
    assert busy.result["code"] == "transition-running"
    assert "holder_fix" in busy.result["msg"]
    held.run(RELEASE)
    finished = play("patch", src=patches["holder_fix"])
    assert finished.code == 0, finished.output
    assert finished.result["patch"]["state"] == "enabled"


def test_a_stalled_removal_is_reversed(play, held, patches):
    held.run(RELEASE)
    assert play("patch", src=patches["holder_fix"]).code == 0
    held.run(HOLD)
    held.wait_for_thread("fixed")
    outcome = play("patch", name="holder_fix", state="absent", transition_timeout=3)
    assert outcome.result["code"] == "transition-stalled"
    assert outcome.result["patch"]["state"] == "enabled"
    assert [blocker["comm"] for blocker in outcome.result["blockers"]] == ["lab_holder"]
    assert held.read("/sys/kernel/livepatch/holder_fix/enabled") == "1\n"
    assert held.read("/sys/kernel/livepatch/holder_fix/transition") == "0\n"


def test_a_forced_load_is_done_and_says_what_it_costs(start, patches):
    """On a machine of its own: 5.10 never lets go of the module of a patch that it forced, or that was enabled then."""
    held, play = start()
    held.hold(patches["lab_holder"])
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3, on_stall="force")
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["state"] == "enabled"
    assert "transition-forced" in [found["code"] for found in outcome.result["findings"]]
    assert held.read("/sys/kernel/livepatch/holder_fix/transition") == "0\n"


@pytest.mark.exhaustive
def test_a_load_that_waits_for_another_transition_is_told_what_it_waits_for(play, beside, held, patches, seen):
    going = beside(held, "patch", src=patches["holder_fix"], transition_timeout=60)
    held.wait_for_transition("holder_fix")
    busy = play("patch", src=patches["cmdline_v1"], transition_timeout=3)
    assert (busy.code, busy.result["code"]) == (2, "host-busy"), busy.output
    assert "holder_fix" in busy.result["msg"] or busy.result["holder"]
    held.run(RELEASE)
    assert going.result().code == 0
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert_whole(held, play, "patch done", "patch done")
    seen("two runs at once", "the second fails at once and names the process changing the host")


def test_a_load_waits_for_the_transition_of_another_run(play, beside, held, patches, seen):
    held.load(patches["holder_fix"])
    held.wait_for_transition("holder_fix")
    waiting = beside(held, "patch", src=patches["cmdline_v1"], transition_timeout=60)
    # The module sleeps between two looks; Python did that with select() before 3.11.
    held.wait("grep -qE 'nanosleep|select' /proc/$(pgrep -nf ^/usr/bin/python3)/stack")
    held.run(RELEASE)
    outcome = waiting.result()
    assert outcome.code == 0, outcome.output
    assert held.live_patches() == ["cmdline_v1", "holder_fix"]
    seen("a load while another transition runs", "waits for it, and then loads")


@pytest.mark.exhaustive
def test_a_load_waits_no_longer_than_its_budget(play, held, patches, seen):
    held.load(patches["holder_fix"])
    held.wait_for_transition("holder_fix")
    outcome = play("patch", src=patches["cmdline_v1"], transition_timeout=3)
    assert (outcome.code, outcome.result["code"]) == (2, "transition-running"), outcome.output
    assert "holder_fix" in outcome.result["msg"]
    assert held.read("/sys/kernel/livepatch/holder_fix/transition").strip() == "1"  # its end was not waited for
    seen("a load while another transition does not end", "reported after the timeout, with the task holding it")


@pytest.fixture
def held_both_ways(held, patches, beside):
    """A guest on which a load of holder_fix can end in neither direction; gives the load's future."""
    going = beside(held, "patch", src=patches["holder_fix"], transition_timeout=15)
    held.wait_for_transition("holder_fix")
    held.wait("test $(cat /proc/$(pgrep -x lab_late_holder)/patch_state) = 1")
    held.run(HOLD_LATE)
    held.wait_for_thread("fixed", "late_held_by")
    return going


def test_a_transition_that_is_held_both_ways_is_reported_exactly(play, held, held_both_ways, patches, seen):
    failed = held_both_ways.result()
    assert (failed.code, failed.result["code"]) == (2, "reverse-stalled"), failed.output
    assert [(found["comm"], found["function"]) for found in failed.result["blockers"]] == [
        ("lab_late_holder", "lab_hold")]
    assert failed.result["patch"]["state"] == "disabling"
    livepatch = play("patch_info").result["livepatch"]
    assert (livepatch["transition"]["name"], livepatch["changing"]) == ("holder_fix", None)
    assert [blocker["comm"] for blocker in livepatch["transition"]["blockers"]] == ["lab_late_holder"]
    assert (livepatch["journal"][0]["outcome"], livepatch["journal"][0]["code"]) == ("failed", "reverse-stalled")
    held.run(RELEASE_LATE)
    done = play("patch", name="holder_fix", state="absent")
    # The kernel may have ended it before this run looked; its module is there until it is taken out.
    assert done.code == 0 and done.result["patch"]["previous_state"] in ("disabling", "disabled"), done.output
    assert_whole(held, play, "patch done", "patch failed")
    seen("a transition held in both directions, reversed", "an exact report; the next run ends it")


@pytest.mark.exhaustive
def test_a_transition_that_is_held_both_ways_goes_on_where_it_can(play, held, held_both_ways, patches, seen):
    assert held_both_ways.result().result["code"] == "reverse-stalled"
    held.run(RELEASE)
    on = play("patch", src=patches["holder_fix"])
    assert (on.code, on.result["patch"]["state"]) == (0, "enabled"), on.output
    assert_whole(held, play, "patch done", "patch failed")
    seen("a transition held in both directions, then wanted again", "reversed again by the next run, and enabled")


@pytest.mark.exhaustive
def test_a_removal_stays_in_transition(play, held, patches, seen):
    held.run(RELEASE)
    assert play("patch", src=patches["holder_fix"]).code == 0
    held.run(HOLD)
    held.wait_for_thread("fixed")
    off = play("patch", name="holder_fix", state="absent", transition_timeout=3, on_stall="wait")
    assert (off.code, off.result["patch"]["state"]) == (0, "disabling"), off.output
    held.run(RELEASE)
    assert play("patch", name="holder_fix", state="absent").result["patch"]["state"] == "absent"
    assert_whole(held, play, "patch done", "patch in-transition", "patch done")
    seen("a held removal, left in transition", "reported; the next run ends it")


@pytest.mark.exhaustive
def test_a_forced_removal_says_what_it_costs(start, patches, seen):
    guest, play = start()
    guest.hold(patches["lab_holder"])
    guest.run(RELEASE)
    assert play("patch", src=patches["holder_fix"]).code == 0
    guest.run(HOLD)
    guest.wait_for_thread("fixed")
    off = play("patch", name="holder_fix", state="disabled", transition_timeout=3, on_stall="force")
    assert (off.code, off.result["patch"]["state"]) == (0, "disabled"), off.output
    assert "transition-forced" in codes(off.result["findings"])
    assert_whole(guest, play, "patch done", "patch done")
    seen("a held removal, forced", "off at once, with a warning about the cost")
