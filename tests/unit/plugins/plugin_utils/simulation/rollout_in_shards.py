# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: several rollouts that are shards of one, beside each other on one clock; one of them runs at a time."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard, in_order, share_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
)

BEGIN = 1_790_000_000.0


class Killed(Exception):
    """The end of a controller: nothing more of its rollout runs."""


class Clock:
    """The time of all shards. It goes on when all of them sleep, to the first one that wakes up."""

    def __init__(self):
        self.now = BEGIN
        self._wakes = {}
        self._running = None
        self._turn = threading.Condition()

    def start(self, who, at=0.0):
        self._wakes[who] = self.now + at

    def sleep(self, who, seconds):
        with self._turn:
            self._wakes[who] = self.now + seconds
            self._next()
            self._turn.wait_for(lambda: self._running == who)

    def wait_for_turn(self, who):
        with self._turn:
            if self._running is None:
                self._next()
            self._turn.wait_for(lambda: self._running == who)

    def end(self, who):
        with self._turn:
            self._wakes.pop(who, None)
            self._next()

    def _next(self):
        if self._wakes:
            wake, self._running = min((wake, who) for who, wake in self._wakes.items())
            self.now = max(self.now, wake)
        self._turn.notify_all()


class ShardRollout(Rollout):
    """One shard; `log` has the steps on hosts of all shards, in their order."""

    def __init__(self, fleet, shard, clock, log, directory, src, **more):
        own = share_of(in_order(fleet), shard)
        self._time = clock
        super().__init__({name: fleet[name] for name in own}, directory, src, **more)
        self.shard, self.log, self.record, self.error = shard, log, None, None
        self._others = {
            name: dict(host.get("variables", {})) for name, host in fleet.items() if name not in self.hosts}
        self.dies_before = None  # a step on a host

    clock = property(lambda self: self._time.now, lambda self, value: None)

    def _sleep(self, seconds):
        self._time.sleep(self.shard.number, seconds)

    def _ask(self, host, step):
        if self.dies_before == step:
            raise Killed
        self.log.append((step, host))
        super()._ask(host, step)

    def _call(self, batch, phase=0):
        call = super()._call(batch, phase)
        hostvars = {**self._others, **self._registered}
        return dataclasses.replace(call, variables={**call.variables, "hostvars": hostvars})

    def run_in_thread(self):
        self._time.wait_for_turn(self.shard.number)
        try:
            self.record = self.run()
        except (Killed, TaskError) as error:
            self.error = error
        finally:
            self._time.end(self.shard.number)


class Fleet:
    """All shards of a fleet; `absent` are not started, and `late` start some seconds later."""

    rollout = ShardRollout

    def __init__(self, hosts, of, directory, src, absent=(), late=(), own=None, **variables):
        self.clock, self.log = Clock(), []
        self.shards = {}
        for number in range(1, of + 1):
            place = Path(directory, f"controller-{number}")
            place.mkdir(exist_ok=True)
            given = {
                "livepatch_shard": f"{number}/{of}", "livepatch_shard_dir": str(Path(directory, "shared")),
                **variables, **(own or {}).get(number, {})}
            self.shards[number] = self.rollout(
                given.pop("fleet", hosts), Shard(number, of), self.clock, self.log, place, given.pop("src", src),
                **given)
        self.absent, self.late = absent, dict(late)

    def run(self):
        """Run all shards to their ends; returns their records, None for one with an error."""
        started = [shard for number, shard in self.shards.items() if number not in self.absent]
        for shard in started:
            self.clock.start(shard.shard.number, self.late.get(shard.shard.number, 0.0))
        threads = [threading.Thread(target=shard.run_in_thread, daemon=True) for shard in started]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {number: shard.record for number, shard in self.shards.items()}

    def on(self, step):
        return [host for one, host in self.log if one == step]

    def states(self):
        return {name: host["state"] for shard in self.shards.values() if shard.record
                for name, host in shard.record["hosts"].items()}

    def verdicts(self):
        return {number: shard.ended["verdict"] for number, shard in self.shards.items() if shard.ended}

    def errors(self):
        return {number: shard.error for number, shard in self.shards.items() if shard.error}
