# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a fleet of machines of two kernel releases, eight with --exhaustive and four without."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import yaml
from fleet import GROUPS, Fleet
from fleet_runs import Runs
from guest import Guest

from tests.lab import Lab
from tests.lab.kernels import KERNELS

# What the kernel under test is together with, the first of them that is another one.
COMPANIONS = ("6.1", "6.12")


@pytest.fixture(scope="module")
def started_fleet(request, lab, tmp_path_factory):
    """The fleet and the path of its inventory; all tests of a file have the same machines.

    They end with the file: idle machines of the lab keep more than one core busy.
    """
    count = request.config.getoption("--fleet") or (4 if request.config.getoption("--exhaustive") else 2)
    members, groups, patches = {}, {}, {}
    with ExitStack() as stack:
        for group, kernel in zip(GROUPS, _kernels(lab.kernel.name), strict=True):
            its_lab = lab if kernel == lab.kernel.name else stack.enter_context(Lab(kernel=kernel))
            names = {f"{group}{number}": machine for number, machine in enumerate(its_lab.machines(count), 1)}
            for machine in names.values():
                stack.callback(its_lab.end, machine)
            members[group] = {name: Guest(machine) for name, machine in names.items()}
            groups[group] = {"hosts": hosts_of(its_lab, names)}
            patches[group] = its_lab.patches
        inventory = tmp_path_factory.mktemp("fleet") / "fleet.yml"
        inventory.write_text(yaml.safe_dump({"all": {"children": groups}}), encoding="utf-8")
        yield Fleet(members, patches), inventory


@pytest.fixture
def fleet(started_fleet):
    """The fleet, with kernels without live patches and without a journal."""
    the_fleet, _inventory = started_fleet
    the_fleet.clean()
    return the_fleet


@pytest.fixture
def runs(started_fleet, fleet, tmp_path):
    """What runs the collection's playbooks over the fleet."""
    _fleet, inventory = started_fleet
    with ThreadPoolExecutor() as pool:
        yield Runs(fleet, tmp_path, inventory, pool)


@pytest.fixture
def bundle(fleet, tmp_path):
    """Make a bundle of one patch for both kernels, or for some: bundle("cmdline_v1", [OLD])."""
    return lambda patch, groups=GROUPS: fleet.bundle(tmp_path / "bundles" / patch, patch, groups)


def _kernels(under_test):
    """The kernel under test and another one of the lab's, the older one first."""
    companion = next(name for name in COMPANIONS if name != under_test)
    return sorted((under_test, companion), key=list(KERNELS).index)


def hosts_of(lab, machines):
    """The variables of machines in an inventory, with names that no two labs share."""
    written = yaml.safe_load(lab.write_inventory(list(machines.values()), "fleet").read_text(encoding="utf-8"))["all"]
    hosts = written["children"][lab.kernel.group]["hosts"]
    return {name: {**written["vars"], **hosts[machine.name]} for name, machine in machines.items()}
