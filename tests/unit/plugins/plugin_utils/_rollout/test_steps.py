# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout does when hosts fail, step by step; the hosts are simulated, and the clock is."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results import fields
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import ending, steps
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    ANSWERS,
    CANARY,
    LAST,
    SECOND,
    SIX,
    THIRD,
    checked,
    finding,
    loaded,
    seen,
)


def states(record):
    return {name: host["state"] for name, host in record["hosts"].items()}


def waves(record):
    return [wave["state"] for wave in record["waves"]]


def on(rollout, step):
    return [host for one, host in rollout.calls if one == step]


def test_a_clean_rollout(rollout):
    run = rollout()
    record = run.run()
    assert [wave["hosts"] for wave in record["waves"]] == [[CANARY], [SECOND, THIRD], LAST]
    assert (record["ok"], record["outcome"], waves(record)) == (True, "complete", ["passed"] * 3)
    assert set(states(record).values()) == {"accepted"}
    assert (run.ended["verdict"], record["breach"]) == (None, None)
    assert [[look["after"] for look in wave["looks"]] for wave in record["waves"]] == [[50, 100]] * 3
    assert sorted(run.calls) == sorted((step, name) for name in SIX for step in ("check", "load", "look", "keep"))
    assert record["hosts"][CANARY]["watch"] == {
        "looks": 9, "first": "2026-11-21T09:16:54Z", "last": "2026-11-21T09:21:44Z", "calls": []}
    assert record["waves"][0]["looks"][-1] == {
        "at": record["waves"][0]["closed"], "well": 1, "waiting": 0, "failed": 0, "unreachable": 0, "after": 100}
    assert record["options"]["looks"] == 1
    host = record["hosts"][CANARY]
    assert (host["transaction"], host["transition_seconds"], host["functions"][0]["state"]) == ("t1", 1.5, "patched")
    json.dumps(record)


def test_each_build_of_a_kernel_has_its_canary(rollout):
    builds = {name: "0a" * 20 if name == CANARY else "0b" * 20 for name in SIX}
    record = rollout({name: {"check": checked(kernel_build_id=build)} for name, build in builds.items()}).run()
    assert {builds[name] for name in record["waves"][0]["hosts"]} == {"0a" * 20, "0b" * 20}
    assert len(record["waves"][0]["hosts"]) == 2


@pytest.mark.parametrize(("step", "how"), [
    (step, how) for step in ("load", "look") for how in ANSWERS[step] if how not in ("ok", "waiting")])
def test_a_canary_that_fails_is_the_last_that_is_patched(rollout, step, how):
    run = rollout({CANARY: {step: how}})
    record = run.run()
    assert (record["ok"], record["outcome"], waves(record)) == (False, "stopped", ["failed", "skipped", "skipped"])
    assert set(on(run, "load")) == {CANARY} and on(run, "keep") == []
    assert record["breach"]["failed"] == [CANARY]
    assert CANARY in run.ended["problems"]
    assert "in wave 1" in run.ended["verdict"]


def test_a_breach_takes_back_the_wave_and_leaves_those_before(rollout):
    run = rollout({LAST[0]: {"look": ["ok", "ok", "ill"]}}, livepatch_looks=4)
    record = run.run()
    assert sorted(on(run, "back")) == sorted(LAST)
    assert states(record) == {
        CANARY: "accepted", SECOND: "accepted", THIRD: "accepted", **dict.fromkeys(LAST, "rolled_back")}
    assert on(run, "look").count(LAST[1]) == 3
    host = record["hosts"][LAST[0]]
    assert host["health"] == [
        {"name": "check 1", "ok": False, "message": "3 of 5 succeeded. It ended with status 0."}]
    assert (host["failure"]["code"], host["watch"]["looks"]) == ("watch-failed", 5)


def test_a_breach_can_take_back_everything(rollout):
    run = rollout({LAST[0]: {"look": "ill"}}, livepatch_on_breach="rollback_all")
    record = run.run()
    assert sorted(on(run, "back")) == SIX and set(states(record).values()) == {"rolled_back"}


def test_a_breach_can_hold(rollout):
    run = rollout({LAST[0]: {"look": "ill"}}, livepatch_on_breach="hold")
    record = run.run()
    assert on(run, "back") == [] and set(states(record).values()) == {"accepted", "on_trial"}
    assert "reverts automatically by" in run.ended["problems"][LAST[0]]


