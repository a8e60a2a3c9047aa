# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts with limits, with waves that are too large, and with windows; the hosts are simulated, and the clock is."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import halt as halting
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import steps
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    ANSWERS,
    CANARY,
    LAST,
    SECOND,
    SIX,
    THIRD,
    checked,
)


def waves(record):
    return [wave["state"] for wave in record["waves"]]


def on(rollout, step):
    return [host for one, host in rollout.calls if one == step]


def racks(**of):
    """Two racks with three hosts each, or those that are said."""
    return {name: {"variables": {"rack": of.get(name, f"r{number % 2}")}} for number, name in enumerate(SIX)}


def one_rack(**of):
    return racks(**{**dict.fromkeys(SIX, "r1"), **of})


def test_waves_are_cut_by_limits_and_the_plan_says_where_and_why(rollout):
    run = rollout(racks(), livepatch_limits={"rack": 1})
    record = run.run()
    assert record["ok"] and [wave["hosts"] for wave in record["waves"]] == [
        ["web2"], ["web6", "web1"], ["web3", "web4"], ["web5"]]
    assert [wave["title"] for wave in record["waves"]][2:] == ["up to 100% part 1 of 2", "up to 100% part 2 of 2"]
    assert (
        "  The wave up to 100% is cut into 2 parts, waves 3 to 4: at most 1 of each rack at once (rack r0 has 2 hosts)."
        in run.said)
    assert "  wave 4 (up to 100% part 2 of 2), 1 host: web5" in run.said
    assert "wave 4 of 4 (up to 100% part 2 of 2), 1 host: web5" in run.said
    assert on(run, "load") == ["web2", "web6", "web1", "web3", "web4", "web5"]


def test_the_canaries_obey_the_limits_too(rollout):
    hosts = {**one_rack(), LAST[0]: {"variables": {"rack": "r1"}, "kernel": "6.12.1"}}
    record = rollout(hosts, livepatch_limits="rack: 1").run()
    assert [(wave["title"], len(wave["hosts"])) for wave in record["waves"][:2]] == [
        ("canary part 1 of 2", 1), ("canary part 2 of 2", 1)]


def test_hosts_that_are_done_keep_their_parts(rollout):
    hosts = one_rack()
    whole = rollout(hosts, livepatch_limits="rack: 1").run()
    done = {CANARY: dict(hosts[CANARY], check="accepted"), THIRD: dict(hosts[THIRD], check="accepted")}
    run = rollout({**hosts, **done}, livepatch_limits="rack: 1")
    record = run.run()
    assert [wave["hosts"] for wave in record["waves"]] == [wave["hosts"] for wave in whole["waves"]]
    assert record["ok"] and THIRD not in on(run, "load")


def test_hosts_without_a_domain_or_a_build(rollout):
    hosts = {**racks(), CANARY: {"variables": {}}, SECOND: {"check": "no_build", "variables": {}}}
    with pytest.raises(TaskError, match=rf"1 of 5 hosts have no such variable \({CANARY}\)"):
        rollout(hosts, livepatch_limits="rack: 1").run()
    assert rollout(hosts, livepatch_limits="rack: 1", livepatch_without_domain="one_domain").run()["ok"]


def test_waves_are_cut_for_the_longest_trial_and_the_plan_says_so(rollout):
    # Five hosts at a time: each batch takes 210 s, and a wave 220 s more.
    run = rollout(livepatch_waves="100%", livepatch_longest_trial=430)
    assert [len(wave["hosts"]) for wave in run.run()["waves"]] == [5, 1]
    assert (
        "  The wave up to 100% is cut into 2 parts, waves 1 to 2: at most 5 hosts at once, for the longest trial."
        in run.said)
    assert "on trial for 430 s" in "".join(run.said)


def test_a_longer_trial_that_is_asked_for_cuts_no_wave_that_it_covers(rollout):
    run = rollout(livepatch_waves="100%", livepatch_longest_trial=430, livepatch_trial=640)
    record = run.run()
    assert (len(record["waves"]), record["options"]["trial"], record["trial_raised"]) == (1, 640, False)


def test_a_longest_trial_that_no_wave_has_is_refused_before_a_host_is_asked(rollout):
    run = rollout(livepatch_longest_trial=429)
    with pytest.raises(TaskError, match="livepatch_longest_trial is 429 seconds, and every wave needs a trial of 430"):
        run.run()
    assert run.calls == []


