# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transition that a task holds: turned round, waited for, forced, in both directions."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

HELP = (
    " For worker, end the wait of this kernel thread (see its stack in blockers), or ask for a patch without "
    "that function. Then run again.")
FIX = SimulatedPatch()
ENABLING, DISABLING = ("enabling",), ("disabling",)
HOLDER = {
    "pid": 7, "tid": 7, "comm": "worker", "kthread": True, "reason": "asleep-in-function",
    "function": "cmdline_proc_show", "stack": ["msleep", "cmdline_proc_show", "kthread"],
}


def failure(apply, *arguments, **options):
    with pytest.raises(LivepatchError) as caught:
        apply(*arguments, **options)
    return caught.value


def test_a_held_load_is_turned_round_and_leaves_nothing(kernel, interface, apply):
    kernel.hold(7)
    error = failure(apply, FIX)
    assert error.code == "transition-stalled"
    assert error.message == (
        "The transition of fix did not end within 3 s and was reversed. It was held by worker (pid 7) asleep in "
        "cmdline_proc_show. The patch was unloaded." + HELP)
    assert error.details["blockers"] == [HOLDER]
    assert error.details["changed"] is False
    assert error.details["patch"]["state"] == "absent"
    assert interface.state("fix") == "absent"
    assert not kernel.exists("/sys/module/fix")


def test_a_held_removal_is_turned_round_and_stays_enabled(kernel, interface, apply):
    apply(FIX)
    kernel.hold(7, directions=DISABLING)
    error = failure(apply, name="fix", state="absent")
    assert error.code == "transition-stalled"
    assert "and was reversed." in error.message
    assert error.message.endswith("asleep in cmdline_proc_show. The patch is enabled as before." + HELP)
    assert (error.details["changed"], error.details["patch"]["state"]) == (False, "enabled")
    assert interface.state("fix") == "enabled"


@pytest.mark.parametrize("begin, stuck", [("enabled", "disabling"), ("absent", "enabling")])
def test_a_transition_that_is_held_both_ways_is_said_to_go_on(kernel, interface, apply, begin, stuck):
    if begin == "absent":
        apply(FIX)
    kernel.hold(7, directions=ENABLING + DISABLING)
    error = failure(apply, FIX, state=begin)
    assert error.code == "reverse-stalled"
    assert f"It is still {stuck}, held by worker (pid 7) asleep in cmdline_proc_show" in error.message
    assert error.details["blockers"] == [HOLDER]
    assert (error.details["changed"], error.details["patch"]["state"]) == (True, stuck)
    assert interface.state("fix") == stuck


@pytest.mark.parametrize("wanted, moving, done", [
    ("enabled", "enabling", "enabled"), ("disabled", "disabling", "disabled"), ("absent", "disabling", "absent")])
def test_a_transition_that_is_left_going_is_finished_by_the_next_run(kernel, interface, apply, wanted, moving, done):
    if wanted != "enabled":
        apply(FIX)
    kernel.hold(7, directions=(moving,))
    result = apply(FIX, state=wanted, on_stall="wait")
    assert (result["changed"], result["patch"]["state"]) == (True, moving)
    assert result["patch"]["transition_seconds"] is None
    assert result["blockers"] == [HOLDER]
    assert [found["code"] for found in result["findings"]] == ["transition-unfinished"]
    assert apply(FIX, state=wanted, on_stall="wait")["changed"] is False
    kernel.let_go(7)
    assert apply(FIX, state=wanted)["patch"]["state"] == done
    assert interface.state("fix") == done


def test_a_forced_load_is_enabled_and_says_so(kernel, interface, apply):
    kernel.hold(7)
    result = apply(FIX, on_stall="force")
    assert result["patch"]["state"] == interface.state("fix") == "enabled"
    assert [found["code"] for found in result["findings"]] == ["transition-forced"]
    assert result["blockers"] == [HOLDER]
    assert ("/sys/kernel/livepatch/fix/force", "1") in kernel.writes


def test_a_forced_removal_ends_disabled_and_pinned(kernel, interface, apply):
    apply(FIX)
    kernel.hold(7, directions=DISABLING)
    error = failure(apply, name="fix", state="absent", on_stall="force")
    assert error.code == "module-pinned"
    assert "It stays loaded without effect. Reboot the host to unload it." in error.message
    assert [found["code"] for found in error.details["findings"]] == ["transition-forced"]
    assert (error.details["changed"], error.details["patch"]["state"]) == (True, "disabled")
    assert interface.state("fix") == "disabled"
    assert failure(apply, FIX).code == "name-pinned"


def test_nothing_is_forced_unless_it_is_asked_for(kernel, apply):
    kernel.hold(7, directions=ENABLING + DISABLING)
    failure(apply, FIX)
    apply(FIX, on_stall="wait")
    assert [path for path, _text in kernel.writes if path.endswith("/force")] == []


