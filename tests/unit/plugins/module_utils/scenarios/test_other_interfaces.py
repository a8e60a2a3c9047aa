# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials, boots and last resorts on simulated hosts with other interfaces; no such kernel was run."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import (
    MARGIN_SECONDS,
    LastResort,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import assert_fits
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    accept,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.older_livepatch import (
    SimulatedOpenEuler,
    SimulatedRegistry,
    SimulatedSignal,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kgraft import (
    SimulatedKgraft,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kpatch import (
    SimulatedKpatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

# The host, and what is different about a patch file for it.
HOSTS = {
    SimulatedKpatch: {"livepatch": False, "format": "kpatch-core"},
    SimulatedKgraft: {"livepatch": False, "format": "kgraft", "opaque": True},
    SimulatedOpenEuler: {}, SimulatedRegistry: {}, SimulatedSignal: {},
}


@pytest.fixture(params=list(HOSTS), ids=lambda kind: kind.__name__)
def kernel(request, tmp_path):
    return request.param(tmp_path / "host")


@pytest.fixture
def patches(kernel):
    """Two patches that do not replace each other."""
    made_for = HOSTS[type(kernel)]
    return [SimulatedPatch("one", build_id="11" * 20, objects={"vmlinux": ["one"]}, **made_for),
            SimulatedPatch("two", build_id="22" * 20, objects={"vmlinux": ["other"]}, **made_for)]


def enabled(kernel):
    kernel.sleep(1)  # what was disabled is gone by then
    return [patch["name"] for patch in interface_adapter(kernel).patches() if patch["state"] == "enabled"]


def test_the_end_of_a_trial_reverts(host, apply, patches):
    apply(patches[0])
    apply(patches[1], trial=60)
    assert enabled(host) == ["one", "two"]
    end_trial(host)
    assert enabled(host) == ["one"]
    assert (read_ledger(host)["trial"], host.exists("/sys/module/two")) == (None, False)


def test_a_boot_loads_what_was_accepted(host, systemd, apply, patches):
    for patch in patches:
        accept(apply, patch)
    reboot(host)
    assert enabled(host) == []
    boot(host)
    assert enabled(host) == ["one", "two"]
    inventory = host_inventory(host)
    assert [(patch["name"], patch["state"]) for patch in inventory["patches"]] == [
        ("one", "accepted"), ("two", "accepted")]
    assert inventory["drift"] == []
    assert_fits("patch_info", {"changed": False, "livepatch": inventory})


def test_a_last_resort_disables_the_patch(host, apply, patches):
    apply(patches[0], trial=60)
    last_resort = LastResort(host, read_ledger(host)["trial"])
    host.sleep(60 + MARGIN_SECONDS + 1)
    assert "this host has reverted to no live patch" in last_resort.run("the lock cannot be used")
    assert enabled(host) == []


def test_a_watch_verifies_the_patch(host, apply, patches):
    apply(patches[0])
    result = watch_host(host, "one", {}, [], None)
    assert (result["state"], result["well"], result["verified"]) == ("enabled", True, True)
    assert_fits("patch_watch", result)


def test_check_mode_foretells_the_change(host, apply, patches):
    forecast = apply(patches[0], check_mode=True)
    assert (forecast["changed"], forecast["patch"]["state"], host.loads) == (True, "enabled", [])
    done = apply(patches[0])
    assert done["patch"]["state"] == forecast["patch"]["state"]
