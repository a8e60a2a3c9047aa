# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a rollout cost the controller without Ansible: hosts are simulated, and answer at once."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
import typing as t

from tests.benchmarks.controller import patch_files
from tests.benchmarks.figures import Benchmark, Figure, Settings

PLANNED, PLANNED_IN_SHARDS = 10_000, 100_000
FORKS = 50  # of the controller: they decide how large a wave can be

PLAN = Figure(f"Planning {PLANNED:,} hosts and judging them in one wave, without Ansible", 2, "s")
WAVES = Figure(f"The same in the default waves, with {FORKS} forks", None, "s")
STEPS = Figure(f"The same for one host of {PLANNED_IN_SHARDS:,} in shards / of {PLANNED:,} in one rollout", None)


def timed(rollout: type) -> type:
    """Make a class of a simulated rollout that counts the CPU time of its own steps in `steps`."""
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.steps import take_step
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import (
        rollout_of_simulated_hosts as simulated,
    )

    class Timed(rollout):  # type: ignore[misc]
        steps = 0.0

        def _step(self, step, batch, phase=0):
            call = self._call(batch, phase)
            begun = time.thread_time()  # a shard that waits is not counted
            self._now = take_step(step, call)
            self.steps += time.thread_time() - begun
            self._facts = self._now.get("ansible_facts", self._facts)
            return self._now

        def _ask(self, host, step):
            self._registered[host][simulated.REGISTERED[step]] = simulated.ANSWERS[step]["ok"]

        def _call(self, batch, phase=0):
            call = super()._call(batch, phase)
            return dataclasses.replace(call, variables={**call.variables, "ansible_forks": FORKS})
    return Timed


def fleet_of(count: int) -> dict[str, dict]:
    return {f"host{number:06}": {} for number in range(count)}


def seconds_of_steps(count: int, **variables: t.Any) -> float:
    """The seconds of the steps of one rollout."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import (
        rollout_of_simulated_hosts as simulated,
    )

    with patch_files() as (patch,), tempfile.TemporaryDirectory() as directory:
        rollout = timed(simulated.Rollout)(
            fleet_of(count), directory, patch, livepatch_soak=0, livepatch_looks=0, **variables)
        waves = len(rollout.run()["waves"])
        print(f"{count} hosts in {waves} waves: {rollout.steps:.1f} s", flush=True)
        return rollout.steps


def plan_and_judge(settings: Settings) -> dict[str, float]:
    """A rollout in one wave, and one in the default waves."""
    from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL

    one_wave = {"livepatch_waves": "100%", "livepatch_longest_trial": LONGEST_TRIAL}
    return {PLAN.title: statistics.median(seconds_of_steps(PLANNED, **one_wave) for _time in range(settings.pairs)),
            WAVES.title: seconds_of_steps(PLANNED)}


def plan_and_judge_in_shards(settings: Settings) -> dict[str, float]:
    """A rollout in shards, each of which plans the whole fleet and judges its own hosts."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import (
        rollout_in_shards as simulated,
    )

    class Fleet(simulated.Fleet):
        rollout = timed(simulated.ShardRollout)

    alone = seconds_of_steps(PLANNED)
    with patch_files() as (patch,), tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(fleet_of(PLANNED_IN_SHARDS), settings.shards, directory, patch,
                      livepatch_soak=0, livepatch_looks=0)
        records = fleet.run()
        accepted = sum(state == "accepted" for state in fleet.states().values())
        if accepted != PLANNED_IN_SHARDS:
            raise RuntimeError(f"{accepted} of {PLANNED_IN_SHARDS} hosts accepted the patch: {fleet.errors()}")
    seconds = [shard.steps for shard in fleet.shards.values()]
    print(f"{PLANNED_IN_SHARDS} hosts in {settings.shards} shards and {len(records[1]['waves'])} waves: "
          f"{sum(seconds):.0f} s, {max(seconds):.0f} s in the busiest shard", flush=True)
    return {STEPS.title: sum(seconds) / PLANNED_IN_SHARDS / (alone / PLANNED)}


def benchmarks() -> tuple[Benchmark, ...]:
    """Those of the steps."""
    profile = "python -m cProfile -s cumtime -m tests.benchmarks"
    return (
        Benchmark("plan", (PLAN, WAVES), plan_and_judge, f"{profile} plan"),
        Benchmark("plan-shards", (STEPS,), plan_and_judge_in_shards, f"{profile} plan-shards", in_table=False),
    )
