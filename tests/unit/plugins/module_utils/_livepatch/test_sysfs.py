# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The adapter for /sys/kernel/livepatch: what older and newer kernels show, and what they refuse."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

BASE = "/sys/kernel/livepatch"


def show(kernel, name, enabled="1", transition="0", **attributes):
    for attribute, value in dict(attributes, enabled=enabled, transition=transition).items():
        kernel.put(f"{BASE}/{name}/{attribute}", f"{value}\n")


@pytest.mark.parametrize("enabled, transition, state", [
    ("1", "0", "enabled"), ("1", "1", "enabling"), ("0", "1", "disabling"), ("0", "0", "disabled")])
def test_two_files_make_a_state(kernel, interface, enabled, transition, state):
    show(kernel, "fix", enabled, transition)
    assert interface.state("fix") == interface.patch("fix")["state"] == state
    assert interface.patch_in_transition() == ("fix" if transition == "1" else None)


def test_a_directory_that_goes_while_it_is_read(kernel, interface):
    show(kernel, "fix")
    os.unlink(kernel.path(f"{BASE}/fix/enabled"))
    assert interface.patch("fix") is None
    assert interface.patches() == []
    assert interface.state("fix") == "absent"
    kernel.plain_module("fix", taint="K")
    assert interface.state("fix") == "disabled"


def test_linux_7_2_tells_replace_and_the_order(kernel, interface):
    for name, order in (("b", 3), ("a", 2), ("c", 1)):
        show(kernel, name, replace=int(name == "a"), stack_order=order)
    assert [(patch["name"], patch["replace"], patch["stack_order"]) for patch in interface.patches()] == [
        ("c", False, 1), ("a", True, 2), ("b", False, 3)]


def test_older_kernels_list_the_newest_module_first(kernel, interface):
    for name in ("b", "a", "c", "gone"):
        show(kernel, name)
    newest_first = ("a 16384 1 - Live 0x0", "c 16384 1 - Live 0x0", "vfat 16384 0 - Live 0x0", "b 16384 1 - Live 0x0")
    kernel.put("/proc/modules", "\n".join(newest_first))
    assert [patch["name"] for patch in interface.patches()] == ["b", "c", "a", "gone"]
    assert [patch["stack_order"] for patch in interface.patches()] == [None] * 4


def test_objects_and_functions(kernel, interface):
    show(kernel, "fix")
    for entry in ("vmlinux/one,1", "vmlinux/two.isra.0,12", "target/three,2", "target/x,y", "target/7", "power"):
        os.makedirs(kernel.path(f"{BASE}/fix/{entry}"))
    kernel.put(f"{BASE}/fix/vmlinux/patched", "1\n")
    kernel.put(f"{BASE}/fix/target/patched", "0\n")
    assert interface.patch("fix")["objects"] == [
        {"name": "target", "patched": False, "functions": [{"name": "three", "sympos": 2}]},
        {"name": "vmlinux", "patched": True, "functions": [
            {"name": "one", "sympos": 1}, {"name": "two.isra.0", "sympos": 12}]},
    ]


def test_before_6_1_a_loaded_object_counts_as_patched(kernel, interface):
    show(kernel, "fix")
    for entry in ("vmlinux", "loaded", "loading", "absent"):
        os.makedirs(kernel.path(f"{BASE}/fix/{entry}/function,1"))
    kernel.plain_module("loaded")
    kernel.put("/sys/module/loading/initstate", "coming\n")
    patched = {entry["name"]: entry["patched"] for entry in interface.patch("fix")["objects"]}
    assert patched == {"vmlinux": True, "loaded": True, "loading": False, "absent": False}


@pytest.mark.parametrize("code, expected", [
    (errno.EPERM, "not-permitted"), (errno.EACCES, "not-permitted"), (errno.EINVAL, "change-refused"),
    (errno.ENOENT, "change-refused"), (errno.ENODEV, "change-refused"), (errno.EBUSY, "change-refused")])
def test_a_refused_request_is_told(kernel, interface, code, expected):
    def refuse(_path, _text):
        raise OSError(code, os.strerror(code))

    kernel.write = refuse
    for request in (lambda: interface.set_enabled("fix", False), lambda: interface.force("fix")):
        with pytest.raises(LivepatchError) as caught:
            request()
        assert caught.value.code == expected
        assert "the patch fix" in caught.value.message


def test_a_kernel_that_is_busy_with_another_patch_says_with_which(kernel, interface, apply):
    apply(SimulatedPatch())
    kernel.hold(7)
    apply(SimulatedPatch("slow"), on_stall="wait")
    with pytest.raises(LivepatchError) as caught:
        interface.set_enabled("fix", False)
    assert caught.value.code == "transition-running"
    assert "The patch slow is in transition" in caught.value.message
