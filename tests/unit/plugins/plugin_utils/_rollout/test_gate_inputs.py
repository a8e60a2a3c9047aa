# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each reason not to accept a host, with as few looks as possible: the hosts are simulated, and watch themselves."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
    failed,
    finding,
    kept,
    loaded,
    patch,
    seen,
    verdict,
)

ONLY = "web1"
CHECKS = [{"command": "check web"}, {"unit": "nginx.service"}]
WELL = [(9, 0, 0), (9, 1, 0)]
UNTRIED = {"check": "enabled", "load": loaded("enabled", transaction=None, changed=False)}


@pytest.fixture
def end(build_module, tmp_path):
    """end(how the host behaves, **variables): its part of the record, and the steps on it after the load."""
    def run(host, **variables):
        given = {"livepatch_looks": 0, "livepatch_health_checks": CHECKS, **variables}
        rollout = Rollout({ONLY: host}, tmp_path, build_module("source_simple", '-DNAME="fix"'), **given)
        record = rollout.run()
        steps = [step for step, _host in rollout.calls]
        assert record["ok"] == (record["hosts"][ONLY]["failure"] is None)
        return record["hosts"][ONLY], steps[steps.index("load") + 1:]
    return run


def keep(**more):
    return {"keep": kept(watch=verdict(health=WELL), **more)}


def test_a_host_that_was_well_all_the_time_is_accepted_without_a_look(end):
    host, steps = end(keep())
    assert (host["state"], steps) == ("accepted", ["keep"])
    assert host["watch"] == {"looks": 9, "first": "2026-11-21T09:16:54Z", "last": "2026-11-21T09:21:44Z", "calls": []}
    assert host["health"] == [
        {"name": "check 1", "ok": True, "message": "9 of 9 succeeded. It ended with status 0."},
        {"name": "check 2", "ok": True, "message": "9 of 10 succeeded. It ended with status 0."}]


@pytest.mark.parametrize("state", ["accepted", "enabled"])
@pytest.mark.parametrize(("how", "code"), [
    ("reverted", "watch-failed"), ("undecided", "watch-undecided"), ("unwatched", "watch-not-run"),
    ("rebooted", "host-rebooted"), ("failed", "not-verified"), ("unreachable", "host-unreachable")])
def test_a_host_that_refuses_is_failed_and_its_rollback_is_verified(end, how, code, state):
    host, steps = end({"keep": how}, livepatch_state=state)
    assert (host["failure"]["code"], host["failure"]["step"]) == (code, "accept")
    assert (host["state"], steps) == ("rolled_back", ["keep", "back", "proof"])


def test_a_host_that_reverted_in_the_soak_says_why(end):
    host, _steps = end({"keep": "reverted"})
    assert [found["code"] for found in host["findings"]] == ["health-check-failed"]
    assert (host["watch"]["looks"], host["health"][0]["ok"]) == (5, False)


@pytest.mark.parametrize("answer", [
    kept(boot_id="c", watch=verdict(health=WELL)), failed("host-busy", baseline={"boot_id": "c"}),
    failed("not-verified", patch=patch("accepted"), baseline={"boot_id": "c"})])
def test_a_host_that_rebooted_in_the_soak_is_failed_whatever_it_says(end, answer):
    host, _steps = end({"keep": answer})
    assert (host["failure"]["code"], host["state"]) == ("host-rebooted", "rolled_back")


@pytest.mark.parametrize(("watch", "code"), [
    (None, "watch-not-run"), ("x", "watch-not-run"), (verdict(0, health=WELL), "watch-not-run"),
    (verdict(True, health=WELL), "watch-not-run"),
    (verdict(), "watch-not-run"), (verdict(health=[(9, 0, 0)]), "watch-not-run"),
    (verdict(health=[(9, 0, 0), (0, 0, 0)]), "watch-not-run"),
    (verdict(health=[(9, 0, 0), (9, 1, 1)]), "watch-undecided"),
    (verdict(health=WELL, findings=[finding("new-taint")]), "new-taint"),
    (verdict(health=WELL, findings=[finding("kernel-log-incomplete", "warning")]), None)])
@pytest.mark.parametrize("state", ["accepted", "enabled"])
def test_the_controller_judges_the_verdict_once_more(end, watch, code, state):
    host, steps = end({"keep": dict(kept(state), watch=watch)}, livepatch_state=state)
    if code is None:
        assert (host["failure"], host["state"], steps) == (None, state, ["keep"])
        return
    assert (host["failure"]["code"], host["state"], steps) == (code, "rolled_back", ["keep", "back", "proof"])


def test_a_host_that_was_accepted_before_it_was_asked_is_accepted(end):
    """By hand, or by a first call whose answer was lost: the host returns the verdict again."""
    answer = dict(kept(previous="accepted"), changed=False, watch=verdict(health=WELL))
    host, steps = end({"keep": answer})
    assert (host["failure"], host["state"], steps) == (None, "accepted", ["keep"])


def test_a_trial_that_another_run_has_ended_has_no_verdict(end):
    answer = dict(kept(previous="accepted"), changed=False, watch=None)
    assert end({"keep": answer})[0]["failure"]["code"] == "watch-not-run"


@pytest.mark.parametrize("load", [
    UNTRIED, {"load": loaded("accepted")}, {"load": loaded("enabled", findings=[finding("trial-not-begun", "note")])}])
def test_a_host_without_a_trial_is_looked_at_by_the_controller_before_the_acceptance(end, load):
    host, steps = end({**load, "keep": dict(kept(), watch=None)})
    assert (host["state"], host["failure"], steps) == ("accepted", None, ["look", "keep"])
    bad = seen(well=False, findings=[finding("health-check-failed")])
    host, steps = end({**load, "look": bad, "keep": dict(kept(), watch=None)})
    assert (host["failure"]["code"], "keep" in steps) == ("health-check-failed", False)


def test_a_host_without_a_trial_that_rebooted_is_failed_too(end):
    host, _steps = end({**UNTRIED, "keep": dict(kept(boot_id="c"), watch=None)})
    assert (host["failure"]["code"], host["state"]) == ("host-rebooted", "unknown")


def test_a_wave_can_be_over_before_its_last_phase(end):
    bad = seen(well=False, findings=[finding("health-check-failed")])
    host, steps = end({**UNTRIED, "look": bad}, livepatch_looks=3, livepatch_failure_budget=1)
    assert (host["failure"]["code"], host["state"], steps) == ("health-check-failed", "enabled", ["look"])


def test_a_reason_of_the_watch_is_told_before_what_follows_from_it(end):
    host, _steps = end({"look": "ill"}, livepatch_looks=1)
    assert (host["failure"]["code"], host["failure"]["step"], host["state"]) == ("watch-failed", "look", "rolled_back")
    host, _steps = end({"look": "rebooted"}, livepatch_looks=1)
    assert host["failure"]["code"] == "host-rebooted"


def test_own_tasks_run_after_the_load_and_at_the_end_of_the_soak_without_a_look(build_module, tmp_path):
    (tmp_path / "own.yml").write_text("- ansible.builtin.ping:\n")
    run = Rollout(
        {ONLY: {}}, tmp_path, build_module("source_simple", '-DNAME="fix"'), livepatch_looks=0,
        livepatch_health_checks=[{"tasks": str(tmp_path / "own.yml")}])
    began, moments = run.clock, []
    run._phase = lambda phase, batch, before=run._phase: (
        moments.append((phase["file"], run.clock - began)), before(phase, batch))
    assert run.run()["ok"]
    assert moments == [("user_tasks.yml", 0), ("user_tasks.yml", 100), ("accept.yml", 100)]
