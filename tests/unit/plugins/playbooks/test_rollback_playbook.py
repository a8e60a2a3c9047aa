# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollback, run by ansible-playbook on this ansible-core; the hosts' answers are simulated."""

from __future__ import annotations

import json
import re

import pytest
import yaml

NOTHING = {"failed": True, "code": "nothing-enabled", "msg": "No live patch is enabled.", "patches": [], "findings": [
    {"code": "nothing-enabled", "level": "blocker", "subject": "6.1", "message": "No live patch is enabled."}]}
NO_PREVIOUS = {"failed": True, "code": "no-previous", "msg": "The journal has no change."}
STALLED = {"failed": True, "code": "transition-stalled", "msg": "The transition of new stalled and was turned round."}


def went(out, back, target, *findings, changed=True):
    """What patch_rollback returns for a host, as far as the summary reads it."""
    return {
        "changed": changed, "transaction": "t1" if changed else None, "target": target, "findings": list(findings),
        "removed": [{"name": name} for name in out], "restored": [{"name": name} for name in back]}


def proof(*names):
    """What patch_verify returns for a host that runs these patches."""
    return {"patches": list(names), "verified": True, "findings": []}


def host(rollback, verify=None):
    return {"patch_rollback": rollback, "patch_verify": verify}


LEFT = went(["new"], [], ["old"], {
    "code": "transition-unfinished", "level": "warning", "subject": "new", "message": "It is still running."})
BACK = host(went(["new"], ["old"], ["old"]), proof("old"))
OUT = host(went(["new"], [], []), NOTHING)
SAME = host(went([], [], ["old"], changed=False), proof("old"))
NEVER = host(NO_PREVIOUS, NOTHING)
ALL = {
    "back": BACK, "out": OUT, "same": SAME, "never": NEVER, "going": host(LEFT), "stalled": host(STALLED),
    "foreign": host(NO_PREVIOUS, proof("other")), "gone": host("unreachable"),
    "late": host(went(["new"], [], []), "unreachable"),
}


@pytest.fixture
def rollback(play):
    """Run the playbook: rollback({host: answers}, variables={...}); `playbook` takes its place where it is given."""
    def run(answers, *flags, playbook="kernel.livepatch.rollback", **options):
        return play(playbook, answers, *flags, **options)
    return run


def test_every_kind_of_host_is_in_the_summary_and_those_that_are_not_back_fail(rollback):
    run = rollback(ALL)
    assert run.lines == [
        "rolled back: back: new removed, old restored; old is enabled now",
        "rolled back: out: new removed; no live patch is enabled now",
        "unchanged: same: old is enabled",
        "unchanged: never: no live patch is enabled",
        "in transition: going: transition-unfinished: It is still running.",
        "failed: stalled: transition-stalled: The transition of new stalled and was turned round.",
        "failed: foreign: no-previous: The journal has no change.",
        "unreachable: gone, late: Connection refused",
        "9 hosts: 2 rolled back, 2 unchanged, 1 in transition, 2 failed, 2 unreachable",
    ]
    assert (run.code, sorted(run.failed)) == (2, ["foreign", "going", "gone", "late", "stalled"])


def test_the_exit_code_is_zero_where_every_host_is_where_it_should_be(rollback):
    run = rollback({"back": BACK, "out": OUT, "same": SAME, "never": NEVER})
    assert (run.code, run.failed, run.lines[-1]) == (0, [], "4 hosts: 2 rolled back, 2 unchanged")


@pytest.mark.parametrize("bad", ["going", "stalled", "foreign", "gone", "late"])
def test_one_host_that_is_not_is_enough_for_a_failure_and_stops_no_other(rollback, bad):
    run = rollback({bad: ALL[bad], "back": BACK})
    assert (run.code, run.failed) == (2, [bad])
    assert run.lines[-1].startswith("2 hosts: 1 rolled back, 1 ")


