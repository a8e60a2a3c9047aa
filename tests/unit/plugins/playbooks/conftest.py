# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook by ansible-playbook on this ansible-core; what the modules answer on each host is simulated."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

COLLECTION = Path(__file__).resolve().parents[4]
SIMULATED = Path(__file__).parent / "simulated" / "any_module.py"
OF_FLEET = SIMULATED.with_name("host_of_fleet.py")
MODULES = ("patch_check", "patch_info", "patch_rollback", "patch_verify")
# What a rollout is asked where a test says nothing else.
QUICK = {"livepatch_src": "fix.ko", "livepatch_soak": 0, "livepatch_looks": 1, "livepatch_waves": "canary, 2, 100%"}
# What a job of AWX is told besides the defaults of the guide's survey; what is text stays text.
ANSWERS = {
    "livepatch_waves": "canary, 100%", "livepatch_soak": 0, "livepatch_looks": "1",
    "livepatch_on_breach": "rollback_all"}
MODULES_OF_ROLLOUT = ("patch", "patch_check", "patch_hook", "patch_watch", "patch_rollback", "patch_verify")


class Run(t.NamedTuple):
    """The end of a run: exit code, output, lines of the last summary, failed hosts, artifacts."""

    code: int
    output: str
    lines: list[str]
    failed: list[str]
    stats: dict[str, t.Any]


def tree_with(root, stand_in, modules):
    """A collection tree in which everything is this collection's own except some modules, which are simulated."""
    tree = root / "ansible_collections" / "kernel" / "livepatch"
    (tree / "plugins" / "action").mkdir(parents=True)
    for name in ("roles", "playbooks", "galaxy.yml", "plugins/callback", "plugins/filter", "plugins/lookup",
                 "plugins/plugin_utils", "plugins/module_utils", "plugins/modules"):
        (tree / name).symlink_to(COLLECTION / name)
    for action in (COLLECTION / "plugins" / "action").glob("*.py"):
        if action.stem.startswith("_"):
            (tree / "plugins" / "action" / action.name).symlink_to(action)
    for name in modules:
        (tree / "plugins" / "action" / f"{name}.py").symlink_to(stand_in)
    return root


@pytest.fixture(scope="session")
def collections(tmp_path_factory):
    """A collection tree in which the modules answer what the test says."""
    return tree_with(tmp_path_factory.mktemp("collections"), SIMULATED, MODULES)


@pytest.fixture(scope="session")
def fleet_collections(tmp_path_factory):
    """A collection tree in which the modules are those of simulated hosts that are rolled out to."""
    return tree_with(tmp_path_factory.mktemp("fleet_collections"), OF_FLEET, MODULES_OF_ROLLOUT)


@pytest.fixture
def play(collections, tmp_path):
    """Run a playbook: play("kernel.livepatch.status", {host: {module: answer}}, variables={...})."""
    def run(playbook, answers, *flags, variables=None, inventory=None, settings=None, tree=collections):
        # Not in the inventory: Ansible trusts the templates in that, and would put what comes of them in their place.
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        hosts = {host: {} for host in answers if host != "localhost"}  # which Ansible has anyway
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, **(inventory or {})}}))
        (tmp_path / "ansible.cfg").write_text(f"[defaults]\nshow_custom_stats = true\n{settings or ''}\n")
        return run_playbook(tmp_path, tree, playbook, *flags, **(variables or {}))
    return run


def run_playbook(directory, tree, playbook, *flags, **variables):
    """Run a playbook over the inventory that a fixture has written into a directory."""
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", "hosts.yml", "-e", json.dumps(variables), *flags, playbook]
    done = subprocess.run(
        command, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(tree), ANSIBLE_CONFIG="ansible.cfg",
                 ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="0"))
    summaries = re.findall(r"^ok: \[[^]]*\] => (\{\n.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
    failed = re.findall(r"^(\S+) .*\bfailed=[1-9]", done.stdout, re.MULTILINE)
    stats = re.search(r"^\tRUN: (.*)$", done.stdout, re.MULTILINE)
    return Run(
        done.returncode, done.stdout, json.loads(summaries[-1])["msg"] if summaries else [], failed,
        json.loads(stats.group(1)) if stats else {})


def simulate_fleet(directory, hosts):
    """Say how each host behaves, and forget earlier calls. What the hosts run stays."""
    for name in ("behavior", "steps"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("behavior", "steps", "fleet"):
        (directory / name).mkdir(exist_ok=True)
    for host, behavior in hosts.items():
        (directory / "behavior" / host).write_text(json.dumps(behavior))
    (directory / "calls.jsonl").unlink(missing_ok=True)


@pytest.fixture
def rollout(play, fleet_collections, build_module, tmp_path):
    """rollout({host: how it behaves}, *flags, **variables): the end of a run, with what each host ran in `states`."""
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())

    def run(hosts, *flags, playbook="kernel.livepatch.rollout", inventory=None, settings=None, **variables):
        hosts = {host: {} for host in hosts} if isinstance(hosts, list) else hosts
        simulate_fleet(tmp_path, hosts)
        return play(
            playbook, hosts, *flags, variables={**QUICK, **variables}, inventory=inventory, settings=settings,
            tree=fleet_collections)
    return run


@pytest.fixture
def calls(tmp_path):
    """calls(step): the hosts on which it ran, in order."""
    def of(step):
        lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
        return [line["host"] for line in lines if line["step"] == step]
    return of


@pytest.fixture
def runs(tmp_path):
    """runs(): what each host runs in the end."""
    return lambda: {file.name: file.read_text() for file in (tmp_path / "fleet").glob("*")}


@pytest.fixture
def job(fleet_collections, build_module, tmp_path):
    """job({host: how it behaves}, **variables): a job of AWX, with the survey's answers, that is not yet begun.

    With `tree`, the modules are those of another tree, see `collections`. More options: see awx_job.Job.
    """
    pytest.importorskip("ansible_runner", reason="ansible-runner is in the environment of the newest core only")
    # Importable only now, see the conftest.py of all unit tests.
    from ansible_collections.kernel.livepatch.tests import awx_job

    jobs, usual = [], {**awx_job.survey_defaults(), **ANSWERS}

    def prepare(hosts, flags=(), tree=fleet_collections, meta=(), variables=None, options=None, **answers):
        project = tmp_path / "project"
        (project / "patches").mkdir(parents=True, exist_ok=True)
        (project / "patches" / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())
        simulate_fleet(project, hosts)
        hosts = {name: (variables or {}).get(name, {}) for name in hosts}
        jobs.append(awx_job.Job(tmp_path, tree, hosts, {**usual, **answers}, flags, meta=meta, **(options or {})))
        return jobs[-1]
    prepare.jobs = jobs
    yield prepare
    for one in jobs:
        one.stop()


@pytest.fixture
def job_calls(job):
    """job_calls(step): the hosts on which it ran in the last job."""
    def of(step):
        file = job.jobs[-1].place / "project" / "calls.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return sorted(line["host"] for line in lines if line["step"] == step)
    return of


@pytest.fixture
def job_runs(job):
    """job_runs(): what each host runs after the last job."""
    return lambda: {
        file.name: file.read_text() for file in sorted((job.jobs[-1].place / "project" / "fleet").glob("*"))}


def job_failures(ended):
    """The hosts on which a task of a job failed."""
    return sorted({event["event_data"]["host"] for event in ended.events if event["event"] == "runner_on_failed"})
