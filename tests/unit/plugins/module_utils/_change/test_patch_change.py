# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One patch from every state to every other, on a simulated kernel."""

import contextlib
import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
STATES = ("absent", "disabled", "enabling", "disabling", "enabled")


def bring_into(state, kernel, bring):
    """The fix in a state, and where that is a transition, going on for ever."""
    if state == "enabling":
        kernel.hold(7)
        bring(FIX, timeout=1, on_stall="wait")
    elif state != "absent":
        bring(FIX)
        if state == "disabled":
            bring(state="disabled", name="fix")
        elif state == "disabling":
            kernel.hold(7, directions=("disabling",))
            bring(state="disabled", name="fix", timeout=1, on_stall="wait")


@pytest.mark.parametrize("state", STATES)
def test_the_starting_points_of_these_tests(kernel, interface, bring, state):
    bring_into(state, kernel, bring)
    assert interface.state("fix") == state


@pytest.mark.parametrize("wanted", ["enabled", "disabled", "absent"])
@pytest.mark.parametrize("start", STATES)
def test_every_state_is_reached_from_every_other(kernel, interface, bring, start, wanted):
    bring_into(start, kernel, bring)
    if start.endswith("ing"):
        kernel.let_go(7)
    result = bring(FIX, state=wanted)
    reached = "absent" if (start, wanted) == ("absent", "disabled") else wanted
    assert result["patch"]["state"] == reached
    assert result["patch"]["previous_state"] == start
    assert result["changed"] is (start != reached)
    assert interface.state("fix") == reached
    assert kernel.exists("/sys/module/fix") is (reached != "absent")
    assert bring(FIX, state=wanted)["changed"] is False


def test_an_enabled_patch_is_told_in_full(bring):
    result = bring(FIX)
    seconds = result["patch"].pop("transition_seconds")
    assert result["transaction"].startswith("20261121T091653.250000Z-")
    assert 0.5 <= seconds < 0.6
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


def test_the_baseline_is_from_before_the_change_also_where_that_fails(kernel, bring):
    kernel.put("/proc/sys/kernel/tainted", "4096\n")
    kernel.say("something")
    known = {"boot_id": None, "taints": 4096, "uptime": 0, "kernel_log": 0}
    with pytest.raises(LivepatchError) as caught:
        bring(SimulatedPatch("bad", refused=("EINVAL", ["no"])))
    assert caught.value.details["baseline"] == known
    with pytest.raises(LivepatchError) as caught:
        bring(SimulatedPatch(license="none"))
    assert caught.value.details["baseline"] == dict(known, kernel_log=1)
    assert bring(FIX)["baseline"] == dict(known, kernel_log=1)
    bundle = dict(SimulatedPatch(release="5.10.0").offer(), kind="bundle")
    for answer in (bring(FIX), bring(FIX, check_mode=True), bring(offer=bundle)):
        assert answer["baseline"]["kernel_log"] > 1
        assert answer["changed"] is False


def test_the_second_run_changes_nothing_and_loads_nothing(kernel, bring):
    bring(FIX)
    writes = list(kernel.writes)
    result = bring(FIX)
    assert result["changed"] is False
    assert result["patch"]["state"] == result["patch"]["previous_state"] == "enabled"
    assert result["diff"]["before"] == result["diff"]["after"] == "fix: enabled\n  vmlinux:cmdline_proc_show,1\n"
    assert kernel.loads == [("fix", "")]
    assert kernel.writes == writes


@pytest.mark.parametrize("refused", [None, ("EINVAL", [])])
def test_no_descriptor_is_left_open(bring, refused):
    before = os.listdir("/proc/self/fd")
    with contextlib.suppress(LivepatchError):
        bring(SimulatedPatch(refused=refused))
    assert os.listdir("/proc/self/fd") == before


def test_a_name_is_enough_to_take_a_patch_out(interface, bring):
    bring(FIX)
    result = bring(name="fix", state="absent")
    assert result["changed"] is True
    assert result["patch"]["sha256"] is None
    assert interface.state("fix") == "absent"


def test_a_name_may_be_written_with_dashes(interface, bring):
    bring(SimulatedPatch("fix_of_today"))
    assert bring(name="fix-of-today", state="absent")["changed"] is True
    assert interface.state("fix_of_today") == "absent"


@pytest.mark.parametrize("name", ["", ".", "..", "../module", "two words", "fix\n"])
def test_what_no_module_can_be_called_is_refused(bring, name):
    with pytest.raises(LivepatchError) as caught:
        bring(name=name, state="absent")
    assert caught.value.code == "bad-name"