@pytest.mark.parametrize(("verify", "why"), [
    (proof("new"), "stack-differs: After the rollback, other patches are enabled (new)"),
    (NOTHING, "stack-differs: After the rollback, other patches are enabled (none)"),
    ({"failed": True, "code": "other-build", "msg": "Another build.", "patches": ["old"], "findings": [
        {"code": "other-build", "level": "blocker", "subject": "old", "message": "Another build."}]},
     "other-build: Another build."),
])
def test_a_host_that_does_not_run_what_was_to_be_reached_fails(rollback, verify, why):
    run = rollback({"a": host(BACK["patch_rollback"], verify), "back": BACK})
    assert (run.code, run.failed, run.lines[-1]) == (2, ["a"], "2 hosts: 1 rolled back, 1 failed")
    assert run.lines[1].startswith(f"failed: a: {why}")


def test_check_mode_plans_and_verifies_nothing_but_hosts_without_a_change(rollback):
    run = rollback({"back": BACK, "same": SAME, "never": NEVER}, "--check", "-v")
    assert run.lines == [
        "would be rolled back: back: new removed, old restored; old would be enabled then",
        "unchanged: same: old is enabled",
        "unchanged: never: no live patch is enabled",
        "3 hosts: 1 would be rolled back, 2 unchanged",
    ]
    assert run.code == 0
    assert run.output.count('"called_in_check_mode": true') == 4  # patch_rollback on each, patch_verify on one
    assert '"called_in_check_mode": false' not in run.output


def test_the_options_reach_the_hosts(rollback):
    run = rollback({"back": BACK}, "-v", variables={
        "livepatch_rollback_to": "original", "livepatch_transition_timeout": "30", "livepatch_on_stall": "wait"})
    assert without_run(called_with(run)) == [
        {"on_stall": "wait", "take_lease": False, "to": "original", "transition_timeout": "30"}]


def called_with(run):
    """The options of each patch_rollback."""
    found = re.findall(r'"called_with": (\{.*?\}), "changed"', run.output)
    return [called for called in map(json.loads, found) if "to" in called]


def without_run(called):
    return [{key: one[key] for key in one if key != "via_controller"} for one in called]


@pytest.mark.parametrize("take", ["true", ""])
def test_all_hosts_get_one_run_and_whether_it_takes_their_leases(rollback, take, tmp_path):
    called = called_with(rollback(
        {"a": BACK, "b": BACK}, "-v", variables={"livepatch_take_lease": take, "livepatch_report_dir": "reports"}))
    record = json.loads(next(tmp_path.glob("reports/*.json")).read_text())
    assert record["options"].get("take_lease", False) is (take == "true")
    runs = {one["via_controller"]["run"] for one in called}
    assert (len(called), len(runs), {one["take_lease"] for one in called}) == (2, 1, {take == "true"})
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", runs.pop())


def test_a_host_of_another_run_fails_and_says_whose_it_is(rollback):
    refused = {"failed": True, "code": "host-leased", "msg": "The run r1 of bob@control2 holds this host."}
    run = rollback({"back": BACK, "leased": dict(BACK, patch_rollback=refused)})
    assert run.lines[1] == "failed: leased: host-leased: The run r1 of bob@control2 holds this host."
    assert (run.code, run.failed) == (2, ["leased"])


def test_answers_of_a_survey_that_were_left_empty_mean_the_defaults(rollback):
    run = rollback({"back": BACK}, "-v", variables=dict.fromkeys((
        "livepatch_hosts", "livepatch_rollback_to", "livepatch_transition_timeout", "livepatch_on_stall"), ""))
    assert run.code == 0
    assert without_run(called_with(run)) == [{"take_lease": False, "to": "previous"}]


