# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More of what the guide to AWX says of its jobs, by the real ansible-runner. The hosts are simulated."""

from __future__ import annotations

import json
import os
import signal

import pytest
from ansible.config.manager import ConfigManager
from ansible.release import __version__ as ansible_version
from packaging.version import Version

from ansible_collections.kernel.livepatch.tests import awx_job

# From this ansible-core on, a file of facts has another name and form.
IS_NEW = Version(ansible_version) >= Version("2.19")
THREE = {"web1": {}, "web2": {}, "web3": {}}
SOAKS = {"livepatch_soak": "3000", "livepatch_waves": "100%"}


def test_canaries_and_all_others_as_two_jobs_of_a_workflow(job, job_calls, job_runs, tmp_path):
    groups = {"options": {"groups": {"canaries": ["web2"]}}}
    first = job(THREE, **groups, livepatch_hosts="canaries", livepatch_waves="100%").run("rollout.yml")
    assert (first.code, job_runs()) == (0, {"web2": "accepted"}), first.output
    # The answer to a question with several choices is a list.
    rest = job(
        THREE, flags=("-u", "deploy"), **groups, **first.artifacts, livepatch_waves=["canary", "100%"],
        livepatch_hosts="all", livepatch_report_dir=str(tmp_path / "reports")).run("rollout.yml")
    assert (rest.code, job_runs()) == (0, dict.fromkeys(THREE, "accepted")), rest.output
    assert job_calls("load") == ["web1", "web3"]
    assert {file.suffix for file in (tmp_path / "reports").iterdir()} == {".html", ".json"}


def test_canaries_that_fail_do_not_reach_the_approval(job, job_runs):
    ended = job(
        {**THREE, "web2": {"keep": "failed"}}, options={"groups": {"canaries": ["web1", "web2"]}},
        livepatch_hosts="canaries", livepatch_waves="100%").run("rollout.yml")
    assert (ended.code, ended.status, set(job_runs().values())) == (2, "failed", {"absent"}), ended.output


def test_tasks_of_the_user_are_files_of_the_project(job, job_runs, tmp_path):
    one = job(
        THREE, livepatch_before="before.yml", livepatch_after="after.yml", livepatch_waves="100%",
        livepatch_health_checks='[{"tasks": "look.yml"}]')
    for name in ("before", "after", "look"):
        task = {"name": f"Run {name}", "ansible.builtin.debug": {"msg": name}}
        (tmp_path / "project" / f"{name}.yml").write_text(json.dumps([task]))
    ended = one.run("rollout.yml")
    assert (ended.code, job_runs()) == (0, dict.fromkeys(THREE, "accepted")), ended.output
    done = [(event["event_data"]["task"], event["event_data"]["host"])
            for event in ended.events if event["event"] == "runner_on_ok"]
    assert {(name, host) for name, host in done if name.startswith("Run ")} == {
        (f"Run {name}", host) for name in ("before", "after", "look") for host in THREE}


def test_a_job_that_its_timeout_ends_leaves_its_wave_on_trial_and_no_process(job, job_runs):
    one = job(THREE, options={"timeout": 60}, **SOAKS)
    process = one.begin("rollout.yml")
    one.wait(lambda: " s left: " in one.output() or process.poll() is not None)
    ended = one.end(process)
    assert (ended.code, ended.status, ended.artifacts) == (254, "timeout", {}), ended.output
    one.wait(lambda: not one.processes())
    assert job_runs() == dict.fromkeys(THREE, "enabled")


def test_a_runner_that_is_killed_leaves_its_wave_on_trial_and_no_process(job, job_runs):
    one = job(THREE, **SOAKS)
    process = one.begin("rollout.yml")
    one.wait(lambda: " s left: " in one.output() or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    one.wait(lambda: not one.processes())
    assert job_runs() == dict.fromkeys(THREE, "enabled")
    assert not [file for file in one.directory.rglob("*.json") if "artifact_data" in file.read_text()]


def test_a_run_after_a_cancelled_one_can_take_its_hosts_over(job, tmp_path):
    """What a lease refuses is seen on real kernels only."""
    ended = job(THREE, livepatch_take_lease="true", livepatch_waves="100%").run("rollout.yml")
    loads = [line for line in map(json.loads, (tmp_path / "project" / "calls.jsonl").read_text().splitlines())
             if line["step"] == "load"]
    assert (ended.code, {line["args"]["take_lease"] for line in loads}) == (0, {"True"}), ended.output


FACTS = {"web1": {"ansible_distribution": "Debian"}, "web2": {"ansible_distribution": "RedHat"}}


@pytest.mark.parametrize(("facts", "is_read"), [
    (FACTS, not IS_NEW),  # as AWX writes them
    ({f"s1_{host}": {"__payload__": json.dumps(known)} for host, known in FACTS.items()}, IS_NEW)])
def test_fact_storage_splits_cohorts_only_in_the_format_of_this_ansible_core(job, facts, is_read):
    hosts, cohorts = {"web1": {}, "web2": {}}, 2 if is_read else 1
    ended = job(
        hosts, ("--check",), options={"facts": facts}, livepatch_cohort_by="ansible_distribution").run("rollout.yml")
    assert ended.code == 0, ended.output
    assert f"==>   wave 1 (canary), {cohorts} host{'s' if cohorts > 1 else ''}: " in ended.output, ended.output


def test_the_settings_of_the_project_are_those_that_it_names(tmp_path):
    file = tmp_path / "ansible.cfg"
    file.write_text(awx_job.example("# ansible.cfg"))
    assert ConfigManager(str(file)).get_config_value("ANSIBLE_PIPELINING") is True
