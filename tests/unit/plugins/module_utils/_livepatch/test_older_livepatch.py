# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for /sys/kernel/livepatch on simulated older kernels and one of openEuler; none of these was run."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_verify import verify_host
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    THREE,
    TWO,
    accept,
    failure,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.older_livepatch import (
    LIVEPATCH,
    STATE,
    SimulatedOpenEuler,
    SimulatedRegistry,
    SimulatedSignal,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
SIGNAL = (f"{LIVEPATCH}/fix/signal", "1")


@pytest.fixture
def kernel(tmp_path, request):
    return request.param(tmp_path / "host")


with_signal = pytest.mark.parametrize("kernel", [SimulatedSignal], indirect=True)
with_stack = pytest.mark.parametrize("kernel", [SimulatedRegistry, SimulatedSignal], indirect=True)
on_openeuler = pytest.mark.parametrize("kernel", [SimulatedOpenEuler], indirect=True)


@with_signal
def test_a_sleeper_is_woken_by_the_signal_file(kernel, apply):
    kernel.hold(7)
    kernel.sleepers = (7,)
    result = apply(FIX, timeout=90)
    assert result["patch"]["state"] == "enabled"
    assert 15 <= result["patch"]["transition_seconds"] < 18
    assert kernel.writes.count(SIGNAL) == 1


@with_signal
def test_a_task_that_does_not_wake_up_still_has_the_transition_reversed(kernel, apply):
    kernel.hold(7)
    error = failure(apply, FIX, timeout=40)
    assert error.code == "transition-stalled"
    assert kernel.writes.count(SIGNAL) == 2  # after 15 s and 30 s


@with_signal
def test_a_short_timeout_leaves_half_of_it_for_the_signal(kernel, apply):
    kernel.hold(7)
    kernel.sleepers = (7,)
    assert apply(FIX, timeout=4)["patch"]["state"] == "enabled"


@with_signal
def test_a_quick_transition_signals_nobody(kernel, apply):
    apply(FIX, timeout=90)
    assert SIGNAL not in kernel.writes


@with_signal
def test_a_transition_that_ends_before_the_signal_is_no_error(kernel, interface):
    kernel.put(f"{LIVEPATCH}/fix/signal", "")
    assert interface.send_signals("fix")
    assert not interface.send_signals("other")


@with_stack
def test_no_patch_is_loaded_above_a_disabled_one(kernel, apply):
    apply(ONE)
    apply(name="one", state="disabled")
    found = check_host(kernel, TWO.offer(), None, report_only=True)["findings"]
    assert [entry["subject"] for entry in found if entry["code"] == "earlier-patch-disabled"] == ["one"]
    assert failure(apply, TWO).code == "earlier-patch-disabled"
    assert [name for name, _parameters in kernel.loads] == ["one"]
    apply(name="one", state="absent")
    assert apply(TWO)["patch"]["state"] == "enabled"


@with_stack
def test_a_disabled_patch_is_loaded_again(kernel, interface, apply):
    apply(ONE)
    apply(name="one", state="disabled")
    assert interface.patch("one")["state"] == "disabled"  # still registered
    assert apply(ONE)["patch"]["state"] == "enabled"


@with_stack
def test_a_patch_is_not_disabled_below_an_enabled_one(kernel, interface, apply):
    for patch in (ONE, TWO, THREE):
        apply(patch)
    for state in ("disabled", "absent"):
        error = failure(apply, name="one", state=state)
        assert (error.code, error.details["changed"]) == ("interface-cannot", False)
        assert "disable one below the enabled two, three" in error.message
    assert stack(kernel, interface) == ["one", "two", "three"]


@pytest.mark.parametrize("kernel", [SimulatedRegistry, SimulatedSignal, SimulatedOpenEuler], indirect=True)
def test_a_rollback_is_not_stopped_by_a_disabled_patch(kernel, interface, apply):
    kernel.has_stack = True  # openEuler's configuration
    for patch in (ONE, TWO, THREE):
        accept(apply, patch)
    apply(name="three", state="disabled")
    apply(name="two", state="disabled")
    assert roll_back(kernel, "previous", 3, "reverse")["changed"]
    assert stack(kernel, interface) == ["one", "two"]
    assert not kernel.exists("/sys/module/three")


@with_stack
def test_the_end_of_a_trial_is_not_stopped_by_disabled_patches(kernel, interface, apply):
    apply(ONE)
    apply(TWO, trial=60)
    for name in ("two", "one"):  # by a person at the console
        kernel.write(f"{LIVEPATCH}/{name}/enabled", "0")
        kernel.sleep(1)
    end_trial(kernel)
    assert stack(kernel, interface) == ["one"]
    assert not kernel.exists("/sys/module/two")


@pytest.mark.parametrize("kernel", [SimulatedRegistry], indirect=True)
def test_what_a_kernel_cannot_force_is_reversed(kernel, apply):
    kernel.hold(7)
    error = failure(apply, FIX, timeout=2, on_stall="force")
    assert error.code == "transition-stalled"
    assert "was reversed because this kernel cannot force it" in error.message
    assert not kernel.exists("/sys/module/fix")


@on_openeuler
def test_a_load_registers_and_enables(kernel, interface, apply):
    result = apply(FIX)
    assert (result["changed"], result["patch"]["state"]) == (True, "enabled")
    assert kernel.writes[-1] == (f"{LIVEPATCH}/fix/enabled", "1")
    assert kernel.read(STATE).splitlines()[2].split() == ["1", "fix", "enabled"]
    assert interface.patch("fix")["objects"] == [{
        "name": "vmlinux", "patched": True, "functions": [{"name": "cmdline_proc_show", "sympos": 1}]}]
    assert not apply(FIX)["changed"]


@on_openeuler
@pytest.mark.parametrize("config, codes", [
    ("CONFIG_LIVEPATCH_WO_FTRACE=y\n", set()),
    ("CONFIG_LIVEPATCH_FTRACE=y\n", {"ftrace-disabled", "function-not-traceable", "ftrace-busy"}),
    (None, {"ftrace-disabled", "function-not-traceable", "ftrace-busy"})])
def test_what_ftrace_cannot_do_is_no_obstacle_without_it(kernel, apply, config, codes):
    if config:
        kernel.put("/boot/config-6.1.0-56-amd64", config)
    kernel.put("/proc/sys/kernel/ftrace_enabled", "0\n")
    kernel.put("/sys/kernel/tracing/available_filter_functions", "one\n")
    kernel.put("/sys/kernel/tracing/enabled_functions", "one (1)   I  \ttramp: 0xffffffffc0a00000 (kprobe)\n")
    patch = SimulatedPatch(objects={"vmlinux": ["one", "other"]})
    found = check_host(kernel, patch.offer(), None, report_only=True)["findings"]
    assert {entry["code"] for entry in found if entry["level"] == "blocker"} == codes
    if not codes:
        assert apply(patch)["patch"]["state"] == "enabled"


@on_openeuler
def test_a_kernel_that_has_given_up_itself_is_asked_again(kernel, apply, monkeypatch):
    real = kernel.write
    answers = [errno.EAGAIN, errno.EAGAIN]

    def write(path, text):
        if path.endswith("/enabled") and answers:
            raise OSError(answers.pop(), "Resource temporarily unavailable")
        real(path, text)

    monkeypatch.setattr(kernel, "write", write)
    assert apply(FIX, timeout=30)["patch"]["state"] == "enabled"
    assert answers == []


@on_openeuler
def test_what_ftrace_does_not_show_is_not_held_against_the_patch(kernel, apply):
    apply(FIX)
    verified = verify_host(kernel, None, None)
    assert verified["verified"]
    assert [one["ftrace"] for one in verified["functions"]] == [None]
    assert [one["code"] for one in verified["findings"]] == ["ftrace-not-used"]


@on_openeuler
def test_a_patch_that_somebody_has_only_registered(kernel, apply):
    kernel.put("/tmp/fix.ko", FIX.image)
    descriptor = os.open(kernel.path("/tmp/fix.ko"), os.O_RDONLY)
    kernel.finit_module(descriptor, "")
    os.close(descriptor)
    shown = host_inventory(kernel)["patches"][0]
    assert (shown["state"], shown["objects"][0]["patched"]) == ("disabled", False)
    assert apply(FIX)["patch"]["state"] == "enabled"


@on_openeuler
def test_it_is_disabled_removed_and_rolled_back(kernel, interface, apply):
    apply(FIX)
    assert apply(name="fix", state="disabled")["patch"]["state"] == "disabled"
    assert interface.patch("fix")["state"] == "disabled"  # still registered
    apply(name="fix", state="absent")
    assert interface.patches() == []
    apply(FIX)
    assert roll_back(kernel, "original", 3, "reverse")["changed"]
    assert not kernel.exists("/sys/module/fix")


@on_openeuler
def test_a_patch_that_cannot_be_enabled_is_unloaded(kernel, apply):
    kernel.in_use = {"cmdline_proc_show"}
    error = failure(apply, FIX)
    assert error.code == "function-in-use"
    assert "The kernel did not change the patch fix (EBUSY" in error.message
    assert error.message.endswith("The patch was unloaded.")
    assert (error.details["changed"], kernel.exists("/sys/module/fix")) == (False, False)


@on_openeuler
def test_it_is_enabled_as_soon_as_no_task_is_in_the_function(kernel, apply):
    kernel.in_use = {"cmdline_proc_show"}
    kernel.at(1, kernel.in_use.clear)
    assert apply(FIX, timeout=30)["patch"]["state"] == "enabled"
    assert len(kernel.loads) == 1


@on_openeuler
@pytest.mark.parametrize("has_stack", [False, True])
def test_a_load_above_a_disabled_patch_is_left_to_the_kernel(kernel, apply, has_stack):
    kernel.has_stack = has_stack
    apply(ONE)
    apply(name="one", state="disabled")
    if has_stack:
        error = failure(apply, TWO)
        assert (error.code, "one loaded earlier is disabled" in error.message) == ("function-in-use", True)
        assert not kernel.exists("/sys/module/two")
    else:
        assert apply(TWO)["patch"]["state"] == "enabled"


@on_openeuler
def test_a_module_to_patch_must_be_loaded(kernel, apply):
    error = failure(apply, SimulatedPatch(objects={"target": ["three"]}), ignore_findings=["ineffective"])
    assert (error.code, error.details["errno"]) == ("dependency-not-loaded", errno.errorcode[errno.ENOPKG])
    assert "target is not loaded. Run modprobe target first" in error.message