def test_a_lost_host_of_a_domain_holds_the_next_wave_up_until_its_trial_ends(rollout):
    ways = {**one_rack(), SECOND: {"variables": {"rack": "r1"}, "look": "unreachable", "back": "unreachable"}}
    run = rollout(ways, livepatch_limits={"rack": 1}, livepatch_failure_budget=1)
    record = run.run()
    loads = [wave["loaded"] for wave in record["waves"]]
    assert record["hosts"][SECOND]["state"] == "reverting" and record["outcome"] == "complete"
    ends = record["hosts"][SECOND]["trial_ends"]
    assert loads[1] < ends <= loads[2]
    assert (f"wave 3 of 6 waits: {SECOND} of rack r1 may still be on trial until {ends}, and the limit is 1"
            in run.said)


def test_a_lost_host_of_another_domain_holds_no_wave_up(rollout):
    ways = {**one_rack(), SECOND: {"variables": {"rack": "r2"}, "look": "unreachable", "back": "unreachable"}}
    run = rollout(ways, livepatch_limits={"rack": 1}, livepatch_failure_budget=1)
    assert run.run()["outcome"] == "complete" and not any("of 6 waits: " in line for line in run.said)


@pytest.mark.parametrize("how", ["failed", "unreachable"])
def test_a_host_of_which_the_acceptance_is_unknown_counts_for_its_whole_trial(rollout, how):
    ways = {**one_rack(), CANARY: {"variables": {"rack": "r1"}, "keep": how, "back": how}}
    run = rollout(ways, livepatch_limits={"rack": 1}, livepatch_failure_budget=1)
    run.run()
    assert [f"{CANARY} of rack r1 may still be on trial" in line for line in run.said if "of 6 waits: " in line] == [
        True]


def earlier(name, seconds, **more):
    return {name: {"variables": {"rack": "r1"}, "check": checked(
        "enabled", trial={"name": "fix", "seconds_left": seconds}), **more}}


def test_a_host_on_trial_from_before_counts_until_its_own_wave(rollout):
    hosts = {**one_rack(), **earlier(LAST[0], 500)}
    run = rollout(hosts, livepatch_limits={"rack": 1})
    begin = run.clock
    record = run.run()
    assert record["ok"] and sum("of 6 waits: " in line for line in run.said) == 1
    assert (f"  Wave 1 waits: {LAST[0]} of rack r1 may still be on trial until {utc_timestamp(begin + 500)}, and the "
            "limit is 1." in run.said)
    assert record["waves"][0]["opened"] == utc_timestamp(begin + 500)
    # One in the first wave is no other host.
    run = rollout({**one_rack(), **earlier(CANARY, 500)}, livepatch_limits={"rack": 1})
    assert run.run()["ok"] and not any("of 6 waits: " in line for line in run.said)


@pytest.mark.parametrize("how", ["no_build", "blocked"])
def test_a_host_on_trial_that_is_in_no_wave_counts_too(rollout, how):
    other = dict(ANSWERS["check"][how], trial={"name": "other", "seconds_left": 300})
    run = rollout({
        **one_rack(), "old1": {"variables": {"rack": "r1"}, "check": other}},
        livepatch_limits={"rack": 1}, livepatch_failure_budget=1)
    run.run()
    assert ["old1 of rack r1 may still be on trial" in line for line in run.said].count(True) == 2  # and in the plan


def test_a_trial_that_is_not_of_a_rollout_ends_the_run(rollout):
    hosts = {**one_rack(), **earlier(LAST[0], 90_000)}
    run = rollout(hosts, livepatch_limits={"rack": 1})
    record = run.run()
    assert (record["outcome"], on(run, "load"), waves(record)[0]) == ("stopped", [], "waits")
    assert run.ended["verdict"] == (
        "wave 1 of 6 (canary) waits: web3 of rack r1 may still be on trial until 2026-09-22T15:13:20Z, and the limit "
        "is 1. Run again then.")


def test_all_at_once_is_refused_where_a_limit_allows_less(rollout):
    sentence = r"livepatch_limits allows less: 1 of each rack at once \(rack r0 has 3"
    with pytest.raises(TaskError, match=sentence) as caught:
        rollout(racks(), livepatch_limits={"rack": 1}, alone=True).run()
    assert caught.value.code == "limit-exceeded"
    assert rollout(racks(), livepatch_limits={"rack": 3}, alone=True).run()["ok"]


def approvals(rollout, monkeypatch, answers=(), **more):
    asked, answers = [], list(answers)
    monkeypatch.setattr(steps, "ask", lambda question: asked.append(question.split(",")[0]) or (
        answers.pop(0) if answers else True))
    hosts = more.pop("hosts", one_rack())
    record = rollout(hosts, livepatch_limits="rack: 1", **more).run()
    return [question.split(" (")[0] for question in asked], record


