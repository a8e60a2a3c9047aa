# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of the shards fails in the middle of a rollout: each shard still rolls back, ends and reports."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import in_order
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import shard_steps
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import shards as files
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_in_shards import Fleet

TWELVE = [f"web{number}" for number in range(1, 13)]
ORDER = in_order(TWELVE)
SECOND, THIRD = ORDER[1:6], ORDER[6:]  # of waves of 1, 5 and 6


@pytest.fixture(autouse=True)
def _pause(monkeypatch):
    """Each look at the other shards hands over to another thread here."""
    monkeypatch.setattr(shard_steps, "PAUSE", 20)


@pytest.fixture
def fleet(build_module, tmp_path, monkeypatch):
    """fleet(broken, at, **hosts): three shards; at the first `at` (step, host), the functions in `broken` fail."""
    def begin(broken, at, **hosts):
        run = Fleet({**{name: {} for name in TWELVE}, **hosts}, 3, tmp_path,
                    build_module("source_simple", '-DNAME="fix"'), livepatch_waves="canary, 50%, 100%",
                    livepatch_shard_timeout=500)
        real = {name: getattr(files, name) for name in broken}

        def fails(name):
            def call(*arguments):
                if at in run.log:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return real[name](*arguments)
            return call
        for name in broken:
            monkeypatch.setattr(files, name, fails(name))
        return run
    return begin


READ, WRITE = "read_regular", "write_private"


@pytest.mark.parametrize("broken", [(READ,), (WRITE,), (READ, WRITE)])
def test_no_wave_starts_after_it_and_every_shard_has_its_summary(fleet, broken):
    run = fleet(broken, ("keep", SECOND[0]))
    records = run.run()
    assert run.errors() == {} and not set(run.on("load")) & set(THIRD) and run.on("back") == []
    assert sorted(run.verdicts()) == [1, 2, 3] and all(not record["ok"] for record in records.values())
    assert any("livepatch_shard_dir" in verdict for verdict in run.verdicts().values())


@pytest.mark.parametrize("broken", [(READ,), (WRITE,), (READ, WRITE)])
def test_a_shard_over_its_budget_rolls_its_hosts_back_without_it(fleet, broken):
    run = fleet(broken, ("load", SECOND[0]), **{SECOND[0]: {"load": "failed"}})
    run.run()
    breached = next(shard for shard in run.shards.values() if SECOND[0] in shard.hosts)
    mine = set(SECOND[1:]) & set(breached.hosts)
    assert mine and mine <= set(run.on("back")) and run.errors() == {}
    assert {run.states()[name] for name in mine} == {"rolled_back"}


@pytest.mark.parametrize("broken", [(READ,), (WRITE,)])
def test_after_the_last_wave_the_result_of_the_others_is_not_known(fleet, broken):
    run = fleet(broken, ("keep", THIRD[0]))
    records = run.run()
    assert run.errors() == {} and run.on("back") == [] and not all(record["ok"] for record in records.values())
    assert sorted(run.verdicts()) == [1, 2, 3]