@pytest.mark.parametrize("on_stall", ["reverse", "wait", "force"])
@pytest.mark.parametrize("wanted, direction", [("enabled", ENABLING), ("absent", DISABLING)])
def test_what_ends_while_its_blockers_are_looked_for_has_not_stalled(
        kernel, interface, apply, on_stall, wanted, direction):
    if wanted == "absent":
        apply(FIX)
    kernel.hold(7, directions=direction)
    kernel.at(kernel.now() + 3.5, lambda: kernel.let_go(7))
    result = apply(FIX, state=wanted, on_stall=on_stall)
    assert result["patch"]["state"] == interface.state("fix") == wanted
    assert (result["findings"], result["blockers"]) == ([], [])


def test_a_forced_transition_that_goes_on_all_the_same_is_an_error(kernel, interface, apply):
    kernel.hold(7)
    write = kernel.write
    kernel.write = lambda path, text: None if path.endswith("/force") else write(path, text)
    error = failure(apply, FIX, on_stall="force")
    assert error.code == "force-stalled"
    assert "was forced and did not end within 3 s more" in error.message
    assert error.details["blockers"] == [HOLDER]
    assert (error.details["patch"]["state"], interface.state("fix")) == ("enabling", "enabling")


@pytest.mark.parametrize("on_stall", ["reverse", "force"])
def test_what_ends_just_before_the_kernel_is_asked_has_not_stalled(kernel, interface, apply, on_stall):
    """The kernel refuses both requests once the removal is over: the patch's directory has gone."""
    apply(FIX)
    kernel.hold(7, directions=DISABLING)
    write = kernel.write

    def write_too_late(path, text):
        if text == "1":
            kernel.let_go(7)
            kernel.sleep(1)
        write(path, text)

    kernel.write = write_too_late
    result = apply(name="fix", state="absent", on_stall=on_stall)
    assert result["patch"]["state"] == interface.state("fix") == "absent"
    assert result["findings"] == []


@pytest.mark.parametrize("on_stall", ["reverse", "force"])
def test_a_request_that_the_kernel_refuses_in_the_middle_is_an_error(kernel, interface, apply, on_stall):
    kernel.hold(7)
    write = kernel.write

    def refuse(path, text):
        if path.startswith("/sys/kernel/livepatch/fix/"):
            raise OSError(1, "Operation not permitted")
        write(path, text)

    kernel.write = refuse
    error = failure(apply, FIX, on_stall=on_stall)
    assert error.code == "not-permitted"
    assert (error.details["changed"], interface.state("fix")) == (True, "enabling")


def test_a_stall_without_dynamic_debug_is_turned_round_all_the_same(kernel, interface, apply):
    kernel.hold(7)
    kernel.forbidden = ("/proc/dynamic_debug",)
    error = failure(apply, FIX)
    assert error.code == "transition-stalled"
    assert error.details["blockers"] == [dict(HOLDER, reason="unknown")]
    assert "held by worker (pid 7) in cmdline_proc_show" in error.message
    assert interface.state("fix") == "absent"


def test_an_idle_cpu_can_hold_a_transition_and_is_not_seen(kernel, apply):
    kernel.hold(7)
    kernel.forbidden = ("/proc/7/",)
    error = failure(apply, FIX)
    assert "and was reversed. It was held by no visible task (an idle CPU can hold it)." in error.message
    assert error.message.endswith("Run again when the host is less busy.")
    assert error.details["blockers"] == []


def test_a_load_that_cannot_be_taken_out_after_it_was_turned_round_says_so(kernel, interface, apply):
    kernel.hold(7)
    kernel.removal_errno = 1  # EPERM
    error = failure(apply, FIX)
    assert error.code == "transition-stalled"
    assert "and was reversed." in error.message
    assert error.message.endswith(
        "asleep in cmdline_proc_show. The kernel refuses to unload the module fix with EPERM (1): the kernel does not "
        "permit it. Check CAP_SYS_MODULE and kernel.modules_disabled." + HELP)
    assert (error.details["changed"], interface.state("fix")) == (True, "disabled")


@pytest.mark.parametrize("wanted, direction, meanwhile", [("enabled", ENABLING, "0"), ("absent", DISABLING, "1")])
def test_someone_else_turning_the_transition_round_is_noticed(kernel, apply, wanted, direction, meanwhile):
    if wanted == "absent":
        apply(FIX)
    kernel.hold(7, directions=direction)
    kernel.at(kernel.now() + 1, lambda: kernel.write("/sys/kernel/livepatch/fix/enabled", meanwhile))
    error = failure(apply, FIX, state=wanted)
    assert error.code == "changed-meanwhile"
    assert "Another process changed" in error.message
