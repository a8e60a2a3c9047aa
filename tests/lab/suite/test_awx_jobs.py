# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them, by the real ansible-runner, over a fleet of machines: what the guide to AWX says of them.

How each host ended is its own word.
"""

from __future__ import annotations

import json

import pytest
import yaml
from fleet import ENABLED, OLD, UNWELL
from fleet_runs import SHORT, USUAL
from playbook import Playbooks

from tests import awx_job

pytestmark = [pytest.mark.exhaustive, pytest.mark.one_kernel]

PATCH = "cmdline_v1"
# Seconds of a job: emulated machines share two cores, maybe with those of others.
LONGEST = 3600


@pytest.fixture
def job(started_fleet, fleet, tmp_path):
    """job(src, *flags, **variables without livepatch_): a job over the fleet; every answer is text."""
    _fleet, inventory = started_fleet
    Playbooks(tmp_path, inventory)  # links the collection
    groups = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["children"]
    hosts = {name: variables for group in groups.values() for name, variables in group["hosts"].items()}
    jobs = []

    def prepare(src, *flags, artifacts=None, **variables):
        given = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in {**USUAL, "src": str(src), **variables}.items()}
        answers = {**awx_job.survey_defaults(), **{f"livepatch_{name}": value for name, value in given.items()}}
        jobs.append(awx_job.Job(
            tmp_path / "job", tmp_path / "collections", hosts, {**answers, **(artifacts or {})},
            ["--forks", str(len(hosts)), *flags], {name: list(group["hosts"]) for name, group in groups.items()},
            longest=LONGEST))
        return jobs[-1]
    yield prepare
    for one in jobs:
        one.stop()


def patched(fleet):
    """What each host runs and loads at the next boot."""
    return {name: (told.patches, told.accepted) for name, told in fleet.tell().items()}


ACCEPTED, NOTHING = ({PATCH: ENABLED}, [PATCH]), ({}, [])


def test_a_workflow_with_an_approval(fleet, job, bundle, seen):
    src = bundle(PATCH)
    first = fleet.waves()[0]
    assert job(src).run("preflight.yml").code == 0
    planned = job(src, "--check").run("rollout.yml")
    assert planned.code == 0 and "==>   wave 1 (canary)" in planned.output, planned.output
    assert {told.changes for told in fleet.tell().values()} == {0}
    seen("preflight and a check job by ansible-runner", "exit code 0; nothing changed", fleet.kernels)

    waits = job(src, approve="2").run("rollout.yml")
    assert (waits.code, waits.status) == (2, "failed"), waits.output
    assert "Patch them?" not in waits.output and "run again with -e livepatch_approved=2" in waits.output
    assert patched(fleet) == {name: ACCEPTED if name in first else NOTHING for name in fleet.names}
    seen("a wave without approval by ansible-runner", "no question; exit code 2; canaries accepted", fleet.kernels)

    before = fleet.tell(first)
    given = job(src, approve="2", approved="2", artifacts=waits.artifacts).run("rollout.yml")
    assert (given.code, given.status) == (0, "successful"), given.output
    assert given.artifacts["livepatch_rollout"]["ok"] is True
    assert patched(fleet) == dict.fromkeys(fleet.names, ACCEPTED)
    assert fleet.tell(first) == before
    seen("the same job with the approval in its survey", "all accepted, the canaries unchanged", fleet.kernels)

    told = job(src, fail_on_drift="true").run("status.yml")
    verdicts = {name: host["verdict"] for name, host in told.artifacts["livepatch_status"]["hosts"].items()}
    assert (told.code, verdicts) == (0, dict.fromkeys(fleet.names, "accepted")), told.output
    back = job(src, rollback_to="original").run("rollback.yml")
    assert (back.code, patched(fleet)) == (0, dict.fromkeys(fleet.names, NOTHING)), back.output
    seen("status and rollback by ansible-runner", "exit code 0; no host has a patch", fleet.kernels)


def test_a_breach(fleet, job, bundle, seen):
    first = fleet.waves()[0]
    fleet.run(f"echo 1 >{UNWELL}", first[:1])
    ended = job(bundle(PATCH)).run("rollout.yml")
    assert (ended.code, ended.status) == (2, "failed"), ended.output
    assert ended.artifacts["livepatch_rollout"]["failed"] == first[:1]
    assert patched(fleet) == dict.fromkeys(fleet.names, NOTHING)
    failed = {event["event_data"]["host"] for event in ended.events if event["event"] == "runner_on_failed"}
    assert first[0] in failed
    seen("a canary fails in a job by ansible-runner", "rolled back; exit code 2; the artifact names it", fleet.kernels)


def test_a_limit(fleet, job, bundle, seen):
    ended = job(bundle(PATCH), "-l", OLD).run("rollout.yml")
    assert ended.code == 0, ended.output
    assert patched(fleet) == {name: ACCEPTED if name in fleet.of(OLD) else NOTHING for name in fleet.names}
    seen("a job with a limit by ansible-runner", "only the hosts of the limit are patched", fleet.kernels)


def test_a_job_that_is_cancelled_while_its_second_wave_soaks(fleet, job, bundle, seen):
    first, second, _last = fleet.waves()
    src = bundle(PATCH)
    cancelled = job(src, soak=60, trial=SHORT)
    process = cancelled.begin("rollout.yml")
    fleet.wait_until_watched(second)
    ended = cancelled.cancel(process)
    assert (ended.code, ended.status, ended.artifacts) == (254, "canceled", {}), ended.output
    assert cancelled.processes() == []
    now = fleet.tell()
    assert {name: told.accepted for name, told in now.items() if told.accepted} == {name: [PATCH] for name in first}
    fleet.wait_until_back(PATCH, second)
    again = job(src).run("rollout.yml")
    assert (again.code, patched(fleet)) == (0, dict.fromkeys(fleet.names, ACCEPTED)), again.output
    assert fleet.tell(first) == {name: now[name] for name in first}
    seen("a job of ansible-runner is cancelled while wave 2 soaks",
         "no process is left; wave 2 reverts automatically; the same job again patches all", fleet.kernels)
