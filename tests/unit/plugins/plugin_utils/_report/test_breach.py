# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of the hosts of a stopped rollout: only what became of them."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.breach import breach_result
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples


@pytest.fixture
def stopped():
    """stopped(first wave, second wave, **breach): a rollout that was stopped in its second wave, by states of hosts."""
    def make(first, second, outcome="stopped", action="rollback_wave", wave=2):
        made = examples.rollout(4, breach_in=2)
        made.update(hosts={}, waves=made["waves"][:2], outcome=outcome, breach=dict(
            made["breach"], action=action, wave=wave))
        for number, states in ((0, first), (1, second)):
            names = [f"h{number}-{place}" for place in range(len(states))]
            made["waves"][number]["hosts"] = names
            made["hosts"].update({name: examples.host("6.1", state=state, loaded_at="2026-11-21T16:03:00Z" if (
                state != "unchanged") else None) for name, state in zip(names, states, strict=True)})
        return made
    return make


@pytest.mark.parametrize(("second", "text"), [
    (["rolled_back"] * 3, "All 3 patched hosts of this wave were rolled back."),
    (["rolled_back", "unchanged"], "The one patched host of this wave was rolled back."),
    (["rolled_back", "rolled_back", "reverting"], "2 of 3 patched hosts of this wave were rolled back, and not h1-2."),
    (["rolled_back", "unknown"], "1 of 2 patched hosts of this wave was rolled back, and not h1-1."),
    (["accepted"], "0 of 1 patched host of this wave were rolled back, and not h1-0."),
    (["unchanged"] * 2, "No host of this wave was patched.")])
def test_rolled_back_is_said_only_of_hosts_that_were(stopped, second, text):
    record = stopped(["accepted"], second)
    assert breach_result(record) == text
    assert text in render(record)


def test_all_waves_are_those_that_were_opened(stopped):
    where = "of this wave and of all earlier waves"
    record = stopped(["rolled_back", "accepted"], ["rolled_back"], action="rollback_all")
    assert breach_result(record) == f"2 of 3 patched hosts {where} were rolled back, and not h0-1."
    record["hosts"]["h0-1"]["loaded_at"] = None  # has the patch from an earlier rollout
    assert breach_result(record) == f"All 2 patched hosts {where} were rolled back."
    record["waves"][0]["opened"] = None
    assert breach_result(record) == f"The one patched host {where} was rolled back."


def test_before_the_end_and_without_a_rollback_nothing_is_claimed(stopped):
    made = ["on_trial"], ["on_trial", "reverting"]
    assert breach_result(stopped(*made, outcome="running")) == "The hosts of this wave are to be rolled back."
    assert breach_result(stopped(*made, action="hold")) == "No host was to be rolled back."
    assert breach_result(stopped(*made, wave=0)) == "No host of this wave was patched."
    assert breach_result(examples.rollout(4)) == ""
