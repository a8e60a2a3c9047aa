# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for kGraft on a simulated host; no kernel with kGraft was run."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import (
    left_behind,
    tasks_are_readable,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_adapter
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import assert_fits
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kgraft import (
    IN_PROGRESS,
    SimulatedKgraft,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


def patch(name="fix", **known):
    return SimulatedPatch(name, **dict({"livepatch": False, "format": "kgraft", "opaque": True}, **known))


@pytest.fixture
def kernel(tmp_path):
    return SimulatedKgraft(tmp_path / "host")


@pytest.fixture
def kgraft(kernel):
    return interface_adapter(kernel)


def enabled(kgraft):
    return [one["name"] for one in kgraft.patches() if one["state"] == "enabled"]


def test_a_patch_is_loaded_verified_disabled_and_removed(kernel, kgraft, apply):
    result = apply(patch(objects={"vmlinux": ["one", ("two", 2)], "target": ["three"]}))
    assert (result["patch"]["state"], result["patch"]["transition_seconds"] > 0) == ("enabled", True)
    assert kgraft.patch("fix") == {
        "name": "fix", "state": "enabled", "replace": False, "replace_set": None, "stack_order": None, "objects": [
            {"name": "target", "patched": False, "functions": [{"name": "three", "sympos": 1}]},
            {"name": "vmlinux", "patched": True, "functions": [
                {"name": "one", "sympos": 1}, {"name": "two", "sympos": 2}]}]}
    assert verify_host(kernel, None, None)["verified"]
    assert apply(name="fix", state="disabled")["patch"]["state"] == "disabled"
    assert kernel.exists("/sys/module/fix")
    assert apply(name="fix", state="absent")["patch"]["state"] == "absent"
    assert not kernel.exists("/sys/module/fix")


def test_the_inventory_names_the_interface_and_the_tasks_that_hold_it(kernel, apply):
    kernel.hold(7)
    assert apply(patch(), on_stall="wait")["patch"]["state"] == "enabling"
    inventory = host_inventory(kernel)
    assert (inventory["interface"], inventory["patches"][0]["state"]) == ("kgraft", "enabling")
    assert [(one["tid"], one["comm"]) for one in inventory["transition"]["blockers"]] == [(7, "worker")]
    assert_fits("patch_info", {"changed": False, "livepatch": inventory})


@pytest.mark.parametrize("begin, wanted, moving", [
    ("absent", "enabled", "enabling"), ("enabled", "absent", "disabling")])
def test_a_stalled_transition_is_not_reversed_and_the_error_says_so(kernel, kgraft, apply, begin, wanted, moving):
    if begin == "enabled":
        apply(patch())
    kernel.hold(7)
    error = failure(apply, patch(), state=wanted)
    assert error.code == "reverse-unsupported"
    assert "within 3 s and continues, because kGraft cannot reverse it. It is held by worker" in error.message
    assert (error.details["patch"]["state"], error.details["changed"]) == (moving, True)
    assert kgraft.state("fix") == moving
    kernel.let_go(7)
    assert apply(patch(), state=wanted)["patch"]["state"] == wanted


def test_a_forced_transition_marks_every_task(kernel, apply):
    kernel.hold(7)
    result = apply(patch(), on_stall="force")
    assert (result["patch"]["state"], "transition-forced" in [one["code"] for one in result["findings"]]) == (
        "enabled", True)
    assert (IN_PROGRESS, "0") in kernel.writes


def test_a_removal_during_a_load_waits_for_the_end_of_the_load(kernel, kgraft, apply):
    kernel.hold(7)
    apply(patch(), on_stall="wait")
    kernel.at(kernel.now() + 1, lambda: kernel.let_go(7))
    assert apply(name="fix", state="absent")["patch"]["state"] == "absent"
    assert kgraft.patches() == []


def test_a_load_during_a_removal_is_refused(kernel, apply):
    apply(patch())
    kernel.hold(7)
    apply(name="fix", state="disabled", on_stall="wait")
    kernel.at(kernel.now() + 1, lambda: kernel.let_go(7))
    error = failure(apply, patch())
    assert error.code == "interface-cannot"
    assert error.message == (
        "kGraft cannot enable a patch again. Load it again when its transition has ended.")
    assert apply(patch())["patch"]["state"] == "enabled"


def test_a_patch_that_replaces_all_and_the_rollback_to_the_replaced_one(kernel, kgraft, apply):
    v1, v2 = (patch(name, build_id=build_id, replace=True) for name, build_id in (("v1", "11" * 20), ("v2", "22" * 20)))
    apply(v1)
    assert apply(v2)["patch"]["replaces"] == ["v1"]
    assert enabled(kgraft) == ["v2"]
    assert not kernel.exists("/sys/module/v1")
    roll_back(kernel, "previous", 3, "reverse")
    assert enabled(kgraft) == ["v1"]


def test_while_it_is_replaced_a_patch_is_still_enabled(kernel, kgraft, apply):
    apply(patch("v1", build_id="11" * 20, replace=True, objects={"vmlinux": ["one"]}))
    kernel.hold(7)
    apply(patch("v2", build_id="22" * 20, replace=True), on_stall="wait")
    assert {one["name"]: one["state"] for one in kgraft.patches()} == {"v1": "enabled", "v2": "enabling"}
    assert kgraft.patch_in_transition() == "v2"


def test_only_the_newest_of_stacked_patches_is_disabled(kgraft, apply):
    apply(patch("one", build_id="11" * 20, objects={"vmlinux": ["one"]}))
    apply(patch("two", build_id="22" * 20, objects={"vmlinux": ["other"]}))
    error = failure(apply, name="one", state="disabled")
    assert error.code == "interface-cannot"
    assert error.message == "kGraft cannot disable one before the patches loaded after it. Disable these first."
    apply(name="two", state="absent")
    assert apply(name="one", state="absent")["patch"]["state"] == "absent"


def test_another_transition_is_waited_for(kernel, apply):
    kernel.hold(7)
    apply(patch("one", build_id="11" * 20, objects={"vmlinux": ["one"]}), on_stall="wait")
    kernel.at(kernel.now() + 1, lambda: kernel.let_go(7))
    assert apply(patch("two", build_id="22" * 20))["patch"]["state"] == "enabled"


IGNORED = {"ignore_findings": ["ineffective"]}


def test_a_patch_for_absent_modules_only_moves_like_any_other(kernel, kgraft, apply):
    absent = patch(objects={"target": ["three"]})
    kernel.hold(7)
    assert apply(absent, on_stall="wait", **IGNORED)["patch"]["state"] == "enabling"
    assert kgraft.patch_in_transition() == "fix"
    kernel.let_go(7)
    assert apply(absent, **IGNORED)["patch"]["state"] == "enabled"
    assert apply(name="fix", state="disabled")["patch"]["state"] == "disabled"
    assert kgraft.patch_in_transition() is None
    assert apply(name="fix", state="absent")["patch"]["state"] == "absent"


@pytest.mark.parametrize("header, row, objects", [
    ("Function               Object                State", "one  vmlinux  2", [
        {"name": "vmlinux", "patched": True, "functions": [{"name": "one", "sympos": 1}]}]),
    ("Function               Weak  State", "one  0  2", []),
])
def test_older_tables(kernel, kgraft, apply, header, row, objects):
    apply(patch())
    kernel.put(f"{kernel.directory('fix')}/state", f"{header}\n{row}\ncut_by_the_end_of_the_page  1")
    assert (kgraft.state("fix"), kgraft.patch("fix")["objects"]) == ("enabled", objects)
    if not objects:
        with pytest.raises(LivepatchError) as caught:
            verify_host(kernel, None, "fix")
        assert caught.value.code == "functions-not-listed"


@pytest.mark.parametrize("code, expected", [
    (errno.EACCES, "not-permitted"), (errno.EIO, "change-refused"), (errno.EINVAL, "change-refused")])
def test_a_refused_request_is_told(kernel, kgraft, code, expected):
    def refuse(_path, _text):
        raise OSError(code, os.strerror(code))

    kernel.write = refuse
    for request in (lambda: kgraft.set_enabled("fix", False), lambda: kgraft.force("fix")):
        with pytest.raises(LivepatchError) as caught:
            request()
        assert caught.value.code == expected


def test_the_tasks_of_a_kernel_with_a_state_for_processes_only(kernel):
    kernel.put("/proc/40/task/40/comm", "old\n")
    kernel.put("/proc/40/kgr_in_progress", "1\n")
    assert left_behind(kernel, "1") == [(40, 40)]
    assert tasks_are_readable(kernel)
    kernel.forbidden = ("/proc/1/",)
    assert not tasks_are_readable(kernel)
