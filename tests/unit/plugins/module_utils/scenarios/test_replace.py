# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cumulative patches: the later one replaces the earlier ones, whose modules are then taken out."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIRST = SimulatedPatch("first", build_id="11" * 20)
SECOND = SimulatedPatch("second", build_id="22" * 20, objects={"vmlinux": ["meminfo_proc_show"]})
CUMULATIVE = SimulatedPatch(
    "cumulative", build_id="33" * 20, replace=True, objects={"vmlinux": ["cmdline_proc_show", "meminfo_proc_show"]})


@pytest.fixture
def two_patches(kernel, apply):
    apply(FIRST)
    apply(SECOND)
    return kernel


def test_a_cumulative_patch_replaces_the_others_and_their_modules_go(two_patches, interface, apply):
    result = apply(CUMULATIVE)
    assert result["patch"]["replaces"] == ["first", "second"]
    assert result["findings"] == []
    assert [patch["name"] for patch in interface.patches()] == ["cumulative"]
    assert two_patches.names("/sys/module") == ["cumulative"]
    assert result["diff"]["before"] == (
        "first: enabled\n  vmlinux:cmdline_proc_show,1\nsecond: enabled\n  vmlinux:meminfo_proc_show,1\n")
    assert result["diff"]["after"] == (
        "cumulative: enabled\n  vmlinux:cmdline_proc_show,1\n  vmlinux:meminfo_proc_show,1\n")


def test_a_patch_that_does_not_replace_is_stacked(two_patches, interface):
    assert [patch["name"] for patch in interface.patches()] == ["first", "second"]
    assert two_patches.names("/sys/module") == ["first", "second"]


def test_check_mode_forecasts_what_is_replaced(two_patches, apply):
    result = apply(CUMULATIVE, check_mode=True)
    assert result["patch"]["replaces"] == ["first", "second"]
    assert result["diff"]["after"].startswith("cumulative: enabled\n")
    assert two_patches.names("/sys/module") == ["first", "second"]


def test_check_mode_of_a_patch_that_is_stacked_or_does_not_say_keeps_the_others(two_patches, apply):
    for replace in (False, None):
        result = apply(SimulatedPatch("third", replace=replace), check_mode=True)
        assert result["patch"]["replaces"] == []
        assert result["diff"]["after"].startswith("first: enabled\n")


def test_what_a_finished_transition_replaced_goes_too_when_it_was_left_going_first(two_patches, apply):
    two_patches.hold(7)
    assert apply(CUMULATIVE, on_stall="wait")["patch"]["state"] == "enabling"
    two_patches.let_go(7)
    assert apply(CUMULATIVE)["patch"]["replaces"] == ["first", "second"]
    assert two_patches.names("/sys/module") == ["cumulative"]


def test_a_replaced_module_that_stays_is_a_warning(two_patches, apply):
    two_patches.hold(7)
    result = apply(CUMULATIVE, on_stall="force")
    assert result["patch"]["state"] == "enabled"
    assert [found["code"] for found in result["findings"]] == [
        "transition-forced", "replaced-module-kept", "replaced-module-kept"]
    assert result["findings"][1]["message"].startswith(
        "The replaced patch first has no effect any more, but its module stays loaded. The disabled patch first")
    assert two_patches.names("/sys/module") == ["cumulative", "first", "second"]


def test_the_way_back_brings_the_replaced_patches_back(two_patches, interface, apply):
    broken = SimulatedPatch("cumulative", replace=True, defect="unhooked")
    with pytest.raises(LivepatchError) as caught:
        apply(broken)
    assert caught.value.code == "function-not-hooked"
    assert caught.value.message.endswith("The patch was removed again, and the replaced ones were restored.")
    assert (caught.value.details["changed"], caught.value.details["patch"]["replaces"]) == (False, [])
    assert [patch["name"] for patch in interface.patches()] == ["first", "second"]


def test_the_way_back_brings_no_patch_back_whose_file_is_gone(kernel, two_patches, interface, apply):
    for name in kernel.names("/var/lib/kernel-livepatch/patches"):
        os.unlink(kernel.path(f"/var/lib/kernel-livepatch/patches/{name}"))
    broken = SimulatedPatch("cumulative", replace=True, defect="unhooked")
    with pytest.raises(LivepatchError) as caught:
        apply(broken, ignore_findings=["replaces-foreign-patch"])
    assert caught.value.code == "function-not-hooked"
    assert caught.value.message.endswith(
        "The patch was removed again. The patches that it had replaced are not loaded: first, second.")
    assert caught.value.details["changed"] is True
    assert caught.value.details["patch"]["replaces"] == ["first", "second"]
    assert interface.patches() == []