def test_what_was_loaded_without_a_trial_is_not_called_enabled_after_a_hold(rollout):
    record = rollout({
        LAST[0]: {"look": "ill"}, LAST[1]: {"load": loaded("accepted"), "look": seen("accepted", trial=None)},
    }, livepatch_on_breach="hold").run()
    assert (states(record)[LAST[1]], record["outcome"], record["ok"]) == ("accepted", "stopped", False)


def test_within_the_budget_those_that_fail_go_back_and_the_others_are_accepted(rollout):
    run = rollout(
        {CANARY: {"look": "ill"}, SECOND: {"load": "stalled"}, LAST[0]: {"keep": "failed"}}, livepatch_failure_budget=3)
    record = run.run()
    assert (waves(record), record["breach"], record["outcome"], record["ok"]) == (
        ["passed"] * 3, None, "complete", False)
    assert states(record) == {
        CANARY: "rolled_back", SECOND: "unchanged", THIRD: "accepted", LAST[0]: "rolled_back", LAST[1]: "accepted",
        LAST[2]: "accepted"}
    assert on(run, "back") == [CANARY, LAST[0]]
    assert record["hosts"][SECOND]["blockers"][0]["comm"] == "nginx"


def test_the_budget_counts_over_all_waves_and_an_unreachable_host_is_a_failed_one(rollout):
    ways = {CANARY: {"load": "failed"}, THIRD: {"look": "unreachable"}, LAST[0]: {"load": "unreachable"}}
    run = rollout(ways, livepatch_failure_budget="34%")
    record = run.run()
    assert record["options"]["budget"] == {"asked": "34%", "hosts": 2}
    assert waves(record) == ["passed", "passed", "failed"]
    assert states(record)[LAST[0]] == "reverting" and record["hosts"][LAST[0]]["trial_ends"]
    assert states(record)[LAST[1]] == "rolled_back"


def test_a_whole_wave_that_is_unreachable_stops_the_rollout(rollout):
    run = rollout({SECOND: {"load": "unreachable"}, THIRD: {"load": "unreachable"}})
    record = run.run()
    assert waves(record) == ["passed", "failed", "skipped"]
    assert states(record)[SECOND] == states(record)[THIRD] == "reverting"
    assert on(run, "load") == [CANARY, SECOND, THIRD]


def test_hosts_that_ansible_drops_from_its_batch_are_judged_all_the_same(rollout):
    run = rollout()
    run.drops = {CANARY, SECOND}
    record = run.run()
    assert (waves(record), record["ok"], set(on(run, "load"))) == (["failed", "skipped", "skipped"], False, {CANARY})
    assert states(record)[CANARY] == "rolled_back" and CANARY in run.ended["problems"]


@pytest.mark.parametrize(("action", "state"), [("rollback_wave", "rolled_back"), ("hold", "on_trial")])
@pytest.mark.parametrize(("phase", "words"), [("look.yml", "on trial"), ("accept.yml", "patched and healthy")])
def test_after_a_wave_that_something_else_has_ended_no_other_begins(rollout, phase, words, action, state):
    run = rollout(livepatch_on_breach=action)
    run.ends_before = {phase}
    record = run.run()
    assert (record["outcome"], record["ok"], on(run, "load")) == ("stopped", False, [CANARY])
    assert (states(record)[CANARY], record["breach"]["wave"]) == (state, 1)
    assert "the wave ended before its gate" in run.ended["verdict"] and CANARY in run.ended["problems"]
    assert f"wave 1 of 3 failed: 1 {words}; {record['breach']['why']}" in run.said


def test_the_last_wave_can_be_left_open_too(rollout):
    run = rollout(livepatch_waves="100%")
    run.ends_before = {"accept.yml"}
    record = run.run()
    assert (record["outcome"], set(states(record).values())) == ("stopped", {"rolled_back"})


def test_one_fails_while_another_is_cut_off_in_the_same_task(rollout):
    run = rollout({SECOND: {"load": "failed"}, THIRD: {"load": "unreachable"}})
    assert waves(run.run()) == ["passed", "failed", "skipped"]


def test_a_host_that_cannot_be_rolled_back_is_told_to_revert_automatically(rollout):
    record = rollout({CANARY: {"look": "ill", "back": "unreachable"}}).run()
    assert states(record)[CANARY] == "reverting"


def test_what_was_accepted_and_cannot_be_rolled_back_is_in_an_unknown_state(rollout):
    record = rollout(
        {CANARY: {"back": "failed"}, SECOND: {"look": "ill"}}, livepatch_on_breach="rollback_all").run()
    assert (states(record)[CANARY], record["hosts"][CANARY]["failure"]["step"]) == ("unknown", "back")


