# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout says of hosts of which it cannot know everything: no more than it knows. The hosts are simulated."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import operator
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
    checked,
    failed,
    finding,
    kept,
    loaded,
    patch,
    seen,
)

ONLY = "web1"
CUT_SHORT = {"failed": True, "msg": "MODULE FAILURE", "rc": 137}  # as Ansible words what was killed


@pytest.fixture
def one(build_module, tmp_path):
    """one(how it behaves, **variables): the end of a rollout to one host, its part of the record, and what was told."""
    def run(host, **variables):
        rollout = Rollout({ONLY: host}, tmp_path, build_module("source_simple", '-DNAME="fix"'), **variables)
        record = rollout.run()
        json.dumps(record, allow_nan=False)
        told = rollout.ended["problems"].get(ONLY)
        return record, record["hosts"][ONLY], told
    return run


@pytest.mark.parametrize("keep", [
    "unreachable", CUT_SHORT, {"patch": 7}, failed("no-space", patch=patch("accepted")), failed("malformed-result"),
    failed("host-not-trusted")])
def test_who_may_have_accepted_does_not_revert_automatically(one, keep):
    _record, host, told = one({"keep": keep, "back": "unreachable"})
    assert (host["state"], host["trial_ends"]) == ("unknown", None)
    assert "Check it with the playbook kernel.livepatch.status" in told


@pytest.mark.parametrize("state", ["accepted", "enabled"])
@pytest.mark.parametrize("previous", ["absent", "disabled", "disabling", None])
def test_a_patch_that_only_keeping_it_has_loaded_is_not_kept(one, state, previous):
    keep = kept(state, previous, watch=None)
    record, host, _told = one({"keep": keep}, livepatch_state=state)
    assert (host["failure"]["code"], host["state"], record["ok"]) == ("trial-over", "rolled_back", False)
    _record, host, told = one({"keep": keep, "back": "unreachable"}, livepatch_state=state)
    assert (host["state"], host["trial_ends"]) == ("unknown", None) and "loaded again and not watched" in told


def test_a_host_that_has_booted_another_kernel_by_the_time_it_is_kept(one):
    _record, host, told = one(
        {"keep": {"changed": False, "patch": patch("no_build"), "findings": []}, "back": "unreachable"})
    assert (host["failure"]["code"], host["state"]) == ("no-longer-covered", "reverting") and "Run the rollout" in told


def test_who_has_refused_to_accept_reverts_automatically(one):
    _record, host, told = one({"keep": "failed", "back": "unreachable"})
    assert host["state"] == "reverting" and f"reverts automatically by {host['trial_ends']}" in told


@pytest.mark.parametrize("load", [
    CUT_SHORT, failed("no-space", transaction="t1"), {"patch": {}}, failed("malformed-result"),
    failed("host-not-trusted")])
def test_a_load_that_was_cut_short_may_have_left_the_patch_on_trial(one, load):
    _record, host, told = one({"load": load, "back": "unreachable"})
    assert host["state"] == "reverting" and "possibly still on trial" in told


@pytest.mark.parametrize("load", [failed("refused-by-kernel", patch=patch("absent")), failed("host-busy")])
def test_a_load_that_was_refused_has_left_nothing(one, load):
    _record, host, _told = one({"load": load})
    assert (host["state"], host["trial_ends"]) == ("unchanged", None)


def busy(**who):
    """A host that another call of this controller changes, or of the one in `who`."""
    own = {"controller_user": operator()["user"], "controller_node": operator()["node"]}
    return failed("host-busy", holder={"transaction": "t9", "since": "now", "pid": 7, "who": {**own, **who}})


def test_a_load_that_ssh_has_repeated_while_the_first_one_goes_on_may_leave_the_patch_on_trial(one):
    _record, host, told = one({"load": busy()})
    assert (host["state"], host["failure"]["code"]) == ("reverting", "host-busy")
    assert host["trial_ends"] and "possibly still on trial" in told


def test_an_acceptance_that_ssh_has_repeated_while_the_first_one_goes_on_does_not_revert_automatically(one):
    _record, host, told = one({"keep": busy(), "back": "unreachable"})
    assert (host["state"], host["trial_ends"]) == ("unknown", None) and "kernel.livepatch.status" in told


@pytest.mark.parametrize("holder", [
    {"controller_user": "another-user"}, {"controller_node": "elsewhere"}, {"controller_user": None},
    {"controller_node": ""}, {"controller_user": 7}])
def test_a_host_that_another_controller_changes_was_not_changed_by_this_one(one, holder):
    assert one({"load": busy(**holder)})[1]["state"] == "unchanged"
    assert one({"keep": busy(**holder), "back": "unreachable"})[1]["state"] == "reverting"


@pytest.mark.parametrize("holder", [None, 7, {}, {"who": None}, {"who": "root"}])
def test_a_busy_host_that_does_not_say_with_whom_was_not_changed(one, holder):
    assert one({"load": failed("host-busy", holder=holder)})[1]["state"] == "unchanged"


@pytest.mark.parametrize("transaction", ["t1", None])
def test_a_load_that_failed_and_has_lost_what_ran_before_is_told_and_taken_back(one, transaction):
    load = failed("function-not-hooked", patch=patch("absent"), transaction=transaction, changed=True)
    _record, host, told = one({"load": load, "back": "unreachable"})
    assert (host["state"], host["trial_ends"]) == ("unknown", None) and "kernel.livepatch.status" in told
    assert one({"load": load})[1]["state"] == ("rolled_back" if transaction else "unknown")


