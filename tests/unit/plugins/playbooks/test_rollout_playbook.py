# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks rollout and apply, run by ansible-playbook on this ansible-core; the hosts are simulated."""

from __future__ import annotations

import ast
import json

import pytest

# In the order of digests of these names, of which the first is the canary.
CANARY, SECOND, THIRD, *LAST = FIVE = ["web2", "web1", "web3", "web4", "web5"]


def well(hosts):
    return {host: {} for host in hosts}


def states(run):
    return {name: host["state"] for name, host in run.stats["livepatch_rollout"]["hosts"].items()}


def waves(run):
    return [wave["state"] for wave in run.stats["livepatch_rollout"]["waves"]]


def test_a_clean_rollout_accepts_every_host_and_reports(rollout, runs, tmp_path):
    hosts = {**well(FIVE), "old1": {"check": "no_build", "kernel": "5.10.0-1-amd64"}}
    run = rollout(hosts, livepatch_report_dir="reports")
    assert run.code == 0, run.output
    assert runs() == dict.fromkeys(FIVE, "accepted")
    assert (waves(run), "6 hosts: 5 accepted, 1 without a build" in run.output) == (["passed"] * 3, True)
    reports = sorted((tmp_path / "reports").iterdir())
    assert [file.suffix for file in reports] == [".html", ".json"]
    assert json.loads(reports[1].read_text())["counts"] == {"accepted": 5, "no_build": 1}


@pytest.mark.parametrize("state", ["accepted", "enabled"])
def test_no_host_is_asked_to_load_the_patch_when_it_is_kept(rollout, runs, tmp_path, state):
    run = rollout(["web1"], livepatch_state=state)
    assert (run.code, runs()) == (0, {"web1": state}), run.output
    kept = called(tmp_path)[-1]
    via_controller = {"fresh": True, "run": run.stats["livepatch_rollout"]["id"]}
    assert (kept["step"], kept["args"]["via_controller"], kept["args"]["state"]) == ("keep", str(via_controller), state)


