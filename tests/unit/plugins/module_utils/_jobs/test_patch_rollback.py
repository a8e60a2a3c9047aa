# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the code that the kernel was booted with."""

import errno

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back as job
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.controller_half import taken
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


@pytest.fixture
def roll_back(kernel):
    def run(on_stall="reverse", check_mode=False, to="original"):
        return job(kernel, to, 3, on_stall, check_mode=check_mode)
    return run


@pytest.fixture
def stack(kernel, apply):
    """A kernel with two patches in effect and a third that is disabled."""
    for name in ("first", "second", "third"):
        apply(SimulatedPatch(name))
    apply(name="third", state="disabled")
    kernel.sleep(1)  # by now the simulated kernel has freed it
    kernel.writes.clear()
    return kernel


def test_the_answer_of_a_refused_restore_has_all_that_the_kernel_said(kernel, apply, roll_back):
    apply(SimulatedPatch("first", build_id="11" * 20, replace=True))
    apply(SimulatedPatch("second", build_id="22" * 20, replace=True))
    kernel.sleep(1)

    def refuse(_descriptor, _parameters):
        kernel.say("first: no device, going away")
        raise OSError(errno.ENODEV, "No such device")
    kernel.finit_module = refuse
    with pytest.raises(LivepatchError) as caught:
        roll_back(to="previous")
    told = {"failed": True, "msg": caught.value.message, "code": caught.value.code, **caught.value.details}
    answer = taken("patch_rollback", told)
    assert {key: answer[key] for key in told} == told
    assert (answer["errno"], answer["attempts"]) == ("ENODEV", 1)
    assert "first: no device, going away" in answer["kernel_log"]


def names(result):
    return [entry["name"] for entry in result["removed"]]


def disabled(kernel):
    return [path.split("/")[-2] for path, text in kernel.writes if path.endswith("/enabled") and text == "0"]


def test_the_newest_goes_first_and_what_has_no_effect_last(stack, interface, roll_back):
    result = roll_back()
    assert result["changed"] is True
    assert names(result) == ["second", "first", "third"]
    assert disabled(stack) == ["second", "first"]
    assert [entry["transition_seconds"] is None for entry in result["removed"]] == [False, False, True]
    assert (result["findings"], result["blockers"]) == ([], [])
    assert result["diff"]["before"].startswith("first: enabled\n")
    assert result["diff"]["after"] == "no live patch\n"
    assert (interface.patches(), stack.names("/sys/module")) == ([], [])


def test_a_second_time_there_is_nothing_to_do(stack, roll_back):
    roll_back()
    result = roll_back()
    assert (result["changed"], result["removed"]) == (False, [])


def test_check_mode_tells_the_same_and_changes_nothing(stack, roll_back):
    result = roll_back(check_mode=True)
    assert (result["changed"], names(result)) == (True, ["second", "first", "third"])
    assert result["diff"]["after"] == "no live patch\n"
    assert stack.writes == []
    assert stack.names("/sys/module") == ["first", "second", "third"]


def test_a_patch_in_transition_is_dealt_with_first(stack, interface, roll_back, apply):
    stack.hold(7, directions=("disabling",))
    apply(name="first", state="disabled", on_stall="wait")
    stack.let_go(7)
    assert names(roll_back()) == ["first", "second", "third"]
    assert interface.patches() == []


def test_check_mode_does_not_ask_the_kernel_who_holds_a_transition(stack, roll_back, apply):
    stack.hold(7, directions=("disabling",))
    apply(name="first", state="disabled", on_stall="wait")
    stack.writes.clear()
    roll_back(check_mode=True)
    assert stack.writes == []


def test_a_stall_is_turned_round_and_what_was_done_before_is_told(stack, interface, roll_back):
    stack.at(stack.now() + 0.6, lambda: stack.hold(7, directions=("disabling",)))
    with pytest.raises(LivepatchError) as caught:
        roll_back()
    assert caught.value.code == "transition-stalled"
    assert [entry["name"] for entry in caught.value.details["removed"]] == ["second"]
    assert caught.value.details["changed"] is True
    assert [blocker["comm"] for blocker in caught.value.details["blockers"]] == ["worker"]
    assert interface.state("first") == "enabled"


