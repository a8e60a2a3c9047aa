# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that stands still stops no playbook: each task that asks a host has a bound. The hosts are simulated.

A simulated host that hangs ends the bound of its task at once, and fails with `no-bound` where a task has none.
"""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.bounds import WAITS
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks

CANARY, SILENT, THIRD = THREE = ["web2", "web1", "web3"]
# How the silent host behaves, and what is told of it in the end.
SILENCES = [
    ({"check": "hangs"}, "This host is unchanged."),
    ({"load": "hangs"}, "This host is possibly still on trial, and reverts automatically by"),
    ({"look": "hangs", "back": "hangs"}, "This host is possibly still on trial, and reverts automatically by"),
    ({"look": ["ok", "hangs"]}, "This host is rolled back."),
    ({"keep": "hangs", "back": "hangs"}, "This host is in an unknown state."),
    ({"look": "ill", "back": "hangs"}, "This host is possibly still on trial, and reverts automatically by"),
    ({"look": "ill", "proof": "hangs"}, "This host is possibly still on trial, and reverts automatically by")]


@pytest.mark.parametrize(("silence", "told"), SILENCES)
def test_a_host_that_stands_still_does_not_stop_a_rollout(rollout, runs, calls, silence, told):
    run = rollout(
        {CANARY: {}, SILENT: silence, THIRD: {}}, livepatch_failure_budget=1, livepatch_waves="100%",
        livepatch_looks=2)
    assert {host: state for host, state in runs().items() if host != SILENT} == {
        CANARY: "accepted", THIRD: "accepted"}, run.output
    assert (run.code, sorted(run.failed), "no-bound" in run.output) == (2, ["localhost", SILENT], False), run.output
    assert told in run.output and ("host-silent" in run.output or "ill" in silence.values()), run.output
    assert calls("load").count(SILENT) <= 1 and calls("back").count(SILENT) <= 1
    assert not ("load" in silence and SILENT in calls("look"))


def test_more_silent_hosts_than_the_budget_allows_stop_the_rollout(rollout, runs):
    run = rollout({CANARY: {"load": "hangs"}, SILENT: {}, THIRD: {}})
    assert (run.code, runs()) == (2, {}), run.output
    assert "Failure budget exceeded: 1 failed, 0 allowed (web2: host-silent: The host did not answer" in run.output


@pytest.mark.parametrize(("playbook", "module"), [
    ("status", "patch_info"), ("preflight", "patch_check"), ("rollback", "patch_rollback"),
    ("rollback", "patch_verify")])
def test_a_host_that_stands_still_does_not_stop_other_playbooks(play, playbook, module):
    answers = {
        "patch_info": {"livepatch": None}, "patch_check": {},
        "patch_rollback": {"target": ["fix"], "removed": [], "restored": [], "findings": []},
        "patch_verify": {"ok": True, "patches": ["fix"], "findings": []}}
    run = play(
        f"kernel.livepatch.{playbook}", {"silent": {**answers, module: "hangs"}, "other": answers},
        variables={"livepatch_src": "patches"} if playbook == "preflight" else {})
    assert run.code == 2 and "silent" in run.failed, run.output
    assert any(line.startswith("unreachable: silent: host-silent: ") for line in run.lines), run.output


def bound_of(task):
    """The name of a task's bound: of the keyword, or of the task of a rollout's step."""
    arguments = next(value for key, value in task.items() if key.startswith("kernel.livepatch.")) or {}
    internal = arguments.get("via_controller")
    named = internal.get("task") if isinstance(internal, dict) else None
    return named or task.get("timeout", "").strip("{} ").rpartition(".")[2]


def test_each_task_that_asks_a_host_has_a_bound():
    plays = [play for playbook in written_tasks.PLAYBOOKS for play in written_tasks.plays_of(playbook)]
    tasks = [task.keywords for play in plays for task in written_tasks.tasks_of(play)]
    asking = [task for task in tasks if any(key.startswith("kernel.livepatch.patch") for key in task)]
    used = {bound_of(task) for task in asking}
    assert (len(asking) > 10, used) == (True, set(WAITS)), json.dumps(asking)