def test_the_file_is_kept_for_the_way_back_until_five_changes_are_newer(kernel, bring):
    kept = f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.ko"
    bring(FIX)
    assert kernel.read_bytes(kept) == FIX.image
    bring(FIX, state="disabled")
    assert kernel.exists(kept)
    bring(FIX, state="absent")
    other = SimulatedPatch("other", objects={"vmlinux": ["one"]})
    for state in ("enabled", "absent", "enabled", "absent"):
        bring(other, state=state)
        assert kernel.exists(kept)
    bring(other)
    assert not kernel.exists(kept)
    assert len(kernel.names("/var/lib/kernel-livepatch/patches")) == 2


@pytest.mark.parametrize("wanted, after, objects", [
    ("enabled", "fix: enabled\n  vmlinux:cmdline_proc_show,1\n", 1),
    ("disabled", "no live patch\n", 0),
    ("absent", "no live patch\n", 0),
])
def test_check_mode_forecasts_and_changes_nothing(kernel, bring, wanted, after, objects):
    if wanted != "enabled":
        bring(FIX)
    before, loads, writes = kernel.names("/sys/module"), list(kernel.loads), list(kernel.writes)
    result = bring(FIX, state=wanted, check_mode=True)
    assert result["changed"] is True
    assert result["patch"]["state"] == wanted
    assert result["diff"]["after"] == after
    if objects:
        assert result["patch"]["objects"] == [{
            "name": "vmlinux", "patched": False, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}]
    assert (kernel.names("/sys/module"), kernel.loads, kernel.writes) == (before, loads, writes)


def test_check_mode_takes_no_hint_of_an_opaque_file_for_a_claim(kernel, bring):
    opaque = SimulatedPatch(opaque=True, replace=None)
    result = bring(opaque, check_mode=True)
    assert result["patch"]["objects"] == []
    assert result["diff"]["after"] == "fix: enabled\n"


def test_check_mode_asks_for_no_file_and_keeps_none(kernel, bring):
    bring(check_mode=True, offer=FIX.offer())
    assert not kernel.exists("/var/lib/kernel-livepatch")


def test_check_mode_of_nothing_to_do(bring):
    bring(FIX)
    assert bring(FIX, check_mode=True)["changed"] is False
    assert bring(name="other", state="absent", check_mode=True)["changed"] is False


def test_another_run_may_win_the_race_to_the_lock(kernel, interface, bring, monkeypatch):
    real_lock = transaction.change_lock

    def lock_after_another_run(host, change, wait):
        monkeypatch.setattr(transaction, "change_lock", real_lock)
        bring(FIX)
        return real_lock(host, change, wait)

    monkeypatch.setattr(transaction, "change_lock", lock_after_another_run)
    result = bring(FIX)
    assert (result["changed"], result["patch"]["previous_state"]) == (False, "enabled")
    assert interface.state("fix") == "enabled"
    assert kernel.loads == [("fix", "")]


def test_another_run_may_take_a_patch_out_before_this_one_has_the_lock(kernel, interface, bring, monkeypatch):
    kernel.hold(7)
    bring(FIX, timeout=1, on_stall="wait")
    real_lock = transaction.change_lock

    def lock_after_another_run(host, change, wait):
        monkeypatch.setattr(transaction, "change_lock", real_lock)
        kernel.let_go(7)
        bring(name="fix", state="absent")
        return real_lock(host, change, wait)

    monkeypatch.setattr(transaction, "change_lock", lock_after_another_run)
    result = bring(FIX)
    assert (result["changed"], result["patch"]["previous_state"]) == (True, "absent")
    assert interface.state("fix") == "enabled"


def test_a_refused_load_leaves_no_file(kernel, bring):
    with pytest.raises(LivepatchError):
        bring(SimulatedPatch(refused=("EINVAL", [])))
    assert kernel.names("/var/lib/kernel-livepatch/patches") == []


def test_an_error_of_the_system_in_the_middle_tells_what_became_of_the_patch(kernel, bring, monkeypatch):
    def broken(*_arguments, **_options):
        raise OSError(errno.EIO, "Input/output error", "/proc/1/task")
    monkeypatch.setattr(StepRunner, "verify", broken)
    with pytest.raises(LivepatchError) as caught:
        bring(FIX)
    assert caught.value.code == "os-error"
    assert caught.value.details["changed"] is True
    assert caught.value.details["patch"]["state"] == "enabled"


def test_taking_functions_over_from_an_enabled_patch_is_worth_a_warning(bring):
    bring(FIX)
    assert [found["code"] for found in bring(SimulatedPatch("later"))["findings"]] == ["functions-taken-over"]
    assert bring(SimulatedPatch("last", replace=True))["findings"] == []


def test_the_build_that_was_removed_is_told(bring):
    bring(FIX)
    assert bring(name="fix", state="absent")["patch"]["build_id"] == FIX.build_id
