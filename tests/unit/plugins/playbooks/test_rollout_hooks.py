# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""livepatch_before and livepatch_after at each end of a change, run by ansible-playbook; the hosts are simulated."""

from __future__ import annotations

import json

import pytest

FAIL = "- name: Fail\n  ansible.builtin.fail: {msg: no way}\n"
# In the order of digests of these names, of which the first is the canary.
CANARY, SECOND, THIRD, *LAST = FIVE = ["web2", "web1", "web3", "web4", "web5"]
# Each line of hooks.txt is a hook that a host has run to its end, with the outcome of its change.
NOTE = """
- name: Note the {kind}
  ansible.builtin.debug:
    # No module, which would take a second for each host.
    msg: >-
      {{{{ lookup('ansible.builtin.pipe', 'echo ' ~ (livepatch_outcome | default('') | string | quote)
                  ~ ' >>{path}/{kind}.' ~ inventory_hostname) }}}}
"""


@pytest.fixture
def hooked(rollout, tmp_path):
    """hooked(hosts, before=, after=, **variables): the end of a rollout with both hooks, each with tasks before."""
    def run(hosts=None, *flags, before="", after="", **more):
        for kind, tasks in (("before", before), ("after", after)):
            (tmp_path / f"{kind}.yml").write_text(tasks + NOTE.format(kind=kind, path=tmp_path))
        variables = {"livepatch_before": "before.yml", "livepatch_after": "after.yml", **more}
        return rollout(hosts or FIVE, *flags, **variables)
    return run


@pytest.fixture
def ran(tmp_path):
    """ran(kind): the outcomes, by host, that the hook has seen."""
    def of(kind):
        outcomes = {file.suffix[1:]: file.read_text().splitlines() for file in tmp_path.glob(f"{kind}.web*")}
        return {host: [seen(line) for line in lines] for host, lines in outcomes.items()}
    return of


def seen(line):
    """The state of an outcome, and the code of its failure."""
    outcome = json.loads(line.replace("'", '"').replace("None", "null")) if line else {"state": None, "failure": None}
    return outcome["state"], outcome["failure"] and outcome["failure"]["code"]


@pytest.fixture
def marks(tmp_path):
    """marks(): the hosts whose livepatch_after is due."""
    return lambda: sorted(file.name for file in (tmp_path / "marks").glob("*"))


def codes(run):
    hosts = run.stats["livepatch_rollout"]["hosts"]
    return {name: host["failure"] for name, host in hosts.items() if host["failure"]}


def on(host, tasks):
    """These tasks on one host only."""
    return f"{tasks}  when: inventory_hostname == '{host}'\n"


@pytest.mark.parametrize("playbook", ["rollout", "apply"])
def test_each_host_of_a_clean_rollout_has_both_and_no_mark_is_left(hooked, ran, runs, marks, calls, playbook):
    run = hooked(playbook=f"kernel.livepatch.{playbook}",
                 **({"livepatch_waves": None} if playbook == "apply" else {}))
    assert (run.code, runs()) == (0, dict.fromkeys(FIVE, "accepted")), run.output
    assert ran("before") == {name: [(None, None)] for name in FIVE}
    assert ran("after") == {name: [("accepted", None)] for name in FIVE}
    assert (marks(), len(calls("begin")), len(calls("end"))) == ([], 5, 5)