def test_a_transition_that_goes_on_is_waited_for_and_said_who_holds_it(rollout):
    run = rollout({CANARY: {"load": "waiting", "look": ["waiting", "ok"]}})
    assert run.run()["ok"]
    assert [step for step, host in run.calls if host == CANARY] == ["check", "load", "look", "look", "keep"]
    assert f"wave 1 of 3: 100 s left: 1 waiting ({CANARY} for nginx 8)" in run.said


@pytest.mark.parametrize("others", [{}, {"livepatch_waves": "100%"}])
def test_a_transition_that_begins_anew_in_the_soak_and_goes_on_is_a_failure(rollout, others):
    run = rollout({CANARY: {"look": "waiting"}}, livepatch_failure_budget=1, **others)
    record = run.run()
    assert record["hosts"][CANARY]["failure"]["code"] == "transition-unfinished"
    assert (states(record)[CANARY], record["failures"], CANARY in on(run, "keep")) == ("rolled_back", 1, False)


def test_a_transition_that_goes_on_when_the_time_is_over_is_a_failure(rollout):
    run = rollout({CANARY: {"load": "waiting", "look": "waiting"}}, livepatch_looks=0)
    record = run.run()
    assert record["hosts"][CANARY]["failure"]["code"] == "transition-unfinished"
    assert states(record)[CANARY] == "rolled_back"


@pytest.mark.parametrize("how", ["unreachable", "blocked", "unchecked", "no_result", "nonsense"])
def test_a_host_that_fails_before_the_rollout_counts_and_is_in_no_wave(rollout, how):
    run = rollout({SECOND: {"check": how}})
    record = run.run()
    assert (waves(record), record["breach"]["wave"], on(run, "load")) == (["skipped"] * 3, 0, [])
    record = rollout({SECOND: {"check": how}}, livepatch_failure_budget=1).run()
    assert (waves(record), states(record)[SECOND], record["ok"]) == (["passed"] * 3, "unchanged", False)


def blocked(*codes, state="absent"):
    return {"check": checked(state, compatible=False, findings=[finding(code) for code in codes])}


def test_hosts_are_patched_in_spite_of_blockers_that_are_to_be_ignored(rollout):
    ignored = ["quarantined", "vermagic-mismatch"]
    run = rollout({CANARY: blocked(*ignored), LAST[0]: blocked("quarantined")}, livepatch_ignore_findings=ignored)
    record = run.run()
    assert (record["ok"], sorted(on(run, "load"))) == (True, SIX)
    run = rollout({CANARY: blocked("quarantined", "vermagic-mismatch")}, livepatch_ignore_findings="quarantined")
    record = run.run()
    assert (on(run, "load"), record["hosts"][CANARY]["failure"]) == (
        [], {"code": "vermagic-mismatch", "message": "This is vermagic-mismatch.", "step": "check"})


def test_a_blocker_that_the_record_has_no_room_for_is_one_all_the_same(rollout):
    many = blocked(*["quarantined"] * fields.MOST_FINDINGS, "wrong-release")
    run = rollout({CANARY: many}, livepatch_ignore_findings="quarantined")
    assert (run.run()["hosts"][CANARY]["failure"]["code"], on(run, "load")) == ("wrong-release", [])


def test_what_is_accepted_in_spite_of_a_blocker_that_is_ignored_is_left_as_it_is(rollout):
    ways = {CANARY: blocked("object-would-be-refused", state="accepted")}
    run = rollout(ways, livepatch_ignore_findings="object-would-be-refused")
    assert run.run()["ok"] and CANARY not in on(run, "load")


def test_hosts_without_a_build_are_counted_and_have_not_failed(rollout):
    run = rollout({"old1": {"check": "no_build", "kernel": "5.10.0-1-amd64"}})
    record = run.run()
    assert (record["ok"], states(record)["old1"], record["hosts"]["old1"]["wave"]) == (True, "no_build", None)
    assert "  without a build for its kernel, not a failure: old1" in run.said


def test_a_fleet_without_a_covered_host_is_no_failure(rollout):
    run = rollout({name: {"check": "no_build"} for name in SIX})
    record = run.run()
    assert (record["ok"], record["waves"], on(run, "load")) == (True, [], [])


def test_each_cohort_has_its_canary(rollout):
    record = rollout({LAST[1]: {"kernel": "6.12.1"}}).run()
    assert sorted(record["waves"][0]["hosts"]) == sorted([CANARY, LAST[1]])


