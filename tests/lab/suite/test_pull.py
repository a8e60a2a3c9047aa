# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook pull on real kernels: a release in a git repository that goes from ring to ring, with a halt between.

Each host has a clone of the repository, and pulls it before each run. The machines have no ansible-core: Ansible runs
beside the clone, for the machine of this host alone. The rings are those of names, as on hosts that pull themselves.
"""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml
from fleet import ENABLED

pytestmark = pytest.mark.one_kernel

PATCH = "cmdline_v1"
# Hosts with these names are in the rings 0 and 1 of RINGS.
RINGS, NAMES = ["1%", "10%", "100%"], ("web37", "web14")
# For emulated machines that share two cores and are slow: a run takes its time.
SOAK, TRIAL = 20, 1800


class Host:
    """One host of the fleet: its clone of the repository, and the runs on it."""

    def __init__(self, machine, name, repository, clone, runs):
        self.machine, self._name, self._repository, self._clone, self._runs = machine, name, repository, clone, runs

    def pull(self, *flags):
        """One run; returns its exit code and its artifact."""
        if not self._clone.exists():
            git("clone", "--quiet", str(self._repository), str(self._clone), cwd=self._repository)
        git("pull", "--quiet", "--ff-only", cwd=self._clone)
        ended = self._runs.playbook(
            "pull", "--limit", self.machine, *flags, release=str(self._clone / "release.yml"), ring_name=self._name)
        return ended.code, ended.artifacts.get("livepatch_pull", {}), ended.output


def git(*words, cwd):
    subprocess.run(
        ["git", "-c", "user.name=lab", "-c", "user.email=lab@example.com", *words], cwd=cwd, check=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"})


@pytest.fixture
def release(tmp_path, bundle):
    """release(up_to, halt): commit a release of the patch."""
    repository = tmp_path / "release.git"
    repository.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=repository)
    src = bundle(PATCH)

    def commit(up_to, halt=False):
        (repository / "release.yml").write_text(yaml.safe_dump({
            "rings": RINGS, "halt": halt, "soak": SOAK, "trial": TRIAL,
            "releases": [{"src": str(src), "up_to": up_to}]}))
        git("add", ".", cwd=repository)
        git("commit", "--quiet", "-m", "release", cwd=repository)
    commit.repository = repository
    return commit


@pytest.fixture
def hosts(fleet, release, runs, tmp_path):
    """The hosts of ring 0 and of ring 1."""
    machines = (fleet.names[0], fleet.names[-1])
    return [
        Host(machine, name, release.repository, tmp_path / f"clone-{name}", runs)
        for machine, name in zip(machines, NAMES, strict=True)]


def state(fleet, host):
    told = fleet.tell([host.machine])[host.machine]
    return told.patches, told.accepted


ON_TRIAL, ACCEPTED, NOTHING = ({PATCH: ENABLED}, []), ({PATCH: ENABLED}, [PATCH]), ({}, [])


@pytest.mark.exhaustive
def test_a_release_goes_from_ring_to_ring_and_a_halt_reverts_what_is_on_trial(fleet, hosts, release, seen):
    first, second = hosts
    release(up_to=0)
    assert [host.pull()[1].get("state") for host in hosts] == ["on_trial", "waiting"]
    assert [state(fleet, host) for host in hosts] == [ON_TRIAL, NOTHING]
    fleet[first.machine].wait(f"test $(($(date +%s) - $(stat -c %Y /run/kernel-livepatch/lease))) -ge {SOAK}")
    code, artifact, output = first.pull()
    assert (code, artifact["state"], state(fleet, first)) == (0, "accepted", ACCEPTED), output
    seen("ring 0 is released", "on trial, then accepted after its soak; ring 1 waits", fleet.kernels)

    release(up_to=1)
    code, artifact, output = second.pull()
    assert (code, artifact["state"], state(fleet, second)) == (0, "on_trial", ON_TRIAL), output
    before = fleet.tell([first.machine])
    release(up_to=1, halt="the lab says so")
    code, artifact, output = second.pull()
    assert (code, artifact["state"], state(fleet, second)) == (0, "reverted", NOTHING), output
    code, artifact, output = first.pull()
    assert (code, artifact["state"], fleet.tell([first.machine])) == (0, "halted", before), output
    code, artifact, output = second.pull()
    assert (code, artifact["state"], state(fleet, second)) == (0, "halted", NOTHING), output
    seen("a halt in the middle of ring 1", "the host on trial reverts, the accepted one keeps its patch", fleet.kernels)

    release(up_to=1)
    code, artifact, output = second.pull()
    assert (code, artifact["state"], state(fleet, second)) == (0, "on_trial", ON_TRIAL), output
    fleet[second.machine].wait(f"test $(($(date +%s) - $(stat -c %Y /run/kernel-livepatch/lease))) -ge {SOAK}")
    code, artifact, output = second.pull()
    assert (code, artifact["state"], state(fleet, second)) == (0, "accepted", ACCEPTED), output
    seen("the halt is over", "ring 1 loads the patch again, and accepts it", fleet.kernels)
