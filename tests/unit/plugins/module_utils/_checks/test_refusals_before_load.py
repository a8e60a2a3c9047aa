# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is loaded, each with its code and with nothing changed."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import FINDINGS
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

NO_CAPABILITIES = "Name:\tpython3\nCapEff:\t0000000000000000\n"
# All but bit 16, which is CAP_SYS_MODULE.
ALL_BUT_ONE = "Name:\tpython3\nCapEff:\t000001fffffeffff\n"


def failure(apply, *arguments, **options):
    with pytest.raises(LivepatchError) as caught:
        apply(*arguments, **options)
    return caught.value


BAD_FILES = [
    ({"livepatch": False}, "not-a-livepatch", "fix.ko is a kernel module but not a live patch"),
    ({"arch": "aarch64"}, "wrong-architecture", "fix.ko is built for aarch64 and this host is x86_64"),
    ({"release": "6.1.0-57-amd64"}, "wrong-release",
     "fix.ko is built for kernel 6.1.0-57-amd64 and this host runs 6.1.0-56-amd64"),
    ({"release": "6.1.0-56-amd64-dbg"}, "wrong-release", "fix.ko is built for kernel 6.1.0-56-amd64-dbg"),
    ({"release": None}, "no-vermagic", "fix.ko has no vermagic, so it can only be loaded by force"),
]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("described, code, sentence", BAD_FILES)
def test_a_file_that_does_not_fit_is_refused(kernel, apply, described, code, sentence, check_mode):
    error = failure(apply, SimulatedPatch(**described), check_mode=check_mode)
    assert error.code == code
    assert error.message.startswith(sentence)
    assert [(found["code"], found["level"]) for found in error.details["findings"]] == [(code, "blocker")]
    assert error.details["patch"]["state"] == error.details["patch"]["previous_state"] == "absent"
    assert kernel.loads == []
    assert not kernel.exists("/var/lib/kernel-livepatch")


def test_all_that_is_wrong_is_told_at_once(apply):
    error = failure(apply, SimulatedPatch(livepatch=False, arch="s390x", release="5.10.0"))
    assert [found["code"] for found in error.details["findings"]] == [
        "not-a-livepatch", "wrong-architecture", "wrong-release"]
    assert error.message.endswith("(2 more in findings.)")


@pytest.mark.parametrize("status", [NO_CAPABILITIES, ALL_BUT_ONE, ""])
@pytest.mark.parametrize("state", ["enabled", "disabled", "absent"])
def test_without_the_capability_nothing_is_tried(kernel, interface, apply, state, status):
    fix = SimulatedPatch()
    if state != "enabled":
        apply(fix)
    before, writes = interface.state("fix"), list(kernel.writes)
    kernel.put("/proc/self/status", status)
    error = failure(apply, fix, state=state)
    assert error.code == "not-permitted"
    assert "Run the task with become: true" in error.message
    assert (interface.state("fix"), kernel.writes) == (before, writes)


def test_nothing_to_do_takes_no_capability(kernel, apply):
    apply(SimulatedPatch())
    kernel.put("/proc/self/status", NO_CAPABILITIES)
    assert apply(SimulatedPatch())["changed"] is False
    assert apply(name="other", state="absent")["changed"] is False


def test_switched_off_module_loading_is_told(kernel, apply):
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    assert failure(apply, SimulatedPatch()).code == "module-loading-disabled"


def test_with_module_loading_switched_off_nothing_is_half_removed(kernel, interface, apply):
    apply(SimulatedPatch())
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    assert failure(apply, SimulatedPatch(), state="absent").code == "module-loading-disabled"
    assert interface.state("fix") == "enabled"


def test_with_module_loading_switched_off_a_patch_is_still_disabled(kernel, interface, apply):
    apply(SimulatedPatch())
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    assert apply(name="fix", state="disabled")["patch"]["state"] == "disabled"
    assert interface.state("fix") == "disabled"


@pytest.mark.parametrize("direction", ["enabling", "disabling"])
def test_with_module_loading_switched_off_what_is_loaded_already_is_still_enabled(kernel, apply, direction):
    kernel.hold(7, directions=(direction,))
    apply(SimulatedPatch(), on_stall="wait")
    if direction == "disabling":
        apply(name="fix", state="disabled", on_stall="wait")
    kernel.let_go(7)
    kernel.put("/proc/sys/kernel/modules_disabled", "1\n")
    result = apply(SimulatedPatch(), params={"cuont": 1})  # parameters are for a load
    assert (result["patch"]["previous_state"], result["patch"]["state"]) == (direction, "enabled")


@pytest.mark.parametrize("wanted, other_state", [("enabled", "absent"), ("absent", "enabled")])
def test_another_patch_in_transition_is_named(kernel, interface, apply, wanted, other_state):
    if wanted == "absent":
        apply(SimulatedPatch())
    kernel.hold(7)
    apply(SimulatedPatch("slow"), on_stall="wait")
    began = kernel.now()
    error = failure(apply, SimulatedPatch(), state=wanted)
    assert 3 <= kernel.now() - began < 5  # of the simulated clock: the timeout, and a second for the blockers
    assert error.code == "transition-running"
    assert "The patch slow is in transition" in error.message
    assert [blocker["comm"] for blocker in error.details["blockers"]] == ["worker"]
    assert (interface.state("fix"), interface.state("slow")) == (other_state, "enabling")