@pytest.mark.parametrize(("approve", "approved", "asked"), [
    # Six waves: canary, two parts up to 50%, three up to 100%.
    ("all", "", [1, 2, 4]), ("50%", "", [2]), ("up to 100%, canary", "", [1, 4]), ("5", "", [5]), ("4, 5", "", [4, 5]),
    ("100% part 3", "", [6]), ("up to 100% part 2 of 3", "", [5]), ("all, 5", "", [1, 2, 4, 5]),
    ("all", "50%, 1", [4]), ("all", "100%", [1, 2]), ("all", "all", []), ("50%", "2", []), ("5, 6", "100%", []),
    ("all", "100% part 1", [1, 2])])
def test_an_approval_by_name_is_for_all_parts_and_one_by_number_for_one(
        rollout, monkeypatch, approve, approved, asked):
    found, record = approvals(rollout, monkeypatch, livepatch_approve=approve, livepatch_approved=approved)
    assert (found, record["ok"]) == ([f"wave {number} of 6" for number in asked], True)


def test_the_parts_that_are_left_need_the_approval_again(rollout, monkeypatch):
    hosts = one_rack()
    for name in (CANARY, SECOND):
        hosts[name] = dict(hosts[name], check="accepted")
    found, _record = approvals(rollout, monkeypatch, livepatch_approve="all", hosts=hosts)
    assert found == ["wave 3 of 6", "wave 4 of 6"]


def test_a_part_that_the_plan_does_not_have_is_refused(rollout, monkeypatch):
    with pytest.raises(TaskError, match="'up to 100% part 4' in it, which is no wave of this plan"):
        approvals(rollout, monkeypatch, livepatch_approve="100% part 4")


def test_many_parts_are_few_lines(rollout):
    hosts = {f"db{number}": {"variables": {"rack": "r1"}} for number in range(9)}
    run = rollout({**one_rack(), **hosts}, livepatch_limits="rack: 1", livepatch_waves="1, 100%")
    record = run.run()
    assert len(record["waves"]) == 15
    assert "  waves 5 to 15 (up to 100%): 11 hosts" in run.said
    assert "waves 2 to 15 (up to 100%): passed: 14 accepted" in record["lines"]
    assert "up to 100% part 4" not in " ".join(run.said).partition("wave 1 of 15")[0]


# The simulated clock begins at 14:13:20 on a Monday, in UTC, and each wave takes 100 s.
BEGIN = "2026-09-21T14:13:20Z"


def test_a_rollout_ends_when_it_comes_out_of_its_window_and_goes_on_in_the_next_one(rollout):
    run = rollout(livepatch_window={"hours": "14:00-14:16"})
    record = run.run()
    assert (record["started"], waves(record), record["outcome"], record["ok"]) == (
        BEGIN, ["passed", "passed", "waits"], "stopped", False)
    assert on(run, "load") == [CANARY, SECOND, THIRD] and not record["failures"]
    assert run.ended["verdict"] == (
        "wave 3 of 3 (up to 100%) waits: livepatch_window is closed (14:00-14:16 UTC) until 2026-09-22T14:00:00Z. Run "
        "again then.")
    assert record["lines"][2] == "wave 3 (up to 100%): waits for the window: 3 not patched"
    assert run.ended["problems"] == {}
    again = rollout({host: {"check": "accepted"} for host in on(run, "load")}, livepatch_window="hours: 14:00-15:00")
    assert again.run()["ok"] and sorted(on(again, "load")) == sorted(LAST)


def test_a_wave_that_has_begun_is_finished_and_the_plan_warns(rollout):
    run = rollout(livepatch_waves="100%", livepatch_window="hours: 14:00-14:14")
    assert run.run()["ok"]
    assert "  Wave 1 ends after that at the earliest. A wave that has started is finished." in run.said


@pytest.mark.parametrize("check_mode", [False, True])
def test_outside_of_its_window_a_rollout_shows_its_plan_and_starts_no_wave(rollout, check_mode):
    run = rollout(livepatch_window={"days": "tue", "freezes": "2026-09-22"}, check_mode=check_mode)
    record = run.run()
    assert on(run, "load") == [] and "  wave 2 (up to 50%), 2 hosts: web6, web1" in run.said
    assert "  No wave starts now: livepatch_window is closed (tue UTC) until 2026-09-29T00:00:00Z." in run.said
    assert (record["outcome"], record["ok"]) == (("planned", True) if check_mode else ("stopped", False))
    assert ("waits: livepatch_window" in str(run.ended["verdict"])) is not check_mode


def test_a_rollout_with_nothing_to_do_needs_no_window(rollout):
    run = rollout({name: {"check": "accepted"} for name in SIX}, livepatch_window="days: tue")
    assert run.run()["ok"] and not any("window" in line for line in run.said)


