# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which play patches the waves, and the input of its tasks; the hosts are simulated."""

from __future__ import annotations

import gc

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import steps, unreachable
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    CANARY,
    LAST,
    SECOND,
    SIX,
    THIRD,
)

PLAYS = ("hosts", "hosts_with_phases", "hosts_with_hooks")


def planned(run):
    """The facts of the plan."""
    run._step("check", SIX)
    for host in SIX:
        run._ask(host, "check")
    return run._step("plan", SIX)["ansible_facts"]["__livepatch_rollout"]


@pytest.mark.parametrize(("hosts", "options", "play"), [
    ({}, {}, "hosts"), ({}, {"livepatch_soak": 10, "livepatch_looks": ""}, "hosts"),
    ({}, {"livepatch_looks": 1}, "hosts_with_phases"), ({}, {"livepatch_on_stall": "wait"}, "hosts_with_phases"),
    ({}, {"livepatch_health_checks": [{"tasks": "own.yml"}]}, "hosts_with_phases"),
    ({SECOND: {"check": "enabled"}}, {}, "hosts_with_phases"), ({SECOND: {"check": "accepted"}}, {}, "hosts"),
    ({}, {"livepatch_before": ["own.yml"]}, "hosts_with_hooks")])
def test_one_play_has_the_hosts_of_all_waves(rollout, tmp_path, monkeypatch, hosts, options, play):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yml").write_text("[]")
    unreachable.start_listening(tmp_path)  # as the callback does, which hooks need
    facts = planned(rollout(hosts, **{"livepatch_looks": 0, **options}))
    wanted = [name for name in (CANARY, SECOND, THIRD, *LAST) if hosts.get(name) != {"check": "accepted"}]
    assert {key: sorted(facts[key]) for key in PLAYS} == {**{key: [] for key in PLAYS}, play: sorted(wanted)}


def test_a_wave_is_over_when_its_hosts_have_no_task_left(rollout):
    run = rollout(livepatch_looks=0)
    over = []
    take = run._step

    def step(name, *more):
        over.append((name, take(name, *more).get("over")))
        return run._now
    run._step = step
    assert run.run()["ok"]
    assert [name for name, is_over in over if is_over] == ["accept"] * 3


def test_a_step_runs_without_a_search_for_garbage_and_leaves_python_as_it_was(monkeypatch):
    assert gc.isenabled()
    monkeypatch.setitem(steps.STEPS, "open", lambda _call: {"searches": gc.isenabled()})
    assert (steps.take_step("open", None), gc.isenabled()) == ({"searches": False}, True)
    monkeypatch.setitem(steps.STEPS, "open", lambda _call: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        steps.take_step("open", None)
    assert gc.isenabled()
