# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch of which no function is in effect, because none of its modules is loaded."""

import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.verification import verify_patch
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    accept,
    accepted,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

BASE = "/sys/kernel/livepatch/fix"
FIX = SimulatedPatch(objects={"vmlinux": ["one"], "target": ["three"]})
LATER = SimulatedPatch(objects={"target": ["three"]})
INEFFECTIVE = {"ignore_findings": ["ineffective"]}


def come(kernel):
    """The module that LATER patches is loaded, and patched by the kernel."""
    kernel.plain_module("target")
    kernel.put(f"{BASE}/target/patched", "1\n")


def test_a_patch_without_any_function_in_effect_is_not_loaded(kernel, apply, interface):
    for state in ("enabled", "accepted"):
        with pytest.raises(LivepatchError) as caught:
            apply(LATER, state=state)
        assert (caught.value.code, kernel.loads) == ("ineffective", [])


def test_it_is_loaded_for_a_module_that_comes_later_and_not_verified_until_then(kernel, apply, interface):
    assert apply(LATER, **INEFFECTIVE)["patch"]["state"] == "enabled"
    assert apply(LATER, **INEFFECTIVE)["changed"] is False
    found, _functions = verify_patch(kernel, interface, "fix", LATER.description)
    assert [(one["code"], one["level"]) for one in found if one["level"] != "note"] == [("ineffective", "blocker")]
    with pytest.raises(LivepatchError) as caught:
        verify_host(kernel, None, "fix")
    assert (caught.value.code, caught.value.details["verified"]) == ("ineffective", False)
    come(kernel)
    assert verify_host(kernel, None, "fix")["verified"] is True


def test_it_is_accepted_only_if_that_is_asked_for_again(kernel, apply):
    apply(LATER, trial=60, **INEFFECTIVE)
    with pytest.raises(LivepatchError) as caught:
        apply(LATER, state="accepted", fresh=True)
    assert caught.value.code == "ineffective"
    assert accepted(kernel) == []
    apply(LATER, state="accepted", fresh=True, **INEFFECTIVE)
    assert accepted(kernel) == ["fix"]


def test_a_patch_with_one_object_in_effect_is_accepted(kernel, apply):
    apply(FIX, state="accepted")
    apply(FIX, state="accepted", fresh=True)
    assert accepted(kernel) == ["fix"]


def test_a_host_is_well_while_the_modules_of_its_patch_are_not_loaded(kernel, apply):
    apply(LATER, **INEFFECTIVE)
    result = watch_host(kernel, "fix", None, [], None)
    assert (result["well"], result["verified"]) == (True, False)
    assert [(one["code"], one["level"]) for one in result["findings"] if one["level"] != "note"] == [
        ("no-object-loaded", "warning")]


def test_a_boot_loads_it_before_its_module_comes(host, systemd, apply, interface):
    host.plain_module("target")
    accept(apply, LATER)
    reboot(host)
    boot(host)
    assert interface.state("fix") == "enabled"


def test_a_rollback_restores_it(kernel, apply, interface):
    kernel.plain_module("target")
    apply(LATER)
    shutil.rmtree(kernel.path("/sys/module/target"))
    kernel.put("/proc/modules", "fix 16384 1 - Live 0x0\n")
    apply(SimulatedPatch("all", build_id="99" * 20, replace=True), ignore_findings=["replaces-foreign-patch"])
    result = roll_back(kernel, "previous", 90, "reverse")
    assert [done["name"] for done in result["restored"]] == ["fix"]
    assert interface.state("fix") == "enabled"