def test_check_mode_plans_and_ends_there(rollout):
    run = rollout(check_mode=True)
    record = run.run()
    assert (record["outcome"], record["ok"], waves(record), on(run, "load")) == ("planned", True, ["pending"] * 3, [])
    assert set(states(record).values()) == {"pending"}


def test_a_second_run_goes_on_where_the_first_has_stopped(rollout):
    first = {CANARY: {"check": "accepted"}, SECOND: {"check": "accepted"}, THIRD: {"check": "trial"}}
    run = rollout(first)
    record = run.run()
    assert [wave["hosts"] for wave in record["waves"]] == [[CANARY], [SECOND, THIRD], LAST]
    assert on(run, "load") == [THIRD, *LAST] and record["ok"]
    assert record["waves"][0]["state"] == "passed"


def test_everything_accepted_already_is_nothing_to_do(rollout):
    run = rollout({name: {"check": "accepted"} for name in SIX})
    record = run.run()
    assert (record["ok"], on(run, "load"), waves(record)) == (True, [], ["passed"] * 3)


def test_short_of_accepting(rollout):
    record = rollout({CANARY: {"check": "enabled"}}, livepatch_state="enabled").run()
    assert (set(states(record).values()), record["ok"]) == ({"enabled"}, True)


def test_named_groups_are_waves(rollout):
    groups = {"staging": ["web5", "web3", "gone"]}
    record = rollout(groups=groups, livepatch_waves=["group staging", "100%"]).run()
    assert sorted(record["waves"][0]["hosts"]) == ["web3", "web5"]


@pytest.mark.parametrize(("answer", "state"), [(True, "passed"), (False, "waits"), (None, "waits")])
def test_a_wave_that_waits_for_approval(rollout, monkeypatch, answer, state):
    asked = []
    monkeypatch.setattr(steps, "ask", lambda question: asked.append(question) or answer)
    run = rollout(livepatch_approve="2")
    record = run.run()
    assert (waves(record)[1], len(asked), record["ok"]) == (state, 1, bool(answer))
    if not answer:
        assert (record["outcome"], on(run, "load"), waves(record)[2]) == ("stopped", [CANARY], "skipped")
        assert "livepatch_approved=2" in run.ended["verdict"]


def test_a_wave_that_is_approved_beforehand_asks_nobody(rollout, monkeypatch):
    monkeypatch.setattr(steps, "ask", pytest.fail)
    assert rollout(livepatch_approve="all", livepatch_approved="1, 2, 3").run()["ok"]


def test_each_host_for_itself(rollout):
    run = rollout({CANARY: {"look": "ill"}, SECOND: {"load": "unreachable"}}, alone=True)
    record = run.run()
    assert len(record["waves"]) == 1 and record["breach"] is None
    assert states(record)[CANARY] == "rolled_back" and states(record)[THIRD] == "accepted"
    assert sorted(run.ended["problems"]) == sorted([CANARY, SECOND])


def own_tasks(directory):
    (directory / "own.yml").write_text("- ansible.builtin.ping:\n")
    return str(directory / "own.yml")


def test_a_user_task_that_fails_is_a_failed_health_check(rollout, tmp_path):
    checks = [{"tasks": own_tasks(tmp_path)}]
    own = {CANARY: {"own": {"failed": True, "msg": "the service is down"}}}
    record = rollout(own, livepatch_health_checks=checks).run()
    assert record["hosts"][CANARY]["failure"] == {
        "code": "health-check-failed", "message": "Your tasks failed: the service is down", "step": "look"}


@pytest.mark.parametrize("done", [None, "of another run"])
def test_user_tasks_that_were_not_gone_through_are_a_failed_health_check(rollout, tmp_path, done):
    checks = [{"tasks": own_tasks(tmp_path)}]
    assert rollout(livepatch_health_checks=checks).run()["ok"]
    record = rollout({CANARY: {"own_done": done}}, livepatch_health_checks=checks).run()
    assert record["hosts"][CANARY]["failure"]["message"] == "Your tasks failed: Not all tasks of your files ran."


def test_a_wave_is_watched_for_its_time(rollout):
    run = rollout()
    begin = run.clock
    run.run()
    assert run.clock - begin == pytest.approx(300)
    assert [line for line in run.said if line.startswith("wave 3 of 3: ") and "left" in line] == [
        "wave 3 of 3: 100 s left: 3 on trial", "wave 3 of 3: 50 s left: 3 patched and healthy"]