def test_before_is_over_on_the_whole_wave_when_its_load_begins(hooked, tmp_path):
    hooked(FIVE, livepatch_waves="100%")
    steps = [json.loads(line)["step"] for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [step for step in steps if step in ("begin", "load", "keep", "end")] == [
        *["begin"] * 5, *["load"] * 5, *["keep"] * 5, *["end"] * 5]


def test_the_host_is_held_for_the_run_while_before_runs(hooked, tmp_path):
    run = hooked(["web1"], livepatch_hook_timeout=100)
    begun = next(call for call in map(json.loads, (tmp_path / "calls.jsonl").read_text().splitlines())
                 if call["step"] == "begin")
    assert json.loads(begun["args"]["via_controller"].replace("'", '"')) == {
        "run": run.stats["livepatch_rollout"]["id"]}
    assert int(begun["args"]["seconds"]) > 100


@pytest.mark.parametrize(("playbook", "take", "after"), [
    ("rollout", True, ""), ("apply", True, ""), ("rollout", False, ""), ("rollout", True, FAIL)])
def test_only_the_first_change_of_a_host_takes_its_lease(hooked, tmp_path, playbook, take, after):
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / THIRD).write_text("20261121T091500Z-aaaaaa")  # left by an earlier run
    run = hooked({THIRD: {}, CANARY: {"look": "ill"}}, playbook=f"kernel.livepatch.{playbook}", livepatch_waves=None,
                 after=on(CANARY, after) if after else "", livepatch_failure_budget=2, livepatch_take_lease=take)
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    takes = {name: [(call["step"], call["args"]["take_lease"]) for call in calls
                    if call["host"] == name and "take_lease" in call["args"]] for name in (THIRD, CANARY)}
    begin, load, back, end = ("begin", str(take)), ("load", "False"), ("back", "False"), ("end", "False")
    assert takes[CANARY] == [begin, load, back, *([] if after else [end])], run.output
    due = [("end", str(take))] if playbook == "rollout" else []
    assert takes[THIRD] == [*due, begin, load, end], run.output


def test_only_one_of_them_is_fine_too(hooked, ran, marks, calls):
    assert hooked(["web1"], livepatch_after="").code == 0
    assert (ran("before"), ran("after"), calls("begin"), marks()) == ({"web1": [(None, None)]}, {}, [], [])
    assert hooked(["web3"], livepatch_before="").code == 0
    assert (sorted(ran("before")), ran("after"), calls("begin"), marks()) == (
        ["web1"], {"web3": [("accepted", None)]}, ["web3"], [])


@pytest.mark.parametrize("flags", [["--check"], []])
def test_hosts_without_a_load_have_neither(hooked, ran, calls, flags):
    hosts = {"old1": {"check": "no_build"}, "web1": {"check": "accepted"}, "web3": {"check": "blocked"}}
    run = hooked({**hosts, **({"web4": {}} if flags else {})}, *flags, livepatch_failure_budget=1)
    assert (ran("before"), ran("after"), calls("begin"), calls("end")) == ({}, {}, [], []), run.output


def test_a_host_whose_before_fails_is_not_loaded_and_has_its_after(hooked, ran, runs, marks):
    run = hooked(before=on(SECOND, FAIL), livepatch_failure_budget=1)
    assert (run.code, runs()) == (2, {name: "accepted" for name in FIVE if name != SECOND}), run.output
    assert (codes(run), marks()) == ({SECOND: "before-failed"}, [])
    assert ran("after")[SECOND] == [("unchanged", "before-failed")] and len(ran("after")) == 5
    assert "livepatch_before failed, so the patch was not loaded. no way" in run.output


def test_before_that_fails_on_too_many_loads_no_host_of_the_wave(hooked, ran, calls, marks):
    run = hooked(before=FAIL)
    assert (run.code, calls("load"), calls("begin"), marks()) == (2, [], [CANARY], []), run.output
    assert ran("after") == {CANARY: [("unchanged", "before-failed")]}


@pytest.mark.parametrize("how", ["failed", "unreachable"])
def test_without_its_mark_a_host_has_neither(hooked, ran, runs, how):
    run = hooked({**{name: {} for name in FIVE}, SECOND: {"begin": how}}, livepatch_failure_budget=1)
    assert (run.code, SECOND in ran("before"), SECOND in ran("after"), SECOND in runs()) == (
        2, False, False, False), run.output
    assert codes(run) == {SECOND: {"failed": "host-leased", "unreachable": "host-unreachable"}[how]}
    assert len(ran("after")) == 4