def test_a_first_stall_that_was_turned_round_has_changed_nothing(stack, roll_back):
    stack.hold(7, directions=("disabling",))
    with pytest.raises(LivepatchError) as caught:
        roll_back()
    assert (caught.value.details["changed"], caught.value.details["removed"]) == (False, [])


def test_what_is_left_going_ends_the_run_and_is_a_change(stack, interface, roll_back):
    stack.hold(7, directions=("disabling",))
    result = roll_back(on_stall="wait")
    assert (result["changed"], result["removed"]) == (True, [])
    assert [found["code"] for found in result["findings"]] == ["transition-unfinished"]
    assert [blocker["tid"] for blocker in result["blockers"]] == [7]
    assert (interface.state("second"), interface.state("first")) == ("disabling", "enabled")


def test_a_pinned_module_keeps_no_other_patch_in_effect(stack, interface, roll_back):
    stack.hold(7, directions=("disabling",))
    stack.at(stack.now() + 7, lambda: stack.let_go(7))
    result = roll_back(on_stall="force")
    assert names(result) == ["second", "first", "third"]
    assert [found["code"] for found in result["findings"]] == ["transition-forced", "module-kept"]
    assert result["findings"][1]["message"].startswith("The patch second has no effect any more, but its module stays")
    assert interface.patches() == []
    assert stack.names("/sys/module") == ["second"]


def test_a_pinned_leftover_is_told_each_time_and_is_no_change(kernel, roll_back):
    kernel.plain_module("pinned", taint="OEK", refcnt=1)
    for _run in range(2):
        result = roll_back()
        assert (result["changed"], result["removed"]) == (False, [])
        assert [found["code"] for found in result["findings"]] == ["module-kept"]
    assert roll_back(check_mode=True)["changed"] is False


def test_modules_that_are_no_live_patches_are_left_alone(stack, roll_back):
    stack.plain_module("e1000", taint="OE")
    roll_back()
    assert stack.names("/sys/module") == ["e1000"]


def test_it_takes_the_capability_but_not_to_find_nothing(kernel, apply, roll_back):
    kernel.put("/proc/self/status", "CapEff:\t0000000000000000\n")
    assert roll_back()["changed"] is False
    kernel.plain_module("left", taint="K")
    for check_mode in (False, True):
        with pytest.raises(LivepatchError) as caught:
            roll_back(check_mode=check_mode)
        assert caught.value.code == "not-permitted"
    assert kernel.names("/sys/module") == ["left"]


@pytest.fixture
def locked(stack):
    """The same kernel after kernel.modules_disabled was set: it loads and unloads no module until a reboot."""
    stack.put("/proc/sys/kernel/modules_disabled", "1\n")
    stack.removal_errno = errno.EPERM
    return stack


def test_patches_are_disabled_where_no_module_can_be_unloaded(locked, interface, roll_back):
    result = roll_back()
    assert (result["changed"], disabled(locked)) == (True, ["second", "first"])
    assert {entry["code"] for entry in result["findings"]} == {"module-kept"}
    locked.sleep(1)
    assert interface.patches() == []
    again = roll_back()
    assert (again["changed"], again["removed"]) == (False, [])
    assert {(entry["code"], entry["subject"]) for entry in again["findings"]} == {
        ("module-kept", name) for name in ("first", "second", "third")}
    assert roll_back(check_mode=True)["changed"] is False


def test_an_earlier_patch_is_not_loaded_again_where_no_module_can_be_loaded(kernel, apply, interface, roll_back):
    apply(SimulatedPatch("first", build_id="11" * 20, replace=True))
    apply(SimulatedPatch("second", build_id="22" * 20, replace=True))
    kernel.sleep(1)
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    with pytest.raises(LivepatchError) as caught:
        roll_back(to="previous")
    assert caught.value.code == "module-loading-disabled"
    assert [patch["name"] for patch in interface.patches()] == ["second"]
