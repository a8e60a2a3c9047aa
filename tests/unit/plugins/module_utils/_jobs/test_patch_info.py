# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_info tells, with root and without."""

import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()


def test_a_kernel_without_patches(kernel):
    inventory = host_inventory(kernel)
    assert inventory.pop("kernel")["release"] == "6.1.0-56-amd64"
    assert inventory == {
        "interface": "livepatch", "patches": [], "transition": None, "leftovers": [], "kept": [], "other_tools": [],
        "changing": None, "journal": [], "journal_unreadable": 0, "accepted": [], "quarantined": [], "trial": None,
        "failed_watch": None, "drift": [],
        "boot": {"installed": False, "enabled": False, "switched_off": False, "init": "none", "patches": []}}


def test_a_patch_with_its_module(kernel, apply):
    apply(FIX)
    inventory = host_inventory(kernel)
    assert inventory["patches"] == [{
        "name": "fix", "state": "enabled", "replace": None, "stack_order": None, "build_id": "aa" * 20, "taint": "OEK",
        "refcnt": 1,
        "objects": [{
            "name": "vmlinux", "patched": True, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}],
    }]
    assert inventory["kept"] == [{
        "name": "fix", "release": "6.1.0-56-amd64", "arch": "x86_64", "sha256": FIX.sha256, "build_id": "aa" * 20,
        "size": len(FIX.image)}]
    assert (inventory["transition"], inventory["leftovers"]) == (None, [])


@pytest.mark.parametrize("state", ["enabling", "disabling"])
def test_a_transition_with_who_holds_it(kernel, apply, state):
    kernel.hold(7, directions=(state,))
    apply(FIX, on_stall="wait")
    if state == "disabling":
        apply(name="fix", state="disabled", on_stall="wait")
    transition = host_inventory(kernel)["transition"]
    assert (transition["name"], transition["state"]) == ("fix", state)
    assert [(blocker["tid"], blocker["reason"]) for blocker in transition["blockers"]] == [(7, "asleep-in-function")]


def test_what_is_left_of_patches_that_are_gone(kernel, apply):
    apply(FIX)
    apply(name="fix", state="disabled")
    kernel.sleep(1)  # by now the simulated kernel has freed it
    kernel.plain_module("pinned", taint="OEK", refcnt=1)
    kernel.plain_module("e1000", taint="OE")
    kernel.put("/sys/module/builtin/parameters/debug", "0\n")
    inventory = host_inventory(kernel)
    assert inventory["patches"] == []
    assert inventory["leftovers"] == [
        {"name": "fix", "build_id": "aa" * 20, "refcnt": 0}, {"name": "pinned", "build_id": "bb" * 20, "refcnt": 1}]


def test_without_root_it_tells_what_it_may_and_asks_the_kernel_nothing(kernel, apply):
    kernel.hold(7)
    apply(FIX, on_stall="wait")
    kernel.writes.clear()
    kernel.put("/proc/self/status", "CapEff:\t0000000000000000\n")
    kernel.forbidden = ("/proc/1/", "/proc/7/", "/proc/dynamic_debug", "/sys/kernel/tracing", "/sys/kernel/security")
    inventory = host_inventory(kernel)
    assert inventory["transition"] == {"name": "fix", "state": "enabling", "blockers": []}
    assert [patch["name"] for patch in inventory["patches"]] == ["fix"]
    assert inventory["kernel"]["lockdown"] is None
    assert kernel.writes == []


def test_the_other_tools_on_the_host_are_told(kernel):
    kernel.put("/usr/bin/kcarectl", "")
    assert [(tool["name"], tool["active"]) for tool in host_inventory(kernel)["other_tools"]] == [("KernelCare", False)]


def test_the_life_of_a_patch_on_a_host_without_systemd(kernel, apply):
    """As the changes themselves write ledger and journal; in test_drift.py those are written by hand."""
    def patches_and_drift():
        inventory = host_inventory(kernel)
        return ([(patch["name"], patch["state"]) for patch in inventory["patches"]],
                [found["code"] for found in inventory["drift"]])

    later = SimulatedPatch("later", build_id="cc" * 20, replace=True)
    kernel.put("/proc/sys/kernel/random/boot_id", "first\n")
    apply(FIX)
    assert patches_and_drift() == ([("fix", "enabled")], ["enabled-not-accepted"])
    apply(FIX, state="accepted", fresh=True)
    assert patches_and_drift() == ([("fix", "accepted")], ["boot-service-missing"])
    apply(later, trial=300)
    assert patches_and_drift() == ([("later", "enabled")], ["on-trial", "boot-service-missing"])
    assert host_inventory(kernel)["trial"]["back_to"] == ["fix"]
    for number, _command in enumerate(kernel.spawned, start=1):
        shutil.rmtree(kernel.path(f"/proc/{5000 + number}"))
    assert patches_and_drift() == (
        [("later", "enabled")], ["on-trial", "trial-process-missing", "boot-service-missing"])
    assert failure(apply, later, state="accepted", fresh=True).code == "watch-not-run"
    apply(later, trial=300)
    apply(later, state="accepted", fresh=True)
    assert patches_and_drift() == ([("later", "accepted")], ["boot-service-missing"])
    apply(name="later", state="absent")
    assert patches_and_drift() == ([], [])
    assert [(entry["action"], [(layer["name"], layer["accepted"]) for layer in entry["after"]])
            for entry in host_inventory(kernel)["journal"]] == [
        ("patch", []), ("accept", [("later", True)]), ("patch", [("later", False)]),
        ("patch", [("later", False)]), ("accept", [("fix", True)]),
        ("patch", [("fix", False)])]


@pytest.mark.parametrize("directory", ["kpatch", "kgraft", "none"])
def test_a_kernel_with_another_interface_or_none_is_no_failure(kernel, directory):
    os.rename(kernel.path("/sys/kernel/livepatch"), kernel.path(f"/sys/kernel/{directory}"))
    inventory = host_inventory(kernel)
    assert inventory["interface"] == directory
    assert inventory["patches"] == []