ENDINGS = {
    "load failed": ({"load": "failed"}, "unchanged", "refused-by-kernel"),
    "load stalled": ({"load": "stalled"}, "unchanged", "transition-stalled"),
    "load unreachable": ({"load": "unreachable"}, "reverting", "host-unreachable"),
    "reverted": ({"keep": "reverted"}, "rolled_back", "watch-failed"),
    "not accepted": ({"keep": "failed"}, "rolled_back", "not-verified"),
    "lost and not rolled back": ({"look": "unreachable", "back": "unreachable"}, "reverting", "host-unreachable"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_ending_that_stops_a_rollout_has_its_after_with_its_outcome(hooked, ran, marks, ending):
    how, state, code = ENDINGS[ending]
    run = hooked({**{name: {} for name in FIVE}, SECOND: how})
    assert (run.code, marks(), codes(run)) == (2, [], {SECOND: code}), run.output
    assert ran("after")[SECOND] == [(state, code)]
    assert sorted(ran("after")) == sorted([CANARY, SECOND, THIRD])
    assert ran("after")[CANARY] == [("accepted", None)]


def test_within_the_budget_each_ending_has_its_after_with_its_outcome(hooked, ran, marks):
    ended = {f"web{number}": ending for number, ending in enumerate(ENDINGS.values(), 6)}
    hosts = {**{name: {} for name in FIVE}, **{name: how for name, (how, _state, _code) in ended.items()}}
    run = hooked(hosts, livepatch_waves="100%", livepatch_failure_budget=len(ended))
    assert (run.code, marks(), codes(run)) == (2, [], {name: code for name, (_how, _state, code) in ended.items()})
    assert ran("after") == {
        **{name: [("accepted", None)] for name in FIVE},
        **{name: [(state, code)] for name, (_how, state, code) in ended.items()}}, run.output


@pytest.mark.parametrize(("action", "others"), [
    ("rollback_wave", "rolled_back"), ("rollback_all", "rolled_back"), ("hold", "on_trial")])
def test_after_a_breach_it_runs_when_the_rollback_is_over(hooked, ran, marks, action, others):
    run = hooked({**{name: {} for name in FIVE}, SECOND: {"look": "ill"}}, livepatch_on_breach=action)
    assert (run.code, marks()) == (2, []), run.output
    assert ran("after")[THIRD] == [(others, None)] and ran("after")[CANARY] == [("accepted", None)]
    assert ran("after")[SECOND] == [("on_trial" if action == "hold" else "rolled_back", "watch-failed")]


def test_a_wave_that_ends_without_its_gate_has_its_after(hooked, ran, marks, tmp_path):
    (tmp_path / "own.yml").write_text("- ansible.builtin.meta: end_batch\n")
    run = hooked(livepatch_health_checks=[{"tasks": "own.yml"}])
    assert (run.code, marks(), ran("after")) == (2, [], {CANARY: [("rolled_back", None)]}), run.output


@pytest.mark.parametrize("kind", ["before", "after"])
def test_a_hook_that_ends_the_wave_ends_the_rollout_too(hooked, calls, runs, kind):
    run = hooked(**{kind: "- ansible.builtin.meta: end_batch\n"})
    assert (run.code, calls("begin")) == (2, [CANARY]), run.output
    assert runs() == ({CANARY: "accepted"} if kind == "after" else {})
    assert codes(run) == {CANARY: f"{kind}-failed"}
    assert "Not all of its tasks ran." in run.output


def test_an_after_that_fails_is_reported_stops_no_other_and_rolls_back_no_host(hooked, ran, runs, marks, calls):
    run = hooked(after=on(SECOND, FAIL))
    assert (run.code, runs(), calls("back")) == (2, dict.fromkeys([CANARY, SECOND, THIRD], "accepted"), []), run.output
    assert (codes(run), marks(), sorted(ran("after"))) == (
        {SECOND: "after-failed"}, [SECOND], sorted([CANARY, THIRD]))
    assert f"livepatch_after is still due, run the rollout again: {SECOND}" in run.output
    assert "livepatch_after failed, and is still due on this host. no way" in run.output


def test_a_host_that_is_lost_before_its_mark_is_removed_is_reported(hooked, ran, marks):
    run = hooked({**{name: {} for name in FIVE}, SECOND: {"end": "unreachable"}}, livepatch_failure_budget=1)
    assert (run.code, codes(run), marks()) == (2, {SECOND: "after-failed"}, [SECOND]), run.output
    assert len(ran("after")) == 5  # on another host, its tasks run nevertheless


def test_the_next_run_begins_with_the_after_of_one_that_died(hooked, ran, runs, marks, tmp_path, calls):
    (tmp_path / "marks").mkdir()
    for host in (THIRD, LAST[0]):
        (tmp_path / "marks" / host).write_text("20261121T091500Z-aaaaaa")
    hosts = {**{name: {} for name in FIVE}, LAST[0]: {"check": "accepted"}}
    run = hooked(hosts)
    assert (run.code, marks()) == (0, []), run.output
    assert ran("after")[THIRD] == [("unfinished", None), ("accepted", None)]
    assert ran("after")[LAST[0]] == [("unfinished", None)] and LAST[0] not in ran("before")
    assert sorted(calls("end")[:2]) == sorted([THIRD, LAST[0]])
    assert f"livepatch_after runs on {THIRD}, {LAST[0]} first, because an earlier run did not" in run.output


def test_apply_ends_with_the_after_of_a_run_that_died(hooked, ran, marks, tmp_path):
    (tmp_path / "marks").mkdir()
    for host in (SECOND, THIRD):
        (tmp_path / "marks" / host).write_text("20261121T091500Z-aaaaaa")
    run = hooked({SECOND: {"check": "accepted"}, THIRD: {}}, playbook="kernel.livepatch.apply", livepatch_waves=None)
    assert (run.code, marks()) == (0, []), run.output
    assert ran("after") == {SECOND: [("unfinished", None)], THIRD: [("accepted", None)]}


@pytest.mark.parametrize("flags", [["--check"], []])
def test_without_an_after_the_next_run_only_tells_of_it(hooked, ran, marks, tmp_path, flags):
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / THIRD).write_text("20261121T091500Z-aaaaaa")
    run = hooked(FIVE, *flags, livepatch_before="", **({} if flags else {"livepatch_after": ""}))
    assert (run.code, marks(), ran("after")) == (0, [THIRD], {}), run.output
    assert ("livepatch_after would run on" if flags else "is still due on") in run.output


def test_an_after_of_an_earlier_run_that_fails_starts_nothing(hooked, calls, runs, tmp_path):
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / THIRD).write_text("20261121T091500Z-aaaaaa")
    run = hooked(after=FAIL)
    assert (run.code, runs(), calls("begin"), codes(run)) == (2, {}, [], {THIRD: "after-failed"}), run.output
    run = hooked(after=on(THIRD, FAIL), livepatch_failure_budget=1)
    assert THIRD not in runs() and len(runs()) == 4, run.output


@pytest.mark.parametrize(("variables", "words"), [
    ({"livepatch_before": "nowhere.yml"}, "livepatch_before has 'nowhere.yml', which is no file"),
    ({"livepatch_hook_timeout": "soon"}, "livepatch_hook_timeout is 'soon'"),
])
def test_a_wrong_hook_is_one_error_before_any_host_is_asked(hooked, tmp_path, variables, words):
    run = hooked(**variables)
    assert (run.code, words in run.output) == (2, True), run.output
    assert not (tmp_path / "calls.jsonl").exists()


def test_a_file_that_is_no_list_of_tasks_is_named_with_its_variable(hooked, tmp_path):
    (tmp_path / "no.yml").write_text("a: task\n")
    run = hooked(livepatch_after="no.yml")
    assert (run.code, "livepatch_after has" in run.output) == (2, True), run.output
