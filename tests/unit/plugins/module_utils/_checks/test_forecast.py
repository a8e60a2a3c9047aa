# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be replaced, the way back, and who sleeps in the functions."""

import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

OLD = {"build_id": "22" * 20}


@pytest.fixture
def ahead(kernel):
    """ahead(patch): the forecast of the module patch_check."""
    return lambda patch: check_host(kernel, patch.offer(), None, report_only=True)["forecast"]


def reasons(forecast):
    return [(reason["code"], reason["level"]) for reason in forecast["rollback"]["reasons"]]


def callbacks(patch, *names):
    patch.description["objects"][0]["callbacks"] = list(names)
    return patch


def test_the_first_patch_of_a_host(ahead):
    assert ahead(SimulatedPatch()) == {
        "replaces": [], "rollback": {"possible": True, "to": [], "reasons": []}, "sleepers": []}


def test_a_patch_on_top_of_another_leaves_it_alone(apply, ahead):
    apply(SimulatedPatch("old", **OLD))
    forecast = ahead(callbacks(SimulatedPatch(), "pre_patch"))
    assert (forecast["replaces"], forecast["rollback"]) == ([], {"possible": True, "to": ["old"], "reasons": []})


def test_a_cumulative_patch_and_back(apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    forecast = ahead(SimulatedPatch(replace=True))
    assert (forecast["replaces"], forecast["rollback"]) == (
        ["old"], {"possible": True, "to": ["old"], "reasons": []})


def test_there_is_no_way_back_to_a_patch_whose_file_is_not_kept(kernel, apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    shutil.rmtree(kernel.path("/var/lib/kernel-livepatch"))
    forecast = ahead(SimulatedPatch(replace=True))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (False, [("rollback-file-missing", "blocker")])


def test_there_is_no_way_back_to_a_patch_that_will_never_leave_memory(kernel, apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    kernel.put("/proc/modules", "old 16384 1 [permanent], Live 0x0 (OEK)\n")
    forecast = ahead(SimulatedPatch(replace=True))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (False, [("rollback-pinned", "blocker")])


def test_going_back_to_a_patch_that_does_not_replace_leaves_a_gap(apply, ahead):
    apply(SimulatedPatch("old", **OLD))
    forecast = ahead(callbacks(SimulatedPatch(replace=True), "pre_patch"))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (True, [("rollback-gap", "note")])


def test_callbacks_do_not_run_when_the_earlier_patch_replaces_the_later_one(apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    forecast = ahead(callbacks(SimulatedPatch(replace=True), "pre_patch", "post_unpatch"))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (True, [("rollback-callbacks", "warning")])
    assert "(post_unpatch, pre_patch)" in forecast["rollback"]["reasons"][0]["message"]


def test_an_earlier_patch_without_its_states_cannot_replace_the_later_one(apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    forecast = ahead(SimulatedPatch(replace=True, states=[{"id": 5, "version": 1}]))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (True, [("rollback-states", "warning")])
    assert "would not let old replace fix.ko: it lacks state 5." in forecast["rollback"]["reasons"][0]["message"]


def test_a_patch_without_an_exit_function_can_be_disabled_and_stays(ahead):
    forecast = ahead(SimulatedPatch(removable=False))
    assert (forecast["rollback"]["possible"], reasons(forecast)) == (True, [("rollback-not-removable", "warning")])


@pytest.mark.parametrize("calls, expected", [
    (["klp_shadow_alloc"], [("rollback-shadow-variables", "warning")]),
    (["klp_shadow_get_or_alloc", "klp_shadow_free"], [("rollback-shadow-variables", "warning")]),
    (["klp_shadow_get"], []),
])
def test_shadow_variables_stay(ahead, calls, expected):
    assert reasons(ahead(SimulatedPatch(shadow=calls))) == expected


def test_an_enabled_patch_has_replaced_what_it_replaces(apply, ahead):
    apply(SimulatedPatch("old", replace=True, **OLD))
    apply(SimulatedPatch(replace=True))
    assert ahead(SimulatedPatch(replace=True)) == {
        "replaces": [], "rollback": {"possible": True, "to": [], "reasons": []}, "sleepers": []}


def test_a_task_that_does_not_leave_a_function_is_told(kernel):
    kernel.put("/proc/1/task/1/stack", "")
    kernel.hold(7)
    result = check_host(kernel, SimulatedPatch().offer(), None, report_only=True)
    assert [(task["tid"], task["comm"], task["seen"]) for task in result["forecast"]["sleepers"]] == []
    kernel.put("/proc/7/task/7/stack", "[<0>] msleep+0x2d/0x40\n[<0>] cmdline_proc_show+0x1c/0x30\n")
    result = check_host(kernel, SimulatedPatch().offer(), None, report_only=True)
    assert [(task["tid"], task["comm"], task["seen"]) for task in result["forecast"]["sleepers"]] == [(7, "worker", 3)]
    found = [entry for entry in result["findings"] if entry["code"] == "task-in-function"]
    assert [(entry["level"], entry["subject"]) for entry in found] == [("warning", "cmdline_proc_show")]
    assert found[0]["message"].startswith("worker (pid 7) was asleep in cmdline_proc_show in every sample")
    assert result["compatible"] is True


def test_a_task_that_moves_on_is_in_the_forecast_only(kernel):
    kernel.put("/proc/1/task/1/stack", "")
    kernel.hold(7)
    kernel.put("/proc/7/task/7/stack", "[<0>] cmdline_proc_show+0x1c/0x30\n")
    kernel.at(0.07, lambda: kernel.put("/proc/7/task/7/stack", "[<0>] msleep+0x2d/0x40\n"))
    result = check_host(kernel, SimulatedPatch().offer(), None, report_only=True)
    assert [task["seen"] for task in result["forecast"]["sleepers"]] == [2]
    assert "task-in-function" not in [entry["code"] for entry in result["findings"]]


def test_many_tasks_are_counted(kernel):
    kernel.put("/proc/1/task/1/stack", "")
    for tid in range(7, 12):
        kernel.hold(tid)
        kernel.put(f"/proc/{tid}/task/{tid}/stack", "[<0>] cmdline_proc_show+0x1c/0x30\n")
    result = check_host(kernel, SimulatedPatch().offer(), None, report_only=True)
    assert result["findings"][-1]["message"].startswith(
        "worker (pid 10), worker (pid 11), worker (pid 7) and 2 more were asleep in cmdline_proc_show")


def test_stacks_that_are_not_shown_are_said_so(kernel):
    kernel.forbidden = ("/proc/1/task/1/stack",)
    result = check_host(kernel, SimulatedPatch().offer(), None, report_only=True)
    assert result["forecast"]["sleepers"] == []
    assert [(entry["code"], entry["subject"]) for entry in result["findings"]][-1] == ("not-checked", "stacks")
    assert result["findings"][-1]["message"].startswith("The kernel does not show the stacks of its tasks")
