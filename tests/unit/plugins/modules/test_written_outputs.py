# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a changing module writes for others after its change, whatever became of the change."""

import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.cli import main
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
FACTS = "/etc/ansible/facts.d/livepatch.fact"


@pytest.fixture
def host(kernel):
    """A simulated kernel with the directory for facts."""
    os.makedirs(kernel.path(os.path.dirname(FACTS)))
    return kernel


@pytest.fixture
def load(run, tmp_path):
    """load(options): the result of `patch`, with the file delivered."""
    path = tmp_path / "fix.ko"
    path.write_bytes(FIX.image)

    def call(**options):
        return run("patch", src="fix.ko", offer=FIX.offer(str(path)), **options)[1]
    return call


def state(host):
    return json.loads(host.read(FACTS))["state"]


def test_each_change_is_written(host, load, run):
    assert load()["findings"] == []
    assert state(host) == "enabled"
    assert host.exists("/usr/local/sbin/kernel-livepatch")
    assert run("patch_rollback", to="original")[1]["findings"] == []
    assert state(host) == "unpatched"


def test_nothing_is_written_without_a_change(host, load):
    load(check_mode=True)
    assert not host.exists(FACTS)
    load()
    os.unlink(host.path(FACTS))
    assert load()["changed"] is False
    assert not host.exists(FACTS)


def test_a_change_that_failed_is_written_too(host, load, run):
    load()
    os.unlink(host.path(FACTS))
    host.hold(7, ("disabling",))
    result = run("patch", name="fix", state="absent", transition_timeout=1)[1]
    assert result["failed"] and result["transaction"]
    assert state(host) == "enabled"


def test_a_change_does_not_fail_because_of_what_is_written(host, load):
    os.chmod(host.path(os.path.dirname(FACTS)), 0o777)
    result = load()
    assert (result["changed"], result.get("failed")) == (True, None)
    assert [found["code"] for found in result["findings"]] == ["output-not-written"]


@pytest.mark.parametrize("words", [["boot"], ["confirm-boot"]])
def test_a_boot_starts_a_process_for_it_and_does_not_wait(host, words):
    main(words, host)
    assert [argv[-1] for argv in host.spawned] == ["refresh"]


@pytest.mark.parametrize("words", [["boot"], ["confirm-boot"], ["end-trial"]])
def test_a_host_without_a_place_for_them_starts_no_process(kernel, words):
    main(words, kernel)
    assert (kernel.spawned, [argv for argv in kernel.commands if argv[-1] == "refresh"]) == ([], [])


def test_a_trial_waits_for_that_process_because_it_would_end_with_its_service(host):
    main(["end-trial"], host)
    assert host.commands[-1][-1] == "refresh"
    assert host.spawned == []