def test_a_window_that_closes_while_a_person_is_asked_is_closed(rollout, monkeypatch):
    run = rollout(livepatch_approve="1", livepatch_window="hours: 14:00-15:00")

    def answer(_question):
        run.clock += 3600
        return True
    monkeypatch.setattr(steps, "ask", answer)
    record = run.run()
    assert (on(run, "load"), "livepatch_window is closed" in run.ended["verdict"]) == ([], True)
    assert "approval" not in record["lines"][0]


def test_in_a_closed_window_nobody_is_asked(rollout, monkeypatch):
    monkeypatch.setattr(steps, "ask", pytest.fail)
    rollout(livepatch_approve="1", livepatch_window="days: tue").run()


def test_all_at_once_obeys_the_window_too(rollout):
    hosts = {CANARY: {"check": "accepted"}}
    run = rollout(hosts, livepatch_window="days: tue", alone=True)
    record = run.run()
    assert (on(run, "load"), record["ok"], record["hosts"][CANARY]["state"]) == ([], False, "accepted")
    assert run.ended["problems"] == dict.fromkeys(
        sorted({*SIX} - {CANARY}),
        "outside-window: livepatch_window is closed (tue UTC) until 2026-09-22T00:00:00Z. Run again then. This host is "
        "unchanged.")
    assert rollout(hosts, livepatch_window="days: mon", alone=True).run()["ok"]
    assert rollout(hosts, livepatch_window="days: tue", alone=True, check_mode=True).run()["ok"]


@pytest.fixture
def halt(tmp_path):
    return tmp_path / "halt"


def test_a_halt_in_the_middle_lets_the_wave_end_and_starts_no_other(rollout, halt):
    run = rollout(livepatch_halt_file=str(halt))
    accept = run._ask

    def ask(host, step):
        if (host, step) == (SECOND, "keep"):
            halt.write_text("alerts of the shop\nmore")
        accept(host, step)
    run._ask = ask
    record = run.run()
    assert (waves(record), record["outcome"], record["ok"]) == (["passed", "passed", "waits"], "stopped", False)
    assert sorted(on(run, "load")) == sorted([CANARY, SECOND, THIRD]) and not on(run, "back")
    assert run.ended["verdict"] == (
        f"wave 3 of 3 (up to 100%) waits: the halt file {halt} exists (alerts of the shop). Remove it and run again.")
    assert record["lines"][2] == "wave 3 (up to 100%): waits for the end of the halt: 3 not patched"
    halt.unlink()
    hosts = {host: {"check": "accepted"} for host in on(run, "load")}
    assert rollout(hosts, livepatch_halt_file=str(halt)).run()["ok"]


@pytest.mark.parametrize("make", [
    lambda path: path.touch(), lambda path: path.mkdir(), lambda path: path.symlink_to("nothing"),
    lambda path: path.write_bytes(b"\xff\x1b[31m")])
def test_a_halt_file_of_any_kind_stops_the_first_wave_and_the_plan_says_it(rollout, halt, make):
    make(halt)
    run = rollout(livepatch_halt_file=str(halt))
    record = run.run()
    assert (on(run, "load"), record["waves"][0]["waits_for"], record["ok"]) == ([], "halt", False)
    assert any(line.startswith(f"  No wave starts now: the halt file {halt} exists") for line in run.said)
    assert all(line.isprintable() for line in run.said)


def test_a_halt_file_that_cannot_be_looked_at_stops_too(rollout, halt, monkeypatch):
    run = rollout(livepatch_halt_file=str(halt))

    def stale(_path):
        raise OSError(116, "Stale file handle")
    monkeypatch.setattr(halting.os, "lstat", stale)
    assert not run.run()["ok"]
    assert f"the halt file {halt} cannot be looked at (Stale file handle)" in run.ended["verdict"]


def test_a_halt_while_a_person_is_asked_stops_the_wave(rollout, halt, monkeypatch):
    run = rollout(livepatch_approve="1", livepatch_halt_file=str(halt))

    def answer(_question):
        halt.touch()
        return True
    monkeypatch.setattr(steps, "ask", answer)
    assert (run.run()["waves"][0]["waits_for"], on(run, "load")) == ("halt", [])


def test_a_halt_file_in_no_directory_is_refused(rollout, tmp_path):
    with pytest.raises(TaskError) as caught:
        rollout(livepatch_halt_file=str(tmp_path / "misspelled" / "halt")).run()
    assert caught.value.code == "bad-option" and "livepatch_halt_file" in caught.value.message


def test_all_at_once_has_no_halt_file(rollout, halt):
    halt.touch()
    assert rollout(livepatch_halt_file=str(halt), alone=True).run()["ok"]
