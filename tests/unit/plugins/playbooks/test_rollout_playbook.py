# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks rollout and apply, run by ansible-playbook on this ansible-core; the hosts are simulated."""

from __future__ import annotations

import json

import pytest

EIGHT = [f"web{number}" for number in range(1, 9)]
QUICK = {"livepatch_src": "fix.ko", "livepatch_soak": 0, "livepatch_waves": "canary, 3, 100%"}


@pytest.fixture
def rollout(play, fleet_collections, build_module, tmp_path):
    """rollout({host: how it behaves}, *flags, **variables): the end of a run, with what each host ran in `states`."""
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())

    def run(hosts, *flags, playbook="kernel.livepatch.rollout", inventory=None, **variables):
        hosts = {host: {} for host in hosts} if isinstance(hosts, list) else hosts
        (tmp_path / "fleet.json").write_text(json.dumps(hosts))
        (tmp_path / "calls.jsonl").unlink(missing_ok=True)
        return play(
            playbook, hosts, *flags, variables={**QUICK, **variables}, inventory=inventory, tree=fleet_collections)
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


def states(run):
    return {name: host["state"] for name, host in run.stats["livepatch_rollout"]["hosts"].items()}


def waves(run):
    return [wave["state"] for wave in run.stats["livepatch_rollout"]["waves"]]


def of_wave(run, number):
    return [name for name, host in run.stats["livepatch_rollout"]["hosts"].items() if host["wave"] == number]


def test_a_clean_rollout_accepts_every_host(rollout, runs):
    run = rollout(EIGHT)
    assert run.code == 0, run.output
    assert runs() == dict.fromkeys(EIGHT, "accepted")
    assert (waves(run), set(states(run).values())) == (["passed"] * 3, {"accepted"})
    assert run.lines[-1] == "8 hosts: 8 accepted"
