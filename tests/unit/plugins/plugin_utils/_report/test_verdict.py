# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of a report: what happened, where that leaves the hosts, what to do next."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.verdict import verdict
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.messages import WAVES_WAIT
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples


def within_budget():
    made = examples.rollout(8)
    host = made["hosts"]["db1.sim.example"]
    host.update(state="rolled_back", failure={"code": "x", "message": "X.", "step": "look"})
    return dict(made, ok=False)


def running():
    return dict(examples.rollout(8, waits_before=2), outcome="running", ok=False)


def cut_off(outcome="stopped"):
    made = dict(examples.rollout(8), outcome=outcome, ok=False)
    made["hosts"]["db1.sim.example"]["state"] = "pending"
    made["waves"][-1]["state"] = "open"
    return made


def unknown():
    made = examples.rollout(8, breach_in=1, unreachable=1)
    made["hosts"]["web1.sim.example"]["state"] = "unknown"
    return made


CASES = {
    "clean": (examples.rollout, (8,), "good",
              "Complete: all 8 hosts with a build have the patch accepted and verified.",
              "Nothing has to be done."),
    "one": (examples.rollout, (1,), "good",
            "Complete: the one host with a build has the patch accepted and verified.",
            "Nothing has to be done."),
    "no_build": (examples.rollout, (8, None, 2), "good", "Complete: all 8 hosts with a build have",
                 "Build the patch for 5.10.0-46-amd64: 2 hosts without a build, still vulnerable."),
    "breach": (examples.rollout, (8, 1, 0, 0, 1), "bad", "Stopped in wave 1 of 3 (canary): ",
               "Fix the failures on web1.sim.example (see below), then run the rollout again. It continues from "
               "there."),
    "unreachable": (examples.rollout, (8, 1, 0, 1), "bad", "Stopped in wave 1 of 3 (canary): ",
                    "with the playbook kernel.livepatch.status that web1.sim.example has reverted."),
    "unknown": (unknown, (), "bad", "Stopped in wave 1 of 3 (canary): ",
                "First check web1.sim.example with the playbook kernel.livepatch.status."),
    "plan": (examples.planned, (8, 2), "calm", "A plan, nothing was changed: 8 hosts would be patched in 3 waves.",
             "Review the waves, then run it without --check."),
    "waits": (examples.rollout, (8, None, 0, 0, 0, 1, 2), "warn",
              "Stopped before wave 2 of 3 (up to 10%), which needs an approval.",
              "Approve wave 2: run it again with -e livepatch_approved=2."),
    "budget kept": (within_budget, (), "bad", "Over, but 1 of 8 hosts with a build failed.",
                    "Fix the failures on db1.sim.example"),
    "cut off": (cut_off, (), "bad", "Stopped in wave 3 of 3 (up to 50%): not every wave reached its gate.",
                "Fix the cause, then run it again. It continues from there."),
    "not complete": (cut_off, ("complete",), "bad", "Over, but 0 of 8 hosts with a build failed.",
                     "Fix the cause, then run it again. It continues from there."),
    "running": (running, (), "warn", "Still running in wave 2 of 3 (up to 10%): the report shows the state",
                "If that run has ended, run it again. It continues from there."),
    "nothing": (examples.rollout, (0, None, 2), "good", "Nothing to roll out: there is no build for any of the hosts.",
                "Build the patch for 5.10.0-46-amd64"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rollout_is_judged_in_a_sentence(case):
    make, arguments, tone, what, todo = CASES[case]
    head = verdict(make(*arguments))
    assert (head.tone, head.what[:len(what)]) == (tone, what)
    assert any(todo in line for line in head.todo)


@pytest.mark.parametrize("case, sure", [("clean", True), ("breach", True), ("unreachable", False), ("unknown", False)])
def test_nothing_is_said_to_be_in_doubt_only_where_that_is_so(case, sure):
    make, arguments, *_expected = CASES[case]
    assert ("The result of every change is known." in verdict(make(*arguments)).stands) is sure


@pytest.mark.parametrize(("waits_for", "todo"), [
    ("approval", "Approve wave 2: run it again with -e livepatch_approved=2."),
    ("window", "Run it again at the time above. It continues with wave 2."),
    ("trials", "Run it again at the time above. It continues with wave 2."),
    ("halt", "Remove the halt file, then run it again. It continues with wave 2."),
    ("shards", "Start all shards again with a new livepatch_shard_dir. They continue from there."),
])
def test_the_advice_for_a_wave_that_waits_is_about_what_it_waits_for(waits_for, todo):
    assert waits_for in WAVES_WAIT
    made = examples.rollout(8, waits_before=2)
    made["waves"][1].update(waits_for=waits_for, why="livepatch_window is closed until 2026-12-01T22:00:00Z")
    assert verdict(made).todo == [todo]


def test_there_is_advice_for_everything_that_a_wave_can_wait_for():
    assert set(WAVES_WAIT) == {"approval", "window", "trials", "halt", "shards"}


def test_what_is_uncertain_comes_first():
    stands = verdict(examples.rollout(300, breach_in=3, no_build=12, unreachable=4, stalled=14)).stands
    assert stands[0].startswith(
        "4 reverting automatically: the patch is possibly still on trial until the trial ends, the ")
    assert stands[1].startswith("30 accepted: ")
