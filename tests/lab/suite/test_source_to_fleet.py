# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook builds a source patch for four kernels, by kpatch-build and klp-build, and rolls the files out.

The build roots take long to make: without --builders, the test runs only where they were made before.
"""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from built_lab import built_lab
from fleet_fixtures import hosts_of
from guest import STORE, Guest
from playbook import Playbooks

from tests.lab.builders.builds import DIFFS, KLP_BUILD, KPATCH_BUILD
from tests.lab.builders.four_kernels import FourKernelsLab

SOURCE_PATCH = DIFFS / "cmdline-v1.patch"
NAME = "livepatch_cmdline_v1"
BUILD_HOST = "build1"
MACHINES = 2  # of each kernel


@pytest.fixture(scope="module")
def lab(request):
    """Machines of every kernel, and a build root with a builder for each."""
    the_lab = FourKernelsLab(make=request.config.getoption("--builders"))
    with built_lab(request.config, the_lab, f"it runs over all kernels with --kernel {the_lab.kernel.name}"):
        yield the_lab


@pytest.fixture(scope="module")
def guests(lab):
    """The guests of each release, by their names in the inventory."""
    releases = {}
    for target in lab.targets:
        machines = lab.machines_of(target, MACHINES)
        releases[target.image.release] = {machine.name: Guest(machine) for machine in machines}
    return releases


@pytest.fixture
def inventory(lab, guests, tmp_path):
    """All guests and the build host."""
    builder = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    machines = {name: guest.machine for named in guests.values() for name, guest in named.items()}
    path = tmp_path / "fleet.yml"
    hosts = {BUILD_HOST: builder, **hosts_of(lab, machines)}
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    return path


def playbook(lab, directory):
    """Write what the guide on builds shows: two imports, with variables of their own."""
    build = {
        "livepatch_src": str(SOURCE_PATCH), "livepatch_bundle": str(directory / "patches"),
        "livepatch_build_host": BUILD_HOST, "livepatch_kernels": [target.for_patch_build() for target in lab.targets]}
    rollout = {
        "livepatch_src": str(directory / "patches"), "livepatch_hosts": f"all,!{BUILD_HOST}", "livepatch_soak": 5,
        "livepatch_trial": 900, "livepatch_transition_timeout": 60}
    plays = [
        {"name": "Build the patch", "import_playbook": "kernel.livepatch.build", "vars": build},
        {"name": "Roll it out", "import_playbook": "kernel.livepatch.rollout", "vars": rollout}]
    path = directory / "close-cve.yml"
    path.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    return str(path)


def accepted(guest):
    """The names of the patches that the next boot loads."""
    return [entry["name"] for entry in json.loads(guest.read(f"{STORE}/ledger.json"))["accepted"]]


def test_a_source_patch_becomes_eight_patched_machines_of_four_kernels(lab, guests, inventory, tmp_path, seen):
    with lab.roots_locked():
        outcome = Playbooks(tmp_path, inventory).run_playbook(playbook(lab, tmp_path))
    assert outcome.code == 0, outcome.output
    files = {path.parent.name: path.name for path in (tmp_path / "patches").glob("*/*.ko")}
    assert files == dict.fromkeys(guests, f"{NAME}.ko")
    told = yaml.safe_load((tmp_path / "patches/bundle.yml").read_text(encoding="utf-8"))["patches"]
    tools = {release: told[f"{release}/{NAME}.ko"]["provenance"]["tool"] for release in guests}
    assert list(tools.values()) == [KPATCH_BUILD, KPATCH_BUILD, KPATCH_BUILD, KLP_BUILD]
    for release, named in guests.items():
        for name, guest in named.items():
            assert guest.release() == release
            assert (guest.version(), guest.live_patches()) == ("v1", [NAME]), name
            assert accepted(guest) == [NAME]
    count = sum(map(len, guests.values()))
    seen(f"one playbook from a .patch to {count} machines of {len(guests)} kernels",
         "built by kpatch-build and klp-build; accepted everywhere; exit code 0", ", ".join(guests))