def called(tmp_path):
    """Each call of a host: its step and its arguments as texts."""
    return [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("playbook", ["rollout", "apply"])
@pytest.mark.parametrize("take", [True, False])
def test_every_change_has_the_run_and_only_the_load_takes_a_lease(rollout, tmp_path, playbook, take):
    run = rollout(
        {CANARY: {"look": "ill"}}, playbook=f"kernel.livepatch.{playbook}", livepatch_failure_budget=1,
        livepatch_take_lease=str(take))
    changes = [call for call in called(tmp_path) if call["step"] in ("load", "back")]
    assert [call["step"] for call in changes] == ["load", "back"], run.output
    name = run.stats["livepatch_rollout"]["id"]
    # Older ansible-core makes a text of the number in the task.
    given = [ast.literal_eval(call["args"]["via_controller"]) for call in changes]
    assert [(one["run"], int(one.get("hosts", 0))) for one in given] == [(name, 1), (name, 0)]
    assert [call["args"]["take_lease"] for call in changes] == [str(take), "False"]


def test_a_rollback_after_a_breach_has_the_same_run(rollout, tmp_path):
    run = rollout({CANARY: {"look": "ill"}})
    back = [call for call in called(tmp_path) if call["step"] == "back"]
    assert [call["args"]["via_controller"] for call in back] == [str({"run": run.stats["livepatch_rollout"]["id"]})]


def test_one_fails_while_another_is_cut_off_in_the_same_task_and_no_later_wave_is_touched(rollout, calls, runs):
    run = rollout({**well(FIVE), SECOND: {"load": "failed"}, THIRD: {"load": "unreachable"}})
    assert (run.code, waves(run)) == (2, ["passed", "failed", "skipped"])
    assert sorted(calls("load")) == sorted([CANARY, SECOND, THIRD])
    assert runs() == {CANARY: "accepted"}
    assert sorted(run.failed) == sorted([SECOND, THIRD, "localhost"])
    assert states(run) == {
        CANARY: "accepted", SECOND: "unchanged", THIRD: "reverting", **dict.fromkeys(LAST, "pending")}


def test_a_wave_that_is_unreachable_as_a_whole_ends_in_a_rollback_of_all(rollout, calls, runs):
    run = rollout(
        {**well(FIVE), SECOND: {"look": "unreachable", "back": "unreachable"}, THIRD: {"look": "unreachable"}},
        livepatch_on_breach="rollback_all")
    assert (run.code, waves(run)) == (2, ["passed", "failed", "skipped"])
    assert sorted(calls("back")) == sorted([CANARY, SECOND, THIRD])
    assert (states(run)[CANARY], states(run)[SECOND], states(run)[THIRD]) == ("rolled_back", "reverting", "rolled_back")
    assert runs()[CANARY] == "absent"


def test_every_host_unreachable_before_it_begins_is_one_clear_end(rollout, calls):
    run = rollout({host: {"check": "unreachable"} for host in FIVE})
    assert (run.code, calls("load"), sorted(run.failed)) == (2, [], sorted(FIVE))
    assert run.lines[-1] == "5 hosts: 5 unchanged"


def test_check_mode_shows_the_plan_and_changes_nothing(rollout, calls, runs):
    run = rollout(FIVE, "--check")
    assert (run.code, calls("load"), runs()) == (0, [], {}), run.output
    assert "==>   wave 1 (canary), 1 host: " in run.output


def test_without_a_terminal_a_wave_that_waits_for_approval_ends_the_rollout(rollout, calls):
    run = rollout(FIVE, livepatch_approve="2")
    assert (run.code, run.failed, calls("load")) == (2, ["localhost"], [CANARY])
    assert "run again with -e livepatch_approved=2" in run.output


def test_tasks_of_ones_own_are_a_health_check(rollout, runs, tmp_path):
    (tmp_path / "own.yml").write_text(
        f"- name: Look at it\n  ansible.builtin.assert: {{that: inventory_hostname != '{THIRD}', fail_msg: ill}}\n")
    run = rollout(FIVE, livepatch_health_checks=[{"tasks": "own.yml"}], livepatch_failure_budget="20%")
    assert (run.code, waves(run), sorted(run.failed)) == (2, ["passed"] * 3, ["localhost", THIRD])
    assert runs() == {**dict.fromkeys(FIVE, "accepted"), THIRD: "absent"}


def test_a_task_of_ones_own_has_its_time(rollout, runs, tmp_path):
    (tmp_path / "own.yml").write_text("- name: Take long\n  ansible.builtin.pause: {seconds: 60}\n")
    run = rollout(["web1"], livepatch_health_checks=[{"tasks": "own.yml", "timeout": 1}])
    assert (run.code, runs()) == (2, {"web1": "absent"}), run.output


@pytest.mark.parametrize(("variables", "said"), [
    ({"livepatch_src": ""}, "livepatch_src is not set"), ({"livepatch_src": "nowhere"}, "is not on the controller"),
    ({"livepatch_soak": "ages"}, "livepatch_soak is 'ages'"), ({"livepatch_wavse": "1"}, "Write livepatch_waves"),
    ({"livepatch_waves": "canary, stagin"}, "neither canary nor a number"),
])
def test_variables_that_make_no_sense_are_one_error(rollout, tmp_path, variables, said):
    run = rollout(FIVE[:2], **variables)
    assert (run.code, said in run.output) == (2, True), run.output
    assert not (tmp_path / "calls.jsonl").exists()


def test_apply_patches_all_at_once_and_each_host_stands_for_itself(rollout, runs):
    run = rollout(
        {**well(FIVE), SECOND: {"look": "ill"}, "old1": {"check": "no_build"}},
        playbook="kernel.livepatch.apply", livepatch_waves=None)
    assert (run.code, run.failed) == (2, [SECOND])
    assert runs() == {**dict.fromkeys(FIVE, "accepted"), SECOND: "absent"}


def test_apply_has_nothing_to_do_where_no_host_is_covered(rollout):
    run = rollout({"old1": {"check": "no_build"}}, playbook="kernel.livepatch.apply")
    assert (run.code, run.lines[-1:]) == (0, ["1 host: 1 without a build"]), run.output
