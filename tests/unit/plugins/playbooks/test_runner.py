# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them, by the real ansible-runner: what the guide to AWX says of them. The hosts are simulated."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.tests import awx_job
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import job_failures

THREE = {"web1": {}, "web2": {}, "web3": {}}
# What AWX tells a job of a workflow.
OF_WORKFLOW = {"workflow_job_id": 6, "workflow_job_name": "Patch all", "workflow_job_launch_type": "manual"}
# The same for a slice: its workflow has the name of the job template.
OF_SLICE = {**OF_WORKFLOW, "workflow_job_name": "Rollout"}


def test_an_approval_as_a_workflow_gives_it(job, job_calls, job_runs):
    """No person is asked on the terminal of the runner; the next job goes on, with the artifacts of the first."""
    ended = job(THREE, meta=OF_WORKFLOW, livepatch_approve="2").run("rollout.yml")
    assert (ended.code, ended.status, job_failures(ended)) == (2, "failed", ["localhost"]), ended.output
    assert "Patch them?" not in ended.output
    said = awx_job.example("==> wave 2").strip().replace("2 of 3 (up to 50%)", "2 of 2 (up to 100%)")
    assert f"{said}\n" in ended.output
    assert (len(job_calls("load")), sorted(job_runs().values())) == (1, ["accepted"])
    record = ended.artifacts["livepatch_rollout"]
    assert (record["outcome"], record["ok"]) == ("stopped", False)

    canary, = job_runs()
    again = job(THREE, **ended.artifacts, livepatch_approve="2", livepatch_approved="2").run("rollout.yml")
    assert (again.code, again.status, job_runs()) == (0, "successful", dict.fromkeys(THREE, "accepted")), again.output
    assert job_calls("load") == sorted(set(THREE) - {canary})
    lines = [line for event in again.events for line in event["stdout"].splitlines() if "==> wave" in line]
    assert (lines[0].split(":")[0], lines[-1]) == (
        "==> wave 2 of 2 (up to 100%), 2 hosts", "==> wave 2 of 2 passed: 2 accepted")
    assert again.events[-1]["event"] == "playbook_on_stats" and again.artifacts["livepatch_rollout"]["ok"] is True

    shown = job(THREE, **again.artifacts).run("report.yml")
    assert shown.code == 0 and "failed: none" in shown.output, shown.output


def test_a_person_who_has_asked_for_it_is_asked(job, job_runs):
    ended = job(
        THREE, meta=None, options={"passwords": {r"Patch them\? \[yes/no\]:": "yes"}}, livepatch_approve="2",
        livepatch_interactive="true").run("rollout.yml")
    assert (ended.code, job_runs()) == (0, dict.fromkeys(THREE, "accepted")), ended.output
    assert "Patch them? [yes/no]:" in ended.output


def test_the_runner_alone_asks_no_person_and_a_breach_takes_everything_back(job, job_calls, job_runs):
    hosts = {**THREE, "web3": {"keep": "reverted"}}
    ended = job(hosts, meta=None, livepatch_approve="2").run("rollout.yml")
    assert ended.code == 2 and "ansible-runner runs this rollout, so no person is asked" in ended.output, ended.output
    canary, = job_runs()
    ended = job(hosts, livepatch_waves="100%").run("rollout.yml")
    assert (ended.code, ended.status, "web3" in job_failures(ended)) == (2, "failed", True), ended.output
    record = ended.artifacts["livepatch_rollout"]
    assert (record["outcome"], record["ok"], record["failed"]) == ("stopped", False, ["web3"])
    assert sorted(job_calls("back")) == [name for name, state in job_runs().items() if state == "absent"] == [
        name for name in THREE if name != canary]


def test_a_check_job_with_a_limit_shows_the_plan(job, job_calls, job_runs):
    ended = job(THREE, flags=("-u", "deploy", "--check", "-l", "web1,web2")).run("rollout.yml")
    assert (ended.code, job_runs()) == (0, {}), ended.output
    assert (job_calls("check"), job_calls("load")) == (["web1", "web2"], [])
    assert "==>   wave 1 (canary), 1 host: " in ended.output


