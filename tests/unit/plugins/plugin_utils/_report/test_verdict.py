# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head of a report: what happened, where that leaves the hosts, what to do next."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.verdict import verdict
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
    made = examples.rollout(8, breach_in=1, lost=1)
    made["hosts"]["web1.sim.example"]["state"] = "unknown"
    return made


CASES = {
    "clean": (examples.rollout, (8,), "good", "Complete: all 8 covered hosts have the patch accepted and verified.",
              "Nothing has to be done."),
    "one": (examples.rollout, (1,), "good", "Complete: the one covered host has the patch accepted and verified.",
            "Nothing has to be done."),
    "uncovered": (examples.rollout, (8, None, 2), "good", "Complete: all 8 covered hosts have",
                  "Build the patch for 5.10.0-46-amd64 as well: 2 hosts uncovered, and vulnerable."),
    "breach": (examples.rollout, (8, 1, 0, 0, 1), "bad", "Stopped in wave 1 of 3 (canary): ",
               "Mend what failed on web1.sim.example, as told below, and run it again: it goes on where it stopped."),
    "lost": (examples.rollout, (8, 1, 0, 1), "bad", "Stopped in wave 1 of 3 (canary): ",
             "with kernel.livepatch.status that web1.sim.example has gone back."),
    "unknown": (unknown, (), "bad", "Stopped in wave 1 of 3 (canary): ",
                "Find out first what runs on web1.sim.example: playbook kernel.livepatch.status."),
    "plan": (examples.planned, (8, 2), "calm", "A plan, nothing was changed: 8 hosts would be patched in 3 waves.",
             "Look at the waves, and run it without --check."),
    "waits": (examples.rollout, (8, None, 0, 0, 0, 1, 2), "warn",
              "Stopped before wave 2 of 3 (up to 10%), which a person has to approve.",
              "Approve wave 2 and run it again with -e livepatch_approved=2."),
    "budget kept": (within_budget, (), "bad", "Over, but 1 of 8 covered hosts failed.",
                    "Mend what failed on db1.sim.example"),
    "cut off": (cut_off, (), "bad", "Stopped in wave 3 of 3 (up to 50%): not every wave came to its end.",
                "Mend what has ended it, and run it again: it goes on where it stopped."),
    "not complete": (cut_off, ("complete",), "bad", "Over, but 0 of 8 covered hosts failed.",
                     "Mend what has ended it, and run it again: it goes on where it stopped."),
    "running": (running, (), "warn", "Not over in wave 2 of 3 (up to 10%): this is how it stood",
                "If that run was ended, run it again: it goes on where it stopped."),
    "nothing": (examples.rollout, (0, None, 2), "good", "Nothing to roll out: there is no build for any of the hosts.",
                "Build the patch for 5.10.0-46-amd64"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rollout_is_judged_in_a_sentence(case):
    make, arguments, tone, what, todo = CASES[case]
    head = verdict(make(*arguments))
    assert (head.tone, head.what[:len(what)]) == (tone, what)
    assert any(todo in line for line in head.todo)


@pytest.mark.parametrize("case, sure", [("clean", True), ("breach", True), ("lost", False), ("unknown", False)])
def test_nothing_is_said_to_be_in_doubt_only_where_that_is_so(case, sure):
    make, arguments, *_expected = CASES[case]
    assert ("Nothing that was done is in doubt." in verdict(make(*arguments)).stands) is sure


def test_what_is_uncertain_comes_first():
    stands = verdict(examples.rollout(300, breach_in=3, uncovered=12, lost=4, stalled=14)).stands
    assert stands[0].startswith("4 going back by itself: the patch is on trial, or may be, until its trial ends, the ")
    assert stands[1].startswith("30 accepted: ")
