# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What variables of the user's come to in each step of a rollout; the hosts are simulated."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import pytest

THREE = CANARY, SECOND, THIRD = ["web2", "web1", "web3"]


@pytest.fixture
def arguments(tmp_path):
    """arguments(step): what that module was called with on each host, by the host's name."""
    def of(step):
        lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
        return {line["host"]: line["args"] for line in lines if line["step"] == step}
    return of


@pytest.mark.parametrize(("budget", "taken_back"), [(0, {CANARY, SECOND, THIRD}), (1, {SECOND})])
def test_a_rollback_target_of_the_users_own_is_not_that_of_a_rollout(rollout, arguments, budget, taken_back):
    run = rollout(
        {CANARY: {}, SECOND: {"look": "ill"}, THIRD: {}}, livepatch_failure_budget=budget,
        livepatch_on_breach="rollback_all", livepatch_rollback_to="original")
    assert run.code == 2, run.output
    assert {host: given["to"] for host, given in arguments("back").items()} == dict.fromkeys(taken_back, "t1")


def test_every_step_goes_by_the_values_as_the_first_one_has_read_them(rollout, arguments, tmp_path):
    run = rollout(
        {CANARY: {}, SECOND: {"look": "ill"}, THIRD: {}}, livepatch_name="fix ", livepatch_on_stall=" reverse",
        livepatch_transition_timeout="120 ", livepatch_report_dir=" reports ")
    assert run.code == 2, run.output
    given = {step: arguments(step)[SECOND] for step in ("check", "load", "back")}
    assert (given["check"]["name"], given["load"]["name"]) == ("fix", "fix")
    assert [(given[step]["on_stall"], given[step]["transition_timeout"]) for step in ("load", "back")] == [
        ("reverse", "120")] * 2
    assert [path.name for path in tmp_path.iterdir() if "reports" in path.name] == ["reports"]


def test_what_is_not_given_is_not_given_to_the_hosts(rollout, arguments):
    run = rollout({"web1": {}}, livepatch_name="")
    assert run.code == 0, run.output
    assert [{"name", "version"} & set(arguments(step)["web1"]) for step in ("check", "load")] == [set(), set()]


def test_a_pattern_and_a_version_choose_the_patch_on_each_host(rollout, arguments, tmp_path):
    (tmp_path / "bundle.yml").write_text("patches: {fix.ko: {version: '1.10'}}")
    run = rollout({"web1": {}}, livepatch_name="f*", livepatch_version="1.10")
    assert run.code == 0, run.output
    assert [(arguments(step)["web1"]["name"], arguments(step)["web1"]["version"]) for step in ("check", "load")] == [
        ("f*", "1.10")] * 2
    # What was loaded is accepted, by its own name.
    assert [arguments("keep")["web1"][key] for key in ("name", "version")] == ["fix", "1.10"]


def test_a_version_that_the_bundle_lacks_ends_the_rollout_before_it_asks_a_host(rollout, tmp_path):
    run = rollout(["web1"], livepatch_version="2.0")
    assert run.code == 2, run.output
    assert "has no version 2.0. Correct the version. It has: fix." in run.output
    assert not (tmp_path / "calls.jsonl").exists()


@pytest.mark.parametrize("playbook", ["rollout", "apply"])
def test_a_missing_source_is_named_as_the_user_gave_it(rollout, tmp_path, playbook):
    run = rollout(["web1"], playbook=f"kernel.livepatch.{playbook}", livepatch_src="patchez/")
    assert (run.code, (tmp_path / "calls.jsonl").exists()) == (2, False), run.output
    assert "livepatch_src patchez/ is not on the controller, neither beside the playbook" in run.output
    assert f"nor in {tmp_path}. Correct livepatch_src." in run.output and "remote_src" not in run.output


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_nobody_is_patched_where_a_wave_to_approve_is_not_in_the_plan(rollout, runs, flags):
    run = rollout(THREE, *flags, livepatch_approve="10%", livepatch_waves="canary, 10%, 50%, 100%")
    assert (run.code, runs()) == (2, {}), run.output
    assert "livepatch_approve has 'up to 10%' in it" in run.output and "bad-option" in run.output


