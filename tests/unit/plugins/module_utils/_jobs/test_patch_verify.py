# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_verify looks at, and when it fails."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
OTHER = SimulatedPatch("other", build_id="22" * 20, objects={"vmlinux": ["meminfo_proc_show"]})


def failure(*arguments):
    with pytest.raises(LivepatchError) as caught:
        verify_host(*arguments)
    return caught.value


@pytest.fixture
def both(kernel, apply):
    apply(FIX)
    apply(OTHER)
    return kernel


def test_everything_that_is_enabled_from_the_files_that_the_host_keeps(both):
    result = verify_host(both, None, None)
    assert (result["changed"], result["verified"], result["patches"]) == (False, True, ["fix", "other"])
    assert result["builds"] == [
        {"name": patch.name, "build_id": patch.build_id} for patch in (FIX, OTHER)]
    assert [function["name"] for function in result["functions"]] == ["cmdline_proc_show", "meminfo_proc_show"]
    assert result["findings"] == []


def test_one_patch_by_its_name_also_with_dashes(both, apply):
    assert verify_host(both, None, "other")["patches"] == ["other"]
    apply(SimulatedPatch("one_more", objects={"vmlinux": ["version_proc_show"]}))
    assert verify_host(both, None, "one-more")["patches"] == ["one_more"]


def test_one_patch_by_its_file(both):
    assert verify_host(both, OTHER.offer(), None)["patches"] == ["other"]


def test_a_stub_of_an_unknown_file_is_asked_about(both):
    stub = dict(SimulatedPatch("stub").description, stub=True)
    with pytest.raises(ControllerRequest) as caught:
        verify_host(both, {"kind": "file", "builds": [stub]}, None)
    assert caught.value.request == {"description": stub["sha256"]}


def test_a_difference_fails_with_all_the_evidence(both):
    both.put("/sys/kernel/tracing/enabled_functions", "")
    error = failure(both, None, None)
    assert error.code == "function-not-hooked"
    assert error.message.endswith("(1 more in findings.)")
    assert (error.details["verified"], error.details["changed"]) == (False, False)
    assert error.details["patches"] == ["fix", "other"]
    assert [function["ftrace"] for function in error.details["functions"]] == [False, False]
    assert [found["subject"] for found in error.details["findings"]] == [
        "vmlinux:cmdline_proc_show,1", "vmlinux:meminfo_proc_show,1"]


def test_another_build_than_the_file_fails(both):
    assert failure(both, SimulatedPatch(build_id="cc" * 20).offer(), None).code == "other-build"


def test_a_patch_that_is_not_loaded_fails(both):
    assert failure(both, None, "absent").code == "not-loaded"


def test_a_patch_whose_file_is_not_kept_fails(kernel, interface, apply):
    apply(FIX)
    kernel.put(f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.json", "")
    assert failure(kernel, None, None).code == "file-unknown"


def test_a_host_without_patches_fails(kernel):
    error = failure(kernel, None, None)
    assert error.code == "nothing-enabled"
    assert error.details["verified"] is False


def test_a_host_that_a_bundle_has_no_build_for_is_neither_verified_nor_a_failure(kernel):
    build = SimulatedPatch(release="5.10.0").description
    result = verify_host(kernel, {"kind": "bundle", "builds": [build]}, None)
    assert (result["verified"], result["patches"]) == (False, [])
    assert [found["code"] for found in result["findings"]] == ["no-build"]


def test_a_finding_about_the_host_is_told_once(both):
    both.forbidden = ("/sys/kernel/tracing",)
    assert [found["code"] for found in verify_host(both, None, None)["findings"]] == ["ftrace-unreadable"]


def test_a_user_who_is_not_shown_the_tasks_proves_nothing(both):
    both.forbidden = ("/proc/1/task/1/patch_state",)
    error = failure(both, None, None)
    assert error.code == "tasks-unreadable"
    assert "become: true" in error.message
    assert error.details["verified"] is False


def test_a_replaced_patch_on_its_way_out_is_not_looked_at(both):
    both.put("/sys/kernel/livepatch/fix/enabled", "0\n")
    assert verify_host(both, None, None)["patches"] == ["other"]


def test_a_patch_in_transition_is_not_verified(both, apply):
    both.hold(7)
    apply(SimulatedPatch("slow"), on_stall="wait")
    assert failure(both, None, None).code == "not-enabled"
