# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One patch from every state to every other, on a simulated kernel."""

import contextlib
import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
STATES = ("absent", "disabled", "enabling", "disabling", "enabled")


def bring_into(state, kernel, apply):
    """The fix in a state, and where that is a transition, going on for ever."""
    if state == "enabling":
        kernel.hold(7)
        apply(FIX, timeout=1, on_stall="wait")
    elif state != "absent":
        apply(FIX)
        if state == "disabled":
            apply(state="disabled", name="fix")
        elif state == "disabling":
            kernel.hold(7, directions=("disabling",))
            apply(state="disabled", name="fix", timeout=1, on_stall="wait")


@pytest.mark.parametrize("state", STATES)
def test_the_starting_points_of_these_tests(kernel, interface, apply, state):
    bring_into(state, kernel, apply)
    assert interface.state("fix") == state


@pytest.mark.parametrize("wanted", ["enabled", "disabled", "absent"])
@pytest.mark.parametrize("start", STATES)
def test_every_state_is_reached_from_every_other(kernel, interface, apply, start, wanted):
    bring_into(start, kernel, apply)
    if start.endswith("ing"):
        kernel.let_go(7)
    result = apply(FIX, state=wanted)
    reached = "absent" if (start, wanted) == ("absent", "disabled") else wanted
    assert result["patch"]["state"] == reached
    assert result["patch"]["previous_state"] == start
    assert result["changed"] is (start != reached)
    assert interface.state("fix") == reached
    assert kernel.exists("/sys/module/fix") is (reached != "absent")
    assert apply(FIX, state=wanted)["changed"] is False


def test_a_new_host_that_requests_the_file_has_the_program_and_nothing_else(kernel, apply):
    with pytest.raises(ControllerRequest) as caught:
        apply(None, offer=FIX.offer())
    assert caught.value.request == {"file": FIX.sha256}
    assert (kernel.names(STATE_DIRECTORY), kernel.loads) == (["program.pyz"], [])
    assert [argv[-1] for argv in kernel.commands] == ["ready"]
    assert host_inventory(kernel)["drift"] == []  # also where the controller never answers
    kernel.commands.clear()
    apply(FIX)
    assert [argv for argv in kernel.commands if argv[-1] == "ready"] == []


def test_a_patch_that_does_not_fit_is_not_requested_and_leaves_nothing(kernel, apply):
    with pytest.raises(LivepatchError) as caught:
        apply(None, offer=SimulatedPatch(license="MIT").offer())
    assert caught.value.code == "license-not-gpl"
    assert not kernel.exists(STATE_DIRECTORY)


def test_a_host_that_cannot_run_the_program_requests_no_file(kernel, apply):
    kernel.answer = lambda argv: (1, "SyntaxError: no")
    with pytest.raises(LivepatchError) as caught:
        apply(None, offer=FIX.offer())
    assert (caught.value.code, caught.value.details["patch"]["state"]) == ("program-unusable", "absent")
    assert caught.value.details["findings"] == []
    assert (kernel.names(STATE_DIRECTORY), kernel.loads) == ([], [])


def test_a_program_of_another_python_serves_no_call_and_is_installed_with_the_load(kernel, apply):
    kernel.put("/opt/python/bin/python3.12", "")
    kernel.interpreter = lambda: "/opt/python/bin/python3.12"
    with pytest.raises(ControllerRequest):
        apply(None, offer=FIX.offer())
    assert not kernel.exists(STATE_DIRECTORY)
    apply(FIX, trial=60)
    assert [argv[0] for argv in kernel.commands if argv[-1] == "ready"] == ["/usr/bin/python3"]