@pytest.mark.parametrize("by", [-7200, 7200])
def test_a_clock_that_is_set_meanwhile_makes_no_soak_longer_or_shorter(rollout, monkeypatch, by):
    run = rollout()
    begin, slept = run.clock, run._sleep
    monkeypatch.setattr(run, "_sleep", lambda seconds: (slept(seconds), setattr(run, "set_by", by)))
    record = run.run()
    assert run.clock - begin == pytest.approx(300)
    assert [look["after"] for look in record["waves"][0]["looks"]] == [50, 100]


def test_options_that_differ_from_host_to_host_are_refused(rollout):
    run = rollout({SECOND: {"variables": {"livepatch_soak": 5}}, "other": {"variables": {"livepatch_sum": 7}}})
    with pytest.raises(TaskError, match=f"livepatch_soak is not set on web1 and 5 on {SECOND}. Set one value"):
        run.run()


def test_who_is_left_when_the_run_ends_is_said_before(rollout):
    run = rollout()
    record = run.run()
    assert (f"wave 1 of 3: on trial; if this run ends before they are accepted, the hosts revert automatically by "
            f"{utc_timestamp(run.clock - 300 + record['options']['trial'])}") in run.said


def test_a_host_that_was_not_asked_to_go_back_is_not_said_to_have_gone(rollout):
    run = rollout({CANARY: {"back": {}}, SECOND: {"look": "ill"}}, livepatch_on_breach="rollback_all")
    record = run.run()
    assert states(record)[CANARY] == "unknown" and CANARY in run.ended["problems"]


@pytest.mark.parametrize(("approve", "named"), [("7", "7"), ("1, 10%", "up to 10%"), ("3, 4", "4")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_an_approval_of_a_wave_that_the_plan_does_not_have_is_refused(rollout, approve, named, check_mode):
    run = rollout(livepatch_approve=approve, livepatch_waves="canary, 10%, 50%, 100%", check_mode=check_mode)
    with pytest.raises(TaskError) as caught:
        run.run()
    assert (caught.value.code, caught.value.message) == (
        "bad-option",
        f"livepatch_approve has '{named}' in it, which is no wave of this plan. Give numbers or names of its waves "
        "(1 (canary), 2 (up to 50%), 3 (up to 100%)), or all.")
    assert "  No wave up to 10%: the waves before it have as many hosts already." in run.said
    assert set(run.calls) == {("check", host) for host in SIX}


@pytest.mark.parametrize(("how", "ok"), [("no_build", True), ("unreachable", False)])
def test_where_nobody_is_patched_no_approval_is_refused(rollout, how, ok):
    run = rollout({name: {"check": how} for name in SIX}, livepatch_approve="2")
    assert (run.run()["ok"], run.said[-1].startswith("nothing is started")) == (ok, not ok)


def test_a_rollout_that_the_check_has_stopped_says_why_and_nothing_of_approvals(rollout):
    run = rollout({CANARY: {"check": "unreachable"}}, livepatch_approve="7")
    assert (run.run()["breach"]["failed"], "host-unreachable" in run.ended["verdict"]) == ([CANARY], True)


def test_an_approval_is_asked_for_beside_those_that_were_given(rollout, monkeypatch):
    monkeypatch.setattr(steps, "ask", lambda question: None)
    run = rollout(livepatch_approve="all", livepatch_approved="1")
    run.run()
    assert "run again with -e livepatch_approved=1,2" in run.ended["verdict"]


def test_steps_without_a_plan_say_what_to_use(tmp_path, rollout):
    run = rollout()
    with pytest.raises(TaskError, match="Use the playbook"):
        steps.STEPS["open"](run._call([CANARY]))


def test_each_wave_leaves_a_report_and_one_that_cannot_be_written_ends_no_rollout(rollout, tmp_path, monkeypatch):
    run = rollout(livepatch_report_dir=str(tmp_path / "reports"), livepatch_health_checks=[{"url": "http://u:pw@h/"}])
    run.run()
    report = next((tmp_path / "reports").glob("*.json")).read_text()
    assert [wave["state"] for wave in json.loads(report)["waves"]] == ["passed"] * 3 and "pw" not in report
    run = rollout(livepatch_report_dir=str(tmp_path / "gone"))
    monkeypatch.setattr(ending, "write_report", _no_space)
    assert run.run()["ok"]
    assert "no report for now: [Errno 28] No space left on device" in run.said


def _no_space(record, directory):
    raise OSError(28, "No space left on device")