RISKY = "{{ risky | default([]) }}"


RACKS = {"hosts": {host: {"rack": "r1"} for host in THREE}}


@pytest.mark.parametrize("limits", [{"rack": 1}, "rack: 1", '{"rack": "1"}'])
def test_a_limit_cuts_the_waves_of_a_rollout_however_it_is_written(rollout, runs, limits):
    run = rollout(THREE, livepatch_waves="100%", livepatch_limits=limits, inventory=RACKS)
    assert (run.code, runs()) == (0, dict.fromkeys(THREE, "accepted")), run.output
    assert [wave["title"] for wave in run.stats["livepatch_rollout"]["waves"]] == [
        f"up to 100% part {part} of 3" for part in (1, 2, 3)]
    assert "cut into 3 parts, waves 1 to 3: at most 1 of each rack at once (rack r1 has 3 hosts)." in run.output


def test_an_approval_by_name_is_for_all_parts_of_a_wave(rollout, runs):
    variables = {"livepatch_waves": "1, 100%", "livepatch_limits": "rack: 1", "livepatch_approve": "100%"}
    run = rollout(THREE, inventory=RACKS, **variables)
    assert (run.code, runs()) == (2, {CANARY: "accepted"}), run.output
    assert "run again with -e livepatch_approved=2" in run.output
    run = rollout(THREE, inventory=RACKS, livepatch_approved="100%", **variables)
    assert (run.code, runs()) == (0, dict.fromkeys(THREE, "accepted")), run.output


@pytest.mark.parametrize(("without", "code"), [("", 2), ("refuse", 2), ("one_domain", 0)])
def test_hosts_without_the_variable_of_a_limit(rollout, runs, without, code):
    run = rollout(THREE, livepatch_limits={"rack": 1}, livepatch_without_domain=without)
    assert (run.code, len(runs())) == (code, 3 if not code else 0), run.output
    assert ("no-domain" in run.output) == bool(code)


def test_large_waves_are_cut_at_the_forks_of_this_run(rollout, runs):
    run = rollout(THREE, "-f", "2", livepatch_waves="100%", livepatch_longest_trial="330")
    assert (run.code, runs()) == (0, dict.fromkeys(THREE, "accepted")), run.output
    assert "cut into 2 parts, waves 1 to 2: at most 2 hosts at once, for the longest trial." in run.output


def test_apply_refuses_more_hosts_than_a_limit_allows(rollout, runs):
    variables = {"livepatch_waves": None, "livepatch_limits": "rack: 2", "playbook": "kernel.livepatch.apply"}
    run = rollout(THREE, inventory=RACKS, **variables)
    assert (run.code, runs(), "limit-exceeded" in run.output) == (2, {}, True), run.output
    run = rollout(THREE, "--limit", f"{CANARY},{SECOND}", inventory=RACKS, **variables)
    assert (run.code, runs()) == (0, dict.fromkeys([CANARY, SECOND], "accepted")), run.output


TODAY = datetime.now(timezone.utc).date()
# The days around today, so that the test can run at midnight.
FROZEN = f"{TODAY - timedelta(days=1)} to {TODAY + timedelta(days=1)}"
THAW = f"until {TODAY + timedelta(days=2)}T00:00:00Z"


@pytest.mark.parametrize("window", [
    {"freezes": [FROZEN]}, [{"days": "mon-sun"}, {"freezes": FROZEN}], f"freezes: {FROZEN}",
    json.dumps({"freezes": FROZEN})])
def test_no_wave_starts_outside_of_the_window_however_it_is_written(rollout, runs, calls, window):
    run = rollout(THREE, livepatch_window=window)
    assert (run.code, run.failed, runs(), calls("load")) == (2, ["localhost"], {}, []), run.output
    sentence = f"(canary) waits: livepatch_window is closed by the freeze {FROZEN} {THAW}"
    assert sentence in run.output


def test_the_plan_is_shown_outside_of_the_window_and_the_next_run_goes_on(rollout, runs):
    run = rollout(THREE, "--check", livepatch_window={"freezes": [FROZEN]})
    assert (run.code, runs()) == (0, {}), run.output
    assert f"No wave starts now: livepatch_window is closed by the freeze {FROZEN} {THAW}." in run.output
    run = rollout(THREE, livepatch_window="days: mon-sun; timezone: UTC")
    assert (run.code, runs()) == (0, dict.fromkeys(THREE, "accepted")), run.output


