# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_check`: everything that stands in the way, at once and with nothing changed."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import accept
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
NOTHING = {"replaces": [], "rollback": {"possible": None, "to": [], "reasons": []}, "sleepers": []}


@pytest.fixture
def judge(kernel):
    """judge(patch): what the module `patch_check` does, without the file."""
    return lambda patch=FIX, report_only=True, name=None: check_host(
        kernel, patch.offer(), name, report_only=report_only)


def blockers(result):
    return [found["code"] for found in result["findings"] if found["level"] == "blocker"]


def codes(result):
    return [found["code"] for found in result["findings"]]


def all_files(kernel):
    return sorted(os.path.join(folder, name) for folder, _folders, names in os.walk(kernel.root) for name in names)


def test_a_patch_that_fits(kernel, judge):
    before = all_files(kernel)
    result = judge(report_only=False)
    assert (result["changed"], result["compatible"], blockers(result)) == (False, True, [])
    assert (result["patch"]["name"], result["patch"]["state"], result["patch"]["previous_state"]) == (
        "fix", "absent", "absent")
    assert (result["patch"]["kernel"], result["arch"]) == ("6.1.0-56-amd64", "x86_64")
    assert result["patch"]["objects"] == [
        {"name": "vmlinux", "patched": False, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}]
    assert (all_files(kernel), kernel.writes, kernel.loads) == (before, [], [])


def test_the_result_says_whether_the_host_has_the_file(judge, apply):
    assert judge(FIX)["has_file"] is False
    apply(FIX)
    apply(FIX, state="absent")
    assert judge(FIX)["has_file"] is True


def test_a_blocker_fails_with_everything_in_the_result(judge):
    with pytest.raises(LivepatchError) as caught:
        judge(SimulatedPatch(livepatch=False, release="5.10.0"), report_only=False)
    error = caught.value
    assert error.code == "not-a-livepatch"
    assert error.message.endswith("(1 more in findings.)")
    assert blockers(error.details) == ["not-a-livepatch", "wrong-release"]
    assert sorted(error.details) == [
        "arch", "changed", "compatible", "findings", "forecast", "has_file", "hook", "kernel_build_id", "patch",
        "trial"]
    assert (error.details["compatible"], error.details["changed"]) == (False, False)


def test_an_accepted_patch_is_called_so_as_by_the_other_modules(kernel, judge, apply):
    accept(apply, FIX)
    result = judge()
    assert (result["patch"]["state"], result["patch"]["previous_state"], result["trial"]) == (
        "accepted", "accepted", None)
    assert host_inventory(kernel)["patches"][0]["state"] == "accepted"


def test_a_patch_on_trial_is_only_enabled(kernel, judge, apply):
    apply(FIX, trial=60)
    kernel.sleep(20)
    result = judge()
    assert (result["patch"]["state"], result["trial"]) == ("enabled", {"name": "fix", "seconds_left": 40})


def test_another_build_than_the_accepted_one_is_only_enabled(judge, apply):
    accept(apply, FIX)
    apply(name="fix", state="disabled")
    rebuilt = SimulatedPatch(build_id="ab" * 20)
    apply(rebuilt)
    assert judge(rebuilt)["patch"]["state"] == "enabled"


def test_report_only_returns_the_same_without_failing(judge):
    result = judge(SimulatedPatch(livepatch=False, release="5.10.0"))
    assert (result["compatible"], blockers(result)) == (False, ["not-a-livepatch", "wrong-release"])


def test_a_host_without_a_build_is_no_failure(kernel, judge):
    kernel.put("/proc/sys/kernel/osrelease", "6.1.0-57-amd64\n")
    offer = dict(FIX.offer(), kind="bundle")
    result = check_host(kernel, offer, None, report_only=False)
    assert (result["compatible"], result["patch"]["state"], codes(result)) == (False, "no_build", ["no-build"])
    assert result["forecast"] == NOTHING


def test_a_kernel_without_the_interface_is_one_finding_among_others(kernel, judge):
    os.rmdir(kernel.path("/sys/kernel/livepatch"))
    result = judge(SimulatedPatch(release="5.10.0"))
    assert blockers(result) == ["wrong-release", "livepatch-unsupported"]
    assert result["patch"]["state"] == "absent"


def test_what_a_kernel_without_the_interface_does_not_export_is_no_other_finding(kernel, judge):
    os.rmdir(kernel.path("/sys/kernel/livepatch"))
    kernel.put("/proc/kallsyms", kernel.read("/proc/kallsyms").replace("klp_enable_patch", "something_else") + "\n")
    imports = [{"name": name, "crc": None, "weak": False} for name in ("klp_enable_patch", "one", "none")]
    assert blockers(judge(SimulatedPatch(imports=imports[:2]))) == ["livepatch-unsupported"]
    assert blockers(judge(SimulatedPatch(imports=imports))) == ["livepatch-unsupported", "symbol-not-exported"]


def test_an_enabled_patch_is_compared_with_its_file(kernel, judge, apply):
    apply(FIX)
    assert judge()["compatible"] is True
    assert judge()["patch"]["objects"][0]["patched"] is True
    kernel.put("/sys/kernel/tracing/enabled_functions", "")
    assert blockers(judge()) == ["function-not-hooked"]


def test_an_enabled_patch_needs_no_privilege_and_no_open_door(kernel, judge, apply):
    apply(FIX)
    kernel.put("/proc/self/status", "Name:\tpython3\nCapEff:\t0000000000000000\n")
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    assert blockers(judge()) == []


def test_an_enabled_patch_of_another_release_is_told_by_patch_and_by_patch_check(judge, apply):
    apply(FIX)
    wrong = SimulatedPatch(release="6.1.0-57-amd64")
    assert blockers(judge(wrong)) == ["wrong-release"]
    with pytest.raises(LivepatchError, match=r"is built for kernel 6.1.0-57-amd64"):
        apply(wrong)


def test_what_is_not_described_is_asked_for(kernel):
    stub = {key: FIX.description[key] for key in ("file", "name", "release", "arch", "sha256", "size", "build_id")}
    offer = {"kind": "bundle", "builds": [dict(stub, stub=True)], "path": None, "delivered": {}, "enclosed": None}
    with pytest.raises(ControllerRequest) as caught:
        check_host(kernel, offer, None)
    assert caught.value.request == {"description": FIX.sha256}


def test_a_name_that_the_file_does_not_have_is_an_error_all_the_same(judge):
    with pytest.raises(LivepatchError) as caught:
        judge(name="other")
    assert caught.value.code == "name-differs"


def test_patch_tells_a_lacking_interface_and_a_taken_name_among_other_blockers(kernel, apply):
    kernel.plain_module("fix", taint="OE")
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(release="5.10.0"))
    assert blockers(caught.value.details) == ["wrong-release", "name-not-a-livepatch"]
    os.rmdir(kernel.path("/sys/kernel/livepatch"))
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(release="5.10.0"))
    assert blockers(caught.value.details) == ["wrong-release", "livepatch-unsupported", "name-not-a-livepatch"]
    assert caught.value.details["patch"]["state"] == "absent"


def test_patch_refuses_to_take_out_anything_without_an_interface(kernel, apply):
    os.rmdir(kernel.path("/sys/kernel/livepatch"))
    with pytest.raises(LivepatchError) as caught:
        apply(name="fix", state="absent")
    assert caught.value.code == "livepatch-unsupported"


def test_what_is_found_before_and_after_a_load_is_told_once(apply):
    codes_of_load = codes(apply(SimulatedPatch(opaque=True)))
    assert codes_of_load.count("tables-opaque") == 1