def test_an_enabled_patch_is_told_in_full(apply):
    result = apply(FIX)
    seconds = result["patch"].pop("transition_seconds")
    assert result["transaction"].startswith("20261121T091653.250000Z-")
    assert 0.5 <= seconds < 0.6
    assert result.pop("watch") is None
    assert result == {
        "changed": True,
        "transaction": result["transaction"],
        "patch": {
            "name": "fix", "state": "enabled", "previous_state": "absent", "kernel": "6.1.0-56-amd64",
            "sha256": FIX.sha256, "build_id": "aa" * 20, "replaces": [],
            "objects": [{
                "name": "vmlinux", "patched": True, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}],
        },
        "findings": [],
        "blockers": [],
        "diff": {
            "before_header": "live patches of 6.1.0-56-amd64", "after_header": "live patches of 6.1.0-56-amd64",
            "before": "no live patch\n", "after": "fix: enabled\n  vmlinux:cmdline_proc_show,1\n",
        },
        "baseline": {"boot_id": None, "taints": 0, "uptime": 0, "kernel_log": None},
    }


def test_the_baseline_is_from_before_the_change_also_where_that_fails(kernel, apply):
    kernel.put("/proc/sys/kernel/tainted", "4096\n")
    kernel.say("something")
    known = {"boot_id": None, "taints": 4096, "uptime": 0, "kernel_log": 0}
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch("bad", refused=("EINVAL", ["no"])))
    assert caught.value.details["baseline"] == known
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(license="none"))
    assert caught.value.details["baseline"] == dict(known, kernel_log=1)
    assert apply(FIX)["baseline"] == dict(known, kernel_log=1)
    bundle = dict(SimulatedPatch(release="5.10.0").offer(), kind="bundle")
    for answer in (apply(FIX), apply(FIX, check_mode=True), apply(offer=bundle)):
        assert answer["baseline"]["kernel_log"] > 1
        assert answer["changed"] is False


def test_the_second_run_changes_nothing_and_loads_nothing(kernel, apply):
    apply(FIX)
    writes = list(kernel.writes)
    result = apply(FIX)
    assert result["changed"] is False
    assert result["patch"]["state"] == result["patch"]["previous_state"] == "enabled"
    assert result["diff"]["before"] == result["diff"]["after"] == "fix: enabled\n  vmlinux:cmdline_proc_show,1\n"
    assert kernel.loads == [("fix", "")]
    assert kernel.writes == writes


@pytest.mark.parametrize("refused", [None, ("EINVAL", [])])
def test_no_descriptor_is_left_open(apply, refused):
    before = os.listdir("/proc/self/fd")
    with contextlib.suppress(LivepatchError):
        apply(SimulatedPatch(refused=refused))
    assert os.listdir("/proc/self/fd") == before


def test_a_name_is_enough_to_take_a_patch_out(interface, apply):
    apply(FIX)
    result = apply(name="fix", state="absent")
    assert result["changed"] is True
    assert result["patch"]["sha256"] is None
    assert interface.state("fix") == "absent"


def test_a_name_may_be_written_with_dashes(interface, apply):
    apply(SimulatedPatch("fix_of_today"))
    assert apply(name="fix-of-today", state="absent")["changed"] is True
    assert interface.state("fix_of_today") == "absent"


@pytest.mark.parametrize("name", ["", ".", "..", "../module", "two words", "fix\n"])
def test_what_no_module_can_be_called_is_refused(apply, name):
    with pytest.raises(LivepatchError) as caught:
        apply(name=name, state="absent")
    assert caught.value.code == "bad-name"


def test_the_file_is_kept_for_the_way_back_until_five_changes_are_newer(kernel, apply):
    kept = f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.ko"
    apply(FIX)
    assert kernel.read_bytes(kept) == FIX.image
    apply(FIX, state="disabled")
    assert kernel.exists(kept)
    apply(FIX, state="absent")
    other = SimulatedPatch("other", objects={"vmlinux": ["one"]})
    for state in ("enabled", "absent", "enabled", "absent"):
        apply(other, state=state)
        assert kernel.exists(kept)
    apply(other)
    assert not kernel.exists(kept)
    assert len(kernel.names("/var/lib/kernel-livepatch/patches")) == 2


