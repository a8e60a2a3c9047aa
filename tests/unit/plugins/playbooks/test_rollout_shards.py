# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollout in shards: several ansible-playbook processes beside each other; the hosts are simulated."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import QUICK, run_playbook

# In the order of digests of these names: the first is the canary, and each shard has every second one.
CANARY, SECOND, THIRD, *LAST = FIVE = ["web2", "web1", "web3", "web4", "web5"]


@pytest.fixture
def shards(rollout, fleet_collections, tmp_path):
    """shards({host: how it behaves}, 2): the ends of so many runs beside each other."""
    def run(hosts, of):
        ends = [None] * of
        written = rollout(hosts, "--syntax-check")  # the files of the hosts, once for all runs
        assert written.code == 0, written.output

        def run_one(number):
            ends[number - 1] = run_playbook(
                tmp_path, fleet_collections, "kernel.livepatch.rollout", **{
                    **QUICK, "livepatch_shard": f"{number}/{of}", "livepatch_shard_dir": str(tmp_path / "shared")})
        threads = [threading.Thread(target=run_one, args=(number,)) for number in range(1, of + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends
    return run


def waves(run):
    return {name: host["wave"] for name, host in run.stats["livepatch_rollout"]["hosts"].items()}


def test_two_processes_patch_one_fleet(shards, runs, calls):
    first, second = shards({host: {} for host in FIVE}, 2)
    assert (first.code, second.code) == (0, 0), first.output + second.output
    assert runs() == dict.fromkeys(FIVE, "accepted") and sorted(calls("load")) == sorted(calls("check")) == sorted(FIVE)
    assert waves(first) == {CANARY: 1, THIRD: 2, LAST[1]: 3} and waves(second) == {SECOND: 2, LAST[0]: 3}
    assert "Shard 2 of 2: 2 of 5 hosts with a build" in second.output
    loads = calls("load")
    assert loads[0] == CANARY and set(loads[1:3]) == {SECOND, THIRD}


def test_a_breach_in_one_process_stops_the_other(shards, runs, calls):
    first, second = shards({**{host: {} for host in FIVE}, SECOND: {"load": "failed"}}, 2)
    assert (first.code, second.code) == (2, 2)
    assert runs() == {CANARY: "accepted", THIRD: "absent"} and not set(calls("load")) & set(LAST)
    assert "Shard 2 of 2 has stopped: Failure budget exceeded" in first.output


def test_more_shards_than_hosts_are_refused(rollout, tmp_path):
    run = rollout(["web1", "web2"], livepatch_shard="1/3", livepatch_shard_dir=str(tmp_path / "shared"))
    assert run.code != 0 and "for 2 hosts in all" in " ".join(run.output.split())


def test_a_shard_is_one_of_the_hosts_of_a_limit_in_a_file(rollout, tmp_path):
    (tmp_path / "limit.txt").write_text("\n".join(FIVE[:2]))
    chosen = [
        rollout(FIVE, "--limit", "@limit.txt", "--list-hosts", livepatch_shard=f"{number}/2").output
        for number in (1, 2)]
    assert [[host in output for host in FIVE[:3]] for output in chosen] in (
        [[True, False, False], [False, True, False]], [[False, True, False], [True, False, False]]), chosen


def test_a_shard_in_the_variables_of_a_group_is_refused(rollout, calls, tmp_path):
    """Ansible does not know it when it chooses the hosts, so every shard would have all of them."""
    inventory = {"vars": {"livepatch_shard": "1/2", "livepatch_shard_dir": str(tmp_path / "shared")}}
    run = rollout(["web1", "web2"], inventory=inventory)
    assert (run.code, (tmp_path / "calls.jsonl").exists()) == (2, False), run.output
    assert "livepatch_shard is '1/2', but this run has 2 of 2 hosts" in " ".join(run.output.split())
