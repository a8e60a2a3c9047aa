# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At no moment of a rollout are more hosts of a domain on trial than its limit, whatever fails."""

from __future__ import annotations

import random

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    ANSWERS,
    Rollout,
    checked,
)

# What leaves a host without the patch on trial, by step. After any other answer it may still be on trial.
OFF_TRIAL = {
    "load": {"failed", "stalled", "no_build", "no_result"}, "look": {"ill", "rebooted"},
    "keep": {"ok", "reverted", "rebooted"}, "proof": {"ok"}}
RACKS = ("r1", "r2", "r3")
TIMEOUT = 90


class Observed(Rollout):
    """Knows by itself which hosts are on trial; `most` is the most hosts of a rack that ever were at once."""

    def begin(self):
        self.most = 0
        self.ends = {}
        for name, host in self.hosts.items():
            if isinstance(host.get("check"), dict):
                self.ends[name] = self.clock + host["check"]["trial"]["seconds_left"]
        return self.run()

    def _ask(self, host, step):
        super()._ask(host, step)
        how = self.hosts[host].get(step, "ok")
        if how in OFF_TRIAL.get(step, ()):
            if step != "proof" or self.hosts[host].get("back", "ok") == "ok":
                self.ends.pop(host, None)
        elif step == "load":
            late = 2 * TIMEOUT if how == "unreachable" else 0
            self.ends[host] = self.clock + self._now["load_task"]["options"]["trial"] + late
            racks = [self.hosts[name]["variables"]["rack"] for name, end in self.ends.items() if end > self.clock]
            self.most = max(self.most, *(racks.count(rack) for rack in RACKS))


def fleet(seed):
    """Random hosts of which many fail, and the limit of each rack."""
    chance = random.Random(seed)
    hosts, limit = {}, chance.randint(1, 3)
    for number in range(chance.randint(4, 14)):
        host = {"variables": {"rack": chance.choice(RACKS)}}
        for step in ("load", "look", "keep", "back", "proof"):
            if chance.random() < 0.25:
                host[step] = chance.choice(sorted(ANSWERS[step]))
        hosts[f"web{number}"] = host
    # At most as many as an earlier run with this limit would have left.
    for rack in RACKS:
        of_rack = [name for name, host in hosts.items() if host["variables"]["rack"] == rack]
        for name in chance.sample(of_rack, min(len(of_rack), chance.randint(0, limit))):
            hosts[name]["check"] = checked(
                "enabled", trial={"name": "fix", "seconds_left": chance.randint(1, 600)})
    return hosts, limit, chance.choice(["canary, 50%, 100%", "100%", "2"])


@pytest.mark.parametrize("seed", range(150))
def test_no_rack_ever_has_more_hosts_on_trial_than_its_limit(seed, build_module, tmp_path):
    hosts, limit, waves = fleet(seed)
    run = Observed(
        hosts, tmp_path, build_module("source_simple", '-DNAME="fix"'), livepatch_waves=waves,
        livepatch_limits={"rack": limit}, livepatch_failure_budget="100%", livepatch_transition_timeout=TIMEOUT)
    assert run.begin()["outcome"] == "complete"
    assert run.most <= limit
