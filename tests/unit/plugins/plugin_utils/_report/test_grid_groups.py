# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of a report's grid: their order, and their cost with many waves."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.grid import grid
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples


class CountedWave(dict):
    """A wave that counts how often it is read."""

    reads = 0

    def __getitem__(self, key):
        CountedWave.reads += 1
        return super().__getitem__(key)

    def get(self, key, default=None):
        CountedWave.reads += 1
        return super().get(key, default)


def with_waves(count):
    """A record with one host in each wave, from the last wave to the first, and two in none."""
    hosts = {f"web{number}": examples.host(examples.KERNELS[0], wave=number) for number in range(count, 0, -1)}
    hosts["old"] = examples.host(examples.OLD_KERNEL, state="no_build")
    hosts["lost"] = examples.host(None, cohort=None, state="unchanged")
    waves = [CountedWave(number=number, title=f"part {number}", hosts=[f"web{number}"], state="passed")
             for number in range(1, count + 1)]
    return examples.record(hosts, waves)


def test_waves_are_in_their_order_and_hosts_in_none_are_last():
    titles = [group.title for group in grid(with_waves(12)).groups]
    kernel = f"{examples.KERNELS[0]} x86_64"
    assert titles == [*(f"Wave {number}, part {number} · {kernel}" for number in range(1, 13)),
                      "In no wave · kernel not known", f"In no wave · {examples.OLD_KERNEL} x86_64"]


def test_the_cohorts_of_a_wave_are_in_the_order_of_their_titles():
    made = with_waves(2)
    made["hosts"] = {**{f"db{number}": examples.host(examples.KERNELS[1], wave=number) for number in (2, 1)},
                     **made["hosts"]}
    titles = [group.title for group in grid(made).groups][:4]
    assert titles == [f"Wave {number}, part {number} · {kernel} x86_64"
                      for number in (1, 2) for kernel in sorted(examples.KERNELS)]


@pytest.mark.parametrize("count", [50, 500])
def test_the_cost_of_the_groups_grows_with_the_waves_and_not_with_their_square(count):
    made = with_waves(count)
    CountedWave.reads = 0
    assert len(grid(made).groups) == count + 2
    assert CountedWave.reads <= 6 * count