def test_a_patch_that_was_enabled_before_is_on_no_trial(one):
    found = {"check": "enabled", "load": loaded("enabled", transaction=None, changed=False)}
    record, host, told = one({**found, "look": "ill"})
    assert (host["state"], record["ok"]) == ("enabled", False) and told.endswith("This host is enabled.")
    assert one({**found, "look": seen(trial=None, well=False, findings=[finding("kernel-warning")])})[1] == {
        **host, "failure": {"code": "kernel-warning", "message": "This is kernel-warning.", "step": "look"},
        "findings": [finding("kernel-warning")], "health": [], "watch": None}
    assert one(found)[0]["ok"]


@pytest.mark.parametrize("load", [
    loaded("accepted"), loaded("enabled", findings=[finding("trial-not-begun", "warning")])])
@pytest.mark.parametrize("more", [{"look": "unreachable"}, {"look": {}}, {"keep": "failed"}])
def test_who_was_loaded_on_no_trial_is_not_said_to_revert_automatically(one, load, more):
    record, host, told = one({"load": load, "back": "unreachable", **more})
    assert (host["state"], host["trial_ends"]) == ("unknown", None) and "kernel.livepatch.status" in told
    assert not any("reverting automatically by" in line for line in record["lines"])


LEASED = {"check": checked(compatible=False, findings=[finding("host-leased"), finding("kernel-old", "warning")])}


def test_a_host_of_another_run_is_in_the_plan_and_no_wave_begins(build_module, tmp_path):
    hosts = {"web1": {}, "web2": LEASED}
    rollout = Rollout(hosts, tmp_path, build_module("source_simple", '-DNAME="fix"'))
    record = rollout.run()
    assert [call for call in rollout.calls if call[0] != "check"] == []
    failure = record["hosts"]["web2"]["failure"]
    assert (failure["code"], failure["step"], record["hosts"]["web2"]["state"]) == ("host-leased", "check", "unchanged")
    assert "host-leased" in rollout.ended["problems"]["web2"] and "host-leased" in "\n".join(rollout.said)


def test_a_host_of_another_run_is_patched_where_its_lease_is_to_be_taken(one):
    record, host, _told = one(LEASED, livepatch_take_lease="true")
    assert (host["state"], record["ok"], record["options"]["take_lease"]) == ("accepted", True, True)


def test_another_blocker_still_stops_a_host_whose_lease_is_to_be_taken(one):
    blocked = checked(compatible=False, findings=[finding("host-leased"), finding("wrong-release")])
    _record, host, _told = one({"check": blocked}, livepatch_take_lease=True)
    assert (host["state"], host["failure"]["code"]) == ("unchanged", "wrong-release")


def test_a_load_that_another_run_has_come_before_has_left_nothing(one):
    _record, host, told = one({"load": failed("host-leased")})
    assert (host["state"], host["failure"]["code"], host["failure"]["step"]) == ("unchanged", "host-leased", "load")
    assert "host-leased" in told


def test_what_another_run_has_taken_over_is_not_known_any_more(one):
    _record, host, _told = one({"keep": failed("host-leased"), "back": failed("host-leased")})
    assert (host["state"], host["trial_ends"], host["failure"]["code"]) == ("unknown", None, "host-leased")


@pytest.mark.parametrize("load", ["unreachable", CUT_SHORT, failed("host-busy", patch=patch("enabled"))])
def test_who_had_the_patch_on_no_trial_and_is_unreachable_does_not_revert_automatically(one, load):
    _record, host, told = one({"check": "enabled", "load": load, "back": "unreachable"})
    assert (host["state"], host["trial_ends"]) == ("unknown", None) and "kernel.livepatch.status" in told
    _record, host, told = one({"check": "trial", "load": load, "back": "unreachable"})
    assert host["state"] == "reverting" and f"reverts automatically by {host['trial_ends']}" in told


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**400, -(10**30)])
def test_numbers_that_no_other_program_can_read(one, number):
    _record, host, _told = one({"load": loaded(
        "enabled", patch=dict(patch("enabled"), transition_seconds=number))})
    assert host["transition_seconds"] is None


def test_one_host_cannot_make_the_record_long(one):
    for endless in (failed("c" * 10**5, msg="x" * 10**6), {"failed": True, "msg": "\x1b[2J" * 10**5}):
        record, _host, told = one({"look": endless})
        assert len(json.dumps(record)) < 20_000 and len(told) < 2000 and "\x1b" not in told


@pytest.mark.parametrize("action", ["rollback_all", "rollback_wave"])
def test_who_had_the_patch_on_no_trial_and_is_not_rolled_back_is_told(build_module, tmp_path, action):
    untried = {"check": "enabled", "load": loaded("enabled", transaction=None, changed=False)}
    run = Rollout(
        {"web1": untried, "web2": {"keep": "failed"}, "web3": {}}, tmp_path,
        build_module("source_simple", '-DNAME="fix"'), livepatch_on_breach=action, livepatch_waves="100%")
    record = run.run()
    assert {name: host["state"] for name, host in record["hosts"].items()} == {
        "web1": "accepted", "web2": "rolled_back", "web3": "rolled_back"}
    assert record["lines"][-2].endswith(
        ", except hosts with the patch enabled without a trial before this rollout: web1.")
    assert "This host is accepted, and was before the rollout" in run.ended["problems"]["web1"]


def test_what_was_kept_before_is_said_to_stay_where_all_waves_go_back(build_module, tmp_path):
    hosts = {"web1": {"check": "accepted"}, "web2": {"look": "ill"}, "web3": {}}
    run = Rollout(
        hosts, tmp_path, build_module("source_simple", '-DNAME="fix"'), livepatch_on_breach="rollback_all",
        livepatch_waves="100%")
    record = run.run()
    assert record["lines"][-2].endswith(
        ". Rolling back all waves, except hosts already accepted before this rollout: web1.")
    assert "back" not in [step for step, host in run.calls if host == "web1"]
