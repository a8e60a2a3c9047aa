# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load that the kernel refuses only because it is busy, on a simulated kernel."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.insertion import MOST_ATTEMPTS
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import Store, digest_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    V1,
    V2,
    accept,
    failure,
    kept_file_path,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

DUPLICATE = "sysfs: cannot create duplicate filename '/kernel/livepatch/fix/vmlinux/one,1'"


@pytest.fixture
def busy(kernel):
    """busy(name, times, *lines): finit_module fails so often with that errno, and logs these lines each time."""
    plain, calls = kernel.finit_module, []

    def script(name, times, *lines):
        def finit_module(descriptor, parameters):
            calls.append(kernel.now())
            if len(calls) <= times:
                kernel.say(*lines)
                code = getattr(errno, name)
                raise OSError(code, os.strerror(code))
            plain(descriptor, parameters)
        kernel.finit_module = finit_module
        return calls
    return script


@pytest.mark.parametrize("name, lines", [
    ("EBUSY", []), ("EAGAIN", []),
    ("EAGAIN", ["livepatch: failed to register ftrace handler for function 'one' (-11)"]),
])
@pytest.mark.parametrize("times", [1, 3])
def test_it_is_tried_again(apply, busy, name, lines, times):
    calls = busy(name, times, *lines)
    result = apply(SimulatedPatch())
    assert result["patch"]["state"] == "enabled"
    assert len(calls) == times + 1


def test_a_file_put_in_place_of_the_checked_one_is_not_loaded(kernel, apply, monkeypatch):
    """The kernel reads the descriptor of which the digest was taken, and opens no name again."""
    loaded, plain, check = [], kernel.finit_module, Store.open

    def open_then_replace(store, sha256):
        descriptor = check(store, sha256)
        path = kept_file_path(kernel, V1)
        os.rename(path, f"{path}.moved")
        with open(path, "wb") as file:
            file.write(b"other bytes")
        return descriptor

    def finit_module(descriptor, parameters):
        loaded.append(digest_of(os.dup(descriptor)))
        os.lseek(descriptor, 0, os.SEEK_SET)
        plain(descriptor, parameters)
    monkeypatch.setattr(Store, "open", open_then_replace)
    kernel.finit_module = finit_module
    apply(V1)
    assert loaded == [V1.sha256]


def test_the_time_of_the_attempts_is_not_the_transition_s(kernel, apply, busy):
    busy("EBUSY", 3)
    assert apply(SimulatedPatch())["patch"]["transition_seconds"] < 1.0


def test_a_rollback_and_a_boot_try_again_too(kernel, interface, apply, busy):
    kernel.put(BOOT_ID, "boot-1\n")
    accept(apply, V1)
    apply(V2)
    calls = busy("EBUSY", 2)
    roll_back(kernel, "previous", 90, "reverse")
    assert (interface.state("v1"), len(calls)) == ("enabled", 3)
    reboot(kernel)
    calls.clear()
    boot(kernel)
    assert (interface.state("v1"), len(calls)) == ("enabled", 3)


@pytest.mark.parametrize("name, lines, code", [
    ("EEXIST", [DUPLICATE], "duplicate-function"),
    ("EBUSY", [DUPLICATE], "duplicate-function"),  # since 7.2, as every EEXIST of an init function
    ("EBUSY", ["livepatch: failed to register ftrace handler for function 'one' (-16)"], "ftrace-busy"),
    ("EBUSY", ["livepatch: pre-patch callback failed for object 'vmlinux'"], "callback-refused"),
    ("ENOMEM", [], "no-memory"), ("EEXIST", [], "name-loaded"), ("EINVAL", [], "load-refused"),
])
def test_another_refusal_is_final(apply, busy, name, lines, code):
    calls = busy(name, 9, *lines)
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch())
    assert (caught.value.code, len(calls), caught.value.details["attempts"]) == (code, 1, 1)
    assert "tried" not in caught.value.message


def test_the_attempts_are_bounded_and_told(apply, busy):
    calls = busy("EBUSY", 99)
    with pytest.raises(LivepatchError) as caught:
        apply(SimulatedPatch(), timeout=60)
    assert len(calls) == MOST_ATTEMPTS == caught.value.details["attempts"]
    assert caught.value.message.endswith(f" It was tried {MOST_ATTEMPTS} times.")
    assert caught.value.code == "transition-running"


def test_they_end_with_the_timeout(apply, busy):
    calls = busy("EAGAIN", 99)
    with pytest.raises(LivepatchError):
        apply(SimulatedPatch(), timeout=1)
    assert 1 < len(calls) < MOST_ATTEMPTS
    assert calls[-1] - calls[0] < 1


def test_they_wait_for_the_end_of_another_transition(kernel, apply, busy):
    base = "/sys/kernel/livepatch/other"
    calls = busy("EBUSY", 1)
    plain = kernel.finit_module

    def begin(descriptor, parameters):
        if not calls:
            kernel.put(f"{base}/transition", "1\n")
            kernel.at(kernel.now() + 7, lambda: kernel.put(f"{base}/transition", "0\n"))
        plain(descriptor, parameters)

    kernel.finit_module = begin
    apply(SimulatedPatch(), timeout=60)
    assert len(calls) == 2 and calls[1] - calls[0] >= 7


def test_they_wait_until_a_module_of_that_name_is_gone(kernel, apply, busy):
    calls = busy("EBUSY", 1)
    plain = kernel.finit_module

    def begin(descriptor, parameters):
        if not calls:
            kernel.put("/sys/module/fix/initstate", "going\n")
            kernel.at(kernel.now() + 3, lambda: os.unlink(kernel.path("/sys/module/fix/initstate")))
            kernel.at(kernel.now() + 3, lambda: os.rmdir(kernel.path("/sys/module/fix")))
        plain(descriptor, parameters)

    kernel.finit_module = begin
    assert apply(SimulatedPatch(), timeout=60)["patch"]["state"] == "enabled"
    assert len(calls) == 2 and calls[1] - calls[0] >= 3


@pytest.mark.parametrize("name", ["EBUSY", "EAGAIN"])
@pytest.mark.parametrize("times", [1, 3, 9])
def test_a_patch_is_disabled_after_a_transition_that_nobody_saw(kernel, interface, apply, monkeypatch, name, times):
    """The kernel refuses during another patch's transition, and that has ended before anything looks for it."""
    apply(SimulatedPatch())
    plain, refusals = kernel.write, [getattr(errno, name)] * times

    def write(path, text):
        if path.endswith("/fix/enabled") and refusals:
            raise OSError(refusals.pop(), "refused")
        plain(path, text)

    monkeypatch.setattr(kernel, "write", write)
    if times > 6:
        error = failure(apply, name="fix", state="disabled", timeout=60)
        assert (error.code, error.details["attempts"]) == ("change-refused", 6)
        assert interface.state("fix") == "enabled"
    else:
        assert apply(name="fix", state="disabled", timeout=60)["patch"]["state"] == "disabled"