@pytest.mark.parametrize(("answers", "said"), [
    ({"livepatch_soak": "ages", "livepatch_hosts": "web*"}, "livepatch_soak is 'ages'"),
    ({"livepatch_interactive": "maybe"}, "Give true, false or auto"),
    # AWX marks answers, so this is no template.
    ({"livepatch_on_breach": "{{ inventory_hostname }}"}, "livepatch_on_breach is '{{ inventory_hostname }}'"),
])
def test_a_wrong_answer_ends_the_job_before_any_host_is_asked(job, job_calls, answers, said):
    ended = job(THREE, **answers).run("rollout.yml")
    assert (ended.code, said in ended.output, job_calls("check")) == (2, True, []), ended.output
    tasks = [event for event in ended.events if event["event"] == "playbook_on_task_start"]
    assert tasks[0]["event_data"]["task"].endswith("Validate the variables and the patch files")


def test_a_slice_is_refused_before_any_host_is_asked(job, job_calls):
    ended = job(THREE, meta=OF_SLICE).run("rollout.yml")
    assert (ended.code, "sliced-job" in ended.output, job_calls("check")) == (2, True, []), ended.output


def test_a_job_that_is_cancelled_leaves_its_wave_on_trial_and_no_process(job, job_calls, job_runs):
    cancelled = job(THREE, livepatch_soak="3000", livepatch_waves="100%")
    process = cancelled.begin("rollout.yml")
    # Then a worker of Ansible waits for the end of the soak.
    cancelled.wait(lambda: " s left: " in cancelled.output() or process.poll() is not None)
    ended = cancelled.cancel(process)
    assert (ended.code, ended.status, ended.artifacts) == (254, "canceled", {}), ended.output
    assert job_runs() == dict.fromkeys(THREE, "enabled")
    assert cancelled.processes() == []

    again = job(THREE).run("rollout.yml")
    assert (again.code, job_runs()) == (0, dict.fromkeys(THREE, "accepted")), again.output


def test_preflight_and_rollback_of_a_slice(job, job_runs):
    ended = job({**THREE, "web2": {"check": "blocked"}}, meta=OF_SLICE).run("preflight.yml")
    assert (ended.code, job_failures(ended)) == (2, ["web2"]) and "wrong-release" in ended.output, ended.output
    assert '"3 hosts: ' in ended.output and "livepatch_preflight" in ended.artifacts
    hosts = {**THREE, "web3": {"back": "failed"}}
    ended = job(hosts, meta=OF_SLICE, livepatch_rollback_to="original").run("rollback.yml")
    assert (ended.code, job_failures(ended), sorted(job_runs())) == (2, ["web3"], ["web1", "web2"]), ended.output
    assert "3 hosts: " in ended.output and "livepatch_rollback" in ended.artifacts


def test_status_fails_on_drift_and_its_artifact_says_why(job, collections, tmp_path):
    kernel = {"release": "6.1.0-56-amd64", "arch": "x86_64"}
    told = {
        "kernel": kernel, "interface": "livepatch", "patches": [], "transition": None, "changing": None, "trial": None,
        "quarantined": [],
        "drift": [{"code": "loaded-by-hand", "level": "warning", "subject": "fix", "message": "About it."}]}
    hosts = {"web1": {"patch_info": {"livepatch": told}}}
    one = job({"web1": {}}, tree=collections, meta=OF_SLICE, livepatch_fail_on_drift="true")
    (tmp_path / "project" / "answers.json").write_text(json.dumps(hosts))
    ended = one.run("status.yml")
    assert (ended.code, job_failures(ended)) == (2, ["web1"]), ended.output
    assert "loaded-by-hand" in json.dumps(ended.artifacts["livepatch_status"]) and "1 host: " in ended.output
