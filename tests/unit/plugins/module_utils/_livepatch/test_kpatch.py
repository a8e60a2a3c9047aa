# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for kpatch.ko on a simulated host; no kernel with kpatch.ko was run."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import assert_fits
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kpatch import (
    KPATCH,
    SimulatedKpatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

MADE_FOR_IT = {"livepatch": False, "format": "kpatch-core"}


def patch(name="fix", **known):
    return SimulatedPatch(name, replace=None, **dict(MADE_FOR_IT, **known))


@pytest.fixture
def kernel(tmp_path):
    return SimulatedKpatch(tmp_path / "host")


def test_a_patch_is_loaded_verified_disabled_and_removed(kernel, apply):
    result = apply(patch(objects={"vmlinux": ["one"], "target": ["three"]}))
    assert (result["changed"], result["patch"]["state"]) == (True, "enabled")
    assert result["patch"]["objects"] == [
        {"name": "target", "patched": False, "functions": [{"name": "three", "sympos": 1}]},
        {"name": "vmlinux", "patched": True, "functions": [{"name": "one", "sympos": 1}]}]
    verified = verify_host(kernel, None, None)
    assert verified["verified"]
    assert {one["name"]: one["ftrace"] for one in verified["functions"]} == {"one": True, "three": False}
    assert not apply(patch(objects={"vmlinux": ["one"], "target": ["three"]}))["changed"]
    assert apply(name="fix", state="disabled")["patch"]["state"] == "disabled"
    assert kernel.read(f"{KPATCH}/fix/enabled") == "0"
    assert apply(name="fix", state="absent")["patch"]["state"] == "absent"
    assert not kernel.exists("/sys/module/fix")


def test_a_disabled_patch_is_loaded_anew(kernel, apply):
    apply(patch())
    apply(name="fix", state="disabled")
    assert apply(patch())["patch"]["state"] == "enabled"
    assert [name for name, _parameters in kernel.loads] == ["fix", "fix"]


def test_the_inventory_names_the_interface_and_its_patches(kernel, apply):
    apply(patch())
    apply(patch("later", build_id="cc" * 20, objects={"vmlinux": ["other"]}))
    inventory = host_inventory(kernel)
    assert inventory["interface"] == "kpatch"
    assert [(one["name"], one["state"], one["replace"], one["refcnt"]) for one in inventory["patches"]] == [
        ("fix", "enabled", None, 1), ("later", "enabled", None, 1)]
    assert (inventory["transition"], inventory["leftovers"]) == (None, [])
    assert inventory["other_tools"] == []  # kpatch.ko is the interface here
    assert_fits("patch_info", {"changed": False, "livepatch": inventory})


def test_a_load_waits_until_no_task_is_in_the_function(kernel, apply):
    kernel.in_use = {"cmdline_proc_show"}
    kernel.at(1, kernel.in_use.clear)
    assert apply(patch(), timeout=30)["patch"]["state"] == "enabled"
    assert len(kernel.loads) > 1


def test_a_load_into_a_busy_function_is_refused_and_leaves_nothing(kernel, apply):
    kernel.in_use = {"cmdline_proc_show"}
    error = failure(apply, patch())
    assert error.code == "function-in-use"
    assert "a task is in cmdline_proc_show" in error.message and "It was tried" in error.message
    assert "kpatch: PID: 7 Comm: worker" in error.details["kernel_log"]
    assert not kernel.exists("/sys/module/fix")


@pytest.mark.parametrize("leaves", [1, None])
def test_a_patch_in_use_is_disabled_as_soon_as_no_task_is_in_it(kernel, apply, leaves):
    apply(patch())
    kernel.in_use = {"cmdline_proc_show"}
    if leaves:
        kernel.at(kernel.now() + leaves, kernel.in_use.clear)
        assert apply(name="fix", state="disabled", timeout=30)["patch"]["state"] == "disabled"
        return
    error = failure(apply, name="fix", state="disabled")
    assert (error.code, error.details["changed"]) == ("function-in-use", False)
    assert error.details["attempts"] > 1
    assert interface_adapter(kernel).state("fix") == "enabled"


def test_a_rollback_loads_what_was_replaced(kernel, apply):
    one, two = patch("one", build_id="11" * 20), patch("two", build_id="22" * 20)
    apply(one)
    apply(two)
    done = roll_back(kernel, "previous", 3, "reverse")
    assert done["changed"]
    assert [one["name"] for one in interface_adapter(kernel).patches() if one["state"] == "enabled"] == ["one"]
    roll_back(kernel, "original", 3, "reverse")
    assert interface_adapter(kernel).patches() == []


def test_kpatch_replaces_when_its_parameter_says_so(kernel, apply):
    known = {"parameters": {"replace": "bool"}}
    apply(patch("one", build_id="11" * 20, **known))
    result = apply(patch("two", build_id="22" * 20, **known), params={"replace": True})
    assert result["patch"]["replaces"] == ["one"]
    assert not kernel.exists("/sys/module/one")


def test_another_module_is_never_taken_for_a_patch(kernel):
    kernel.plain_module("vfat")
    with pytest.raises(LivepatchError) as caught:
        interface_adapter(kernel).state("vfat")
    assert caught.value.code == "name-not-a-livepatch"


def test_it_cannot_force(kernel, apply):
    apply(patch())
    with pytest.raises(LivepatchError) as caught:
        interface_adapter(kernel).force("fix")
    assert caught.value.code == "interface-cannot"
    assert caught.value.message.startswith("kpatch.ko cannot force a change. Stop the tasks")


def test_a_file_for_livepatch_is_refused(kernel, apply):
    error = failure(apply, SimulatedPatch())
    assert (error.code, kernel.loads) == ("wrong-interface", [])
    assert "is a patch for livepatch, and this host has kpatch.ko." in error.message


@pytest.mark.parametrize("known, wanted", [
    (MADE_FOR_IT, "kpatch.ko"), ({"livepatch": False, "format": "kgraft"}, "kGraft")])
def test_a_file_for_a_legacy_mechanism_is_refused_by_livepatch(tmp_path, known, wanted):
    from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
        SimulatedKernel,
    )

    result = check_host(SimulatedKernel(tmp_path), SimulatedPatch(**known).offer(), None, report_only=True)
    found = {one["code"]: one["message"] for one in result["findings"]}
    assert f"is a patch for {wanted}, and this host has livepatch." in found["wrong-interface"]
    assert not result["compatible"] and "not-a-livepatch" not in found


def test_a_file_for_it_is_compared_with_this_kernel(kernel):
    other = patch(vermagic="6.1.0-56-amd64 SMP mod_unload modversions ", objects={"vmlinux": ["no_such"]})
    found = [one["code"] for one in check_host(kernel, other.offer(), None, report_only=True)["findings"]]
    assert {"vermagic-mismatch", "symbol-missing"} <= set(found)
    assert "wrong-interface" not in found


def test_before_0_4_nothing_is_driven(kernel):
    os.makedirs(kernel.path(f"{KPATCH}/patches"))
    inventory = host_inventory(kernel)
    assert (inventory["interface"], inventory["patches"]) == ("none", [])