def test_dates_of_yaml_are_freezes(rollout, tmp_path, runs):
    days = "\n".join(f"    - {TODAY + timedelta(days=day)}" for day in (-1, 0, 1))
    (tmp_path / "window.yml").write_text(f"livepatch_window:\n  hours: 00:00-24:00\n  freezes:\n{days}\n")
    run = rollout(THREE, "-e", "@window.yml")
    assert (run.code, runs()) == (2, {}), run.output
    assert "waits: livepatch_window is closed by the freeze" in run.output


def test_apply_fails_each_host_to_patch_outside_of_the_window(rollout, runs):
    variables = {"livepatch_waves": None, "playbook": "kernel.livepatch.apply"}
    hosts = {CANARY: {"check": "accepted"}, SECOND: {}, THIRD: {}}
    run = rollout(hosts, livepatch_window={"freezes": [FROZEN]}, **variables)
    assert (run.code, sorted(run.failed), runs()) == (2, sorted([SECOND, THIRD]), {}), run.output
    assert run.output.count("outside-window") >= 2
    run = rollout(hosts, livepatch_window={"days": "mon-sun"}, **variables)
    assert (run.code, runs()) == (0, dict.fromkeys([SECOND, THIRD], "accepted")), run.output


@pytest.mark.parametrize(("name", "value", "said"), [
    ("ignore_findings", RISKY, f"is ['quarantined'] on {CANARY} and [] on {SECOND}"),
    ("params", {"level": "{{ level }}"}, f"is {{'level': 2}} on {CANARY} and {{'level': '{{{{ level }}}}'}} on"),
    ("name", "{% if risky is defined %}fix{% else %}x{% endif %}", f"is 'fix' on {CANARY} and 'x' on {SECOND}"),
])
def test_a_template_that_is_not_the_same_on_all_hosts_is_refused(rollout, tmp_path, name, value, said):
    hosts = {CANARY: {"risky": ["quarantined"], "level": 2}, SECOND: {}, THIRD: {}}
    run = rollout(THREE, inventory={"vars": {f"livepatch_{name}": value}, "hosts": hosts})
    assert (run.code, "Set one value for all hosts of the run" in run.output) == (2, True), run.output
    assert f"livepatch_{name} {said}" in run.output
    assert not (tmp_path / "calls.jsonl").exists()


def test_a_template_that_is_the_same_on_all_hosts_is_read(rollout, runs, arguments):
    run = rollout(THREE, inventory={"vars": {
        "livepatch_ignore_findings": "{{ codes | default(['quarantined']) }}",
        "livepatch_state": "{{ 'enabled' if ansible_play_hosts_all | length == 3 else 'accepted' }}",
        "livepatch_params": {"level": "{{ groups['all'] | length }}"}}})
    assert (run.code, runs()) == (0, dict.fromkeys(THREE, "enabled")), run.output
    assert {given["ignore_findings"] for given in arguments("load").values()} == {"['quarantined']"}


def test_the_load_is_told_how_often_functions_must_be_called_and_how_many_hosts_load(rollout, arguments):
    run = rollout(THREE, livepatch_min_calls="2", livepatch_waves="1, 100%")
    assert run.code == 0, run.output
    given = arguments("load")
    assert all("min_calls: 2}" in one["watch"].replace("'", "") for one in given.values())
    assert sorted(re.search(r"hosts: \d", one["via_controller"].replace("'", ""))[0] for one in given.values()) == [
        "hosts: 1", "hosts: 2", "hosts: 2"]


@pytest.mark.parametrize("source", [".", "tasks"])
def test_a_source_that_is_called_like_a_directory_of_a_role_is_the_users(rollout, runs, tmp_path, source):
    if source == "tasks":
        (tmp_path / source).mkdir()
        (tmp_path / "fix.ko").rename(tmp_path / source / "fix.ko")
    run = rollout(["web1"], livepatch_src=source)
    assert (run.code, runs()) == (0, {"web1": "accepted"}), run.output