@pytest.mark.parametrize("wanted", ["enabled", "absent"])
def test_another_transition_that_ends_in_time_is_waited_for(kernel, interface, apply, wanted):
    if wanted == "absent":
        apply(SimulatedPatch())
    kernel.hold(7)
    apply(SimulatedPatch("slow"), on_stall="wait")
    kernel.at(kernel.now() + 2, lambda: kernel.let_go(7))
    assert apply(SimulatedPatch(), state=wanted)["changed"] is True
    assert (interface.state("fix"), interface.state("slow")) == (wanted, "enabled")


def test_what_stands_against_a_patch_anyway_is_told_without_waiting_for_a_transition(kernel, apply):
    kernel.hold(7)
    apply(SimulatedPatch("slow"), on_stall="wait")
    before = kernel.now()
    failure(apply, SimulatedPatch(release="6.1.0-57-amd64"))
    assert kernel.now() == before


@pytest.mark.parametrize("state", ["enabled", "enabling", "disabling"])
def test_another_build_under_the_same_name_is_refused_while_it_has_an_effect(kernel, interface, apply, state):
    kernel.hold(7, directions=(state,))
    apply(SimulatedPatch(), on_stall="wait")
    if state == "disabling":
        apply(name="fix", state="disabled", on_stall="wait")
    error = failure(apply, SimulatedPatch(build_id="cc" * 20))
    assert error.code == "name-taken-by-other-build"
    assert error.message.startswith(
        f"Another build of fix is {state} (build-id {'aa' * 20}; fix.ko has {'cc' * 20}). "
        "Give the new build its own name")
    assert interface.state("fix") == state
    assert kernel.loads == [("fix", "")]


def test_another_build_without_effect_is_taken_out_first(kernel, apply):
    apply(SimulatedPatch())
    apply(name="fix", state="disabled")
    assert apply(SimulatedPatch(build_id="cc" * 20))["patch"]["build_id"] == "cc" * 20
    assert kernel.read_bytes("/sys/module/fix/notes/.note.gnu.build-id").endswith(b"\xcc" * 20)


@pytest.mark.parametrize("state", ["enabled", "disabled", "absent"])
def test_a_module_that_is_no_live_patch_is_left_alone(kernel, apply, state):
    kernel.plain_module("fix", taint="OE")
    assert failure(apply, SimulatedPatch(), state=state).code == "name-not-a-livepatch"
    assert kernel.exists("/sys/module/fix")


def test_an_unknown_parameter_is_named_with_the_known_ones(apply):
    error = failure(apply, SimulatedPatch(), params={"cuont": 1})
    assert error.code == "unknown-parameter"
    assert "no module parameter cuont (it has: count, text)" in error.message


def test_a_dash_in_a_parameter_is_an_underscore_as_it_is_to_the_kernel(kernel, apply):
    patch = SimulatedPatch(parameters={"log_level": "int", "dry-run": "bool"})
    assert apply(patch, params={"log-level": 1, "dry_run": True})["findings"] == []
    assert kernel.loads == [("fix", "dry_run=Y log-level=1")]


def test_the_parameters_that_every_module_has_are_known(kernel, apply):
    assert apply(SimulatedPatch(), params={"dyndbg": "+p", "async_probe": True})["patch"]["state"] == "enabled"
    assert kernel.loads == [("fix", "async_probe=Y dyndbg=+p")]


def test_an_unknown_parameter_can_be_ignored_and_is_still_told(kernel, apply):
    result = apply(SimulatedPatch(), params={"cuont": 1}, ignore_findings=["unknown-parameter"])
    assert result["patch"]["state"] == "enabled"
    assert [found["code"] for found in result["findings"]] == ["unknown-parameter"]
    assert kernel.loads == [("fix", "cuont=1")]


@pytest.mark.parametrize("code, sentence", [
    ("wrong-release", "wrong-release must never be ignored"),
    ("wrong-relase", "wrong-relase is not a code of a finding"),
    ("orc-missing", "orc-missing is a warning, and only a blocker needs to be ignored"),
    ("no-build", "no-build is a note, and only a blocker needs to be ignored"),
])
def test_what_must_not_be_ignored_is_refused(apply, code, sentence):
    error = failure(apply, SimulatedPatch(), ignore_findings=[code])
    assert error.code == "finding-not-ignorable"
    ignorable = sorted(code for code, (_level, may, _message) in FINDINGS.items() if may)
    assert error.message == (
        f"ignore_findings: {sentence}. Correct it. These codes can be ignored: {', '.join(ignorable)}.")


@pytest.mark.parametrize("directory, sentence", [
    ("kpatch/patches", "its kpatch.ko is older than 0.4"), ("unlike", "Boot a kernel with CONFIG_LIVEPATCH=y"),
])
def test_a_kernel_without_the_interface_is_told(kernel, apply, directory, sentence):
    os.renames(kernel.path("/sys/kernel/livepatch"), kernel.path(f"/sys/kernel/{directory}"))
    error = failure(apply, SimulatedPatch())
    assert error.code == "livepatch-unsupported"
    assert sentence in error.message
