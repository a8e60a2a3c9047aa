# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs by the real `ansible-runner transmit | worker | process`, as AWX runs them. The hosts are simulated."""

from __future__ import annotations

from collections import Counter

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import job_failures

HOSTS = {"web1": {}, "web2": {}, "web3": {}}
EACH_TIME = ("id", "started", "ended")


def shape(ended):
    """What does not differ from run to run."""
    record = ended.artifacts["livepatch_rollout"]
    events = Counter((event["event"], event["event_data"].get("task")) for event in ended.events)
    return ended.code, ended.status, events, {key: record[key] for key in record if key not in EACH_TIME}


def test_a_rollout_is_the_same_as_by_run(job, job_runs):
    streamed = job(HOSTS).run_streamed("rollout.yml")
    assert (streamed.code, job_runs()) == (0, dict.fromkeys(HOSTS, "accepted")), streamed.output
    assert shape(streamed) == shape(job(HOSTS).run("rollout.yml"))


def test_an_approval_ends_the_job_and_no_person_is_asked(job, job_calls, job_runs):
    ended = job(HOSTS, livepatch_approve="2").run_streamed("rollout.yml")
    assert (ended.code, ended.status, job_failures(ended)) == (2, "failed", ["localhost"]), ended.output
    assert "Patch them?" not in ended.output and "run again with -e livepatch_approved=2" in ended.output
    assert (len(job_calls("load")), sorted(job_runs().values())) == (1, ["accepted"])


def test_a_failure_fails_the_job_and_its_artifact_names_the_host(job, job_runs):
    ended = job({**HOSTS, "web2": {"load": "failed"}}, livepatch_waves="100%").run_streamed("rollout.yml")
    assert (ended.code, ended.status, "web2" in job_failures(ended)) == (2, "failed", True), ended.output
    assert ended.artifacts["livepatch_rollout"]["failed"] == ["web2"]
    assert job_runs() == {"web1": "absent", "web3": "absent"}