def test_each_host_can_have_a_transaction_of_its_own(rollback):
    run = rollback({"a": BACK, "b": BACK}, "-v", "-f1", inventory={
        "vars": {"livepatch_rollback_to": "{{ 'of-' ~ inventory_hostname }}"}})
    assert run.code == 0
    assert [one["to"] for one in called_with(run)] == ["of-a", "of-b"]


@pytest.mark.parametrize("hosts", ["back,same", ["back", "same"]])
def test_hosts_are_a_text_or_a_list(rollback, hosts):
    run = rollback(ALL, variables={"livepatch_hosts": hosts})
    assert (run.code, run.lines[-1]) == (0, "2 hosts: 1 rolled back, 1 unchanged")


def test_later_jobs_get_the_verdicts(rollback):
    run = rollback(ALL)
    kept = run.stats["livepatch_rollback"]
    assert kept["hosts"]["back"] == {"verdict": "rolled_back", "enabled": ["old"]}
    assert kept["hosts"]["going"] == {"verdict": "in_transition"}
    assert (kept["ok"], kept["counts"]["unreachable"], kept["problems"]["gone"]) == (False, 2, "Connection refused")


def test_a_summary_comes_also_where_all_are_unreachable(rollback):
    run = rollback({"one": host("unreachable"), "two": host("unreachable")})
    assert (run.code, sorted(run.failed), run.lines[-1]) == (2, ["one", "two"], "2 hosts: 2 unreachable")


def test_settings_of_others_do_not_break_the_summary(rollback):
    run = rollback(ALL, settings="any_errors_fatal = true\nstrategy = free")
    assert (run.code, len(run.failed)) == (2, 5)
    assert run.lines[-1].startswith("9 hosts: 2 rolled back")


def own_play(path, **keywords):
    tasks = [{"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}}]
    roles = [{"role": "kernel.livepatch.rollback", "livepatch_rollback_to": "original"}]
    play = {"name": "Own", "hosts": "all", "gather_facts": False, "roles": roles, "tasks": tasks, **keywords}
    path.write_text(yaml.safe_dump([play]))


def test_a_role_in_a_play_of_ones_own_goes_on_with_the_good_hosts(rollback, tmp_path):
    own_play(tmp_path / "own.yml")
    run = rollback(ALL, playbook="own.yml")
    assert run.code == 2
    went_on = re.findall(r"^ok: \[(\w+)\] => \{\n    \"msg\": \"went on\"", run.output, re.MULTILINE)
    assert sorted(went_on) == ["back", "never", "out", "same"]


def test_in_a_play_in_batches_the_last_summary_has_all_hosts(rollback, tmp_path):
    own_play(tmp_path / "own.yml", serial=1, tasks=[])
    run = rollback({"one": BACK, "two": OUT}, playbook="own.yml")
    assert "1 rolled back, 1 without a result" in run.output
    assert (run.code, run.lines[-1]) == (0, "2 hosts: 2 rolled back")


def test_nothing_that_a_host_says_is_taken_for_a_template(rollback, tmp_path):
    trap = f"{{{{ lookup('pipe', 'touch {tmp_path}/trapped') }}}}"
    run = rollback({"a": host(went([trap], [], [trap]), proof(trap)), "b": host({"failed": True, "msg": trap})})
    assert run.lines[:2] == [f"rolled back: a: {trap} removed; {trap} is enabled now", f"failed: b: {trap}"]
    assert run.stats["livepatch_rollback"]["problems"]["b"] == trap
    assert not (tmp_path / "trapped").exists()


def test_a_summary_comes_also_where_nobody_gets_into_the_first_host(rollback):
    hosts = {"bad": {"ansible_become_method": "nosuch"}, "back": {}}
    variables = {"livepatch_report_dir": "reports"}
    run = rollback({"bad": BACK, "back": BACK}, variables=variables, inventory={"hosts": hosts})
    assert (run.code, run.failed) == (2, ["bad"]), run.output
    assert "2 hosts: 1 rolled back, 1 failed" in run.output and run.lines.endswith(".html")