@pytest.mark.parametrize("wanted, after, objects", [
    ("enabled", "fix: enabled\n  vmlinux:cmdline_proc_show,1\n", 1),
    ("disabled", "no live patch\n", 0),
    ("absent", "no live patch\n", 0),
])
def test_check_mode_forecasts_and_changes_nothing(kernel, apply, wanted, after, objects):
    if wanted != "enabled":
        apply(FIX)
    before, loads, writes = kernel.names("/sys/module"), list(kernel.loads), list(kernel.writes)
    result = apply(FIX, state=wanted, check_mode=True)
    assert result["changed"] is True
    assert result["patch"]["state"] == wanted
    assert result["diff"]["after"] == after
    if objects:
        assert result["patch"]["objects"] == [{
            "name": "vmlinux", "patched": False, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}]
    assert (kernel.names("/sys/module"), kernel.loads, kernel.writes) == (before, loads, writes)


def test_check_mode_takes_no_hint_of_an_opaque_file_for_a_claim(kernel, apply):
    opaque = SimulatedPatch(opaque=True, replace=None)
    result = apply(opaque, check_mode=True)
    assert result["patch"]["objects"] == []
    assert result["diff"]["after"] == "fix: enabled\n"


def test_check_mode_asks_for_no_file_and_keeps_none(kernel, apply):
    apply(check_mode=True, offer=FIX.offer())
    assert not kernel.exists("/var/lib/kernel-livepatch")


def test_check_mode_of_nothing_to_do(apply):
    apply(FIX)
    assert apply(FIX, check_mode=True)["changed"] is False
    assert apply(name="other", state="absent", check_mode=True)["changed"] is False


def test_another_run_may_win_the_race_to_the_lock(kernel, interface, apply, monkeypatch):
    real_lock = transaction.change_lock

    def lock_after_another_run(*how):
        monkeypatch.setattr(transaction, "change_lock", real_lock)
        apply(FIX)
        return real_lock(*how)

    monkeypatch.setattr(transaction, "change_lock", lock_after_another_run)
    result = apply(FIX)
    assert (result["changed"], result["patch"]["previous_state"]) == (False, "enabled")
    assert interface.state("fix") == "enabled"
    assert kernel.loads == [("fix", "")]


def test_another_run_may_take_a_patch_out_before_this_one_has_the_lock(kernel, interface, apply, monkeypatch):
    kernel.hold(7)
    apply(FIX, timeout=1, on_stall="wait")
    real_lock = transaction.change_lock

    def lock_after_another_run(*how):
        monkeypatch.setattr(transaction, "change_lock", real_lock)
        kernel.let_go(7)
        apply(name="fix", state="absent")
        return real_lock(*how)

    monkeypatch.setattr(transaction, "change_lock", lock_after_another_run)
    result = apply(FIX)
    assert (result["changed"], result["patch"]["previous_state"]) == (True, "absent")
    assert interface.state("fix") == "enabled"


def test_a_refused_load_leaves_no_file(kernel, apply):
    with pytest.raises(LivepatchError):
        apply(SimulatedPatch(refused=("EINVAL", [])))
    assert kernel.names("/var/lib/kernel-livepatch/patches") == []


def test_an_error_of_the_system_in_the_middle_tells_what_became_of_the_patch(kernel, apply, monkeypatch):
    def broken(*_arguments, **_options):
        raise OSError(errno.EIO, "Input/output error", "/proc/1/task")
    monkeypatch.setattr(StepRunner, "verify", broken)
    with pytest.raises(LivepatchError) as caught:
        apply(FIX)
    assert caught.value.code == "os-error"
    assert caught.value.details["changed"] is True
    assert caught.value.details["patch"]["state"] == "enabled"


def test_taking_functions_over_from_an_enabled_patch_is_worth_a_warning(apply):
    apply(FIX)
    assert [found["code"] for found in apply(SimulatedPatch("later"))["findings"]] == ["functions-taken-over"]
    assert apply(SimulatedPatch("last", replace=True))["findings"] == []


def test_the_build_that_was_removed_is_told(apply):
    apply(FIX)
    assert apply(name="fix", state="absent")["patch"]["build_id"] == FIX.build_id
