# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about the running kernel."""

import errno
import os
import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import running_kernel, taints
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import (
    blacklisted_modules,
    ftrace_switch,
    lockdown,
    may_load_modules,
    signature_policy,
)


def test_what_the_kernel_tells_of_itself(kernel):
    for path, content in (
        ("/proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-01)\n"),
        ("/proc/sys/kernel/random/boot_id", "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11\n"),
        ("/proc/sys/kernel/tainted", "45056\n"),
        ("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
        ("/sys/module/module/parameters/sig_enforce", "Y\n"),
        ("/sys/kernel/notes", struct.pack("=III", 4, 4, 3) + b"GNU\0\1\2\3\4"),
    ):
        kernel.put(path, content)
    assert running_kernel(kernel) == {
        "release": "6.1.0-56-amd64", "arch": "x86_64", "build_id": "01020304",
        "version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-01)",
        "boot_id": "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11", "lockdown": "integrity", "signatures": {"enforced": True},
        "modules_disabled": False,
        "taints": [
            {"letter": "O", "meaning": "out-of-tree module"}, {"letter": "E", "meaning": "unsigned module"},
            {"letter": "K", "meaning": "live patched"}],
    }


def test_what_it_does_not_tell_is_none_and_never_a_guess(kernel):
    assert running_kernel(kernel) == {
        "release": "6.1.0-56-amd64", "arch": "x86_64", "version": None, "build_id": None, "boot_id": None,
        "taints": [], "lockdown": None, "signatures": {"enforced": None}, "modules_disabled": False}


@pytest.mark.parametrize("mask, letters", [
    ("0", ""), ("1", "P"), ("128", "D"), ("512", "W"), ("32768", "K"), ("524288", "J"), ("1048577", "P?"),
    ("1048575", "PFSRMBUDAWCIOELKXTNJ")])
def test_taints(kernel, mask, letters):
    kernel.put("/proc/sys/kernel/tainted", f"{mask}\n")
    assert "".join(taint["letter"] for taint in taints(kernel)) == letters


def test_a_taint_without_a_name_is_called_by_its_bit(kernel):
    kernel.put("/proc/sys/kernel/tainted", str(1 << 25))
    assert taints(kernel) == [{"letter": "?", "meaning": "bit 25"}]


@pytest.mark.parametrize("text, level", [
    ("[none] integrity confidentiality", "none"), ("none integrity [confidentiality]", "confidentiality"), ("", None)])
def test_lockdown(kernel, text, level):
    kernel.put("/sys/kernel/security/lockdown", text)
    assert lockdown(kernel) == level


@pytest.mark.parametrize("capabilities, may", [
    ("000001ffffffffff", True), ("0000000000010000", True), ("000001fffffeffff", False), ("0000000000000000", False)])
def test_the_capability_to_load_modules_is_bit_16(kernel, capabilities, may):
    kernel.put("/proc/self/status", f"CapPrm:\t000001ffffffffff\nCapEff:\t{capabilities}\n")
    assert may_load_modules(kernel) is may


FIRST_NAMESPACE = "         0          0 4294967295\n"


@pytest.mark.parametrize("users, may", [
    (FIRST_NAMESPACE, True), ("         0          0          1\n", False), ("0 1000 1\n1 100000 65536\n", False),
    ("         0     100000      65536\n", False), ("", False)])
def test_a_capability_inside_a_user_namespace_is_none(kernel, users, may):
    kernel.put("/proc/self/uid_map", users)
    assert may_load_modules(kernel) is may


@pytest.mark.parametrize("level, enforced, policy", [
    ("[none] integrity confidentiality", "N", None), ("[none] integrity confidentiality", "Y", "module.sig_enforce"),
    ("none [integrity] confidentiality", "N", "lockdown=integrity"),
    ("none integrity [confidentiality]", "N", "lockdown=confidentiality"),
    ("none [integrity] confidentiality", "Y", "module.sig_enforce")])
def test_what_demands_signatures(kernel, level, enforced, policy):
    kernel.put("/sys/kernel/security/lockdown", level + "\n")
    kernel.put("/sys/module/module/parameters/sig_enforce", enforced + "\n")
    assert signature_policy(kernel) == policy


def test_a_kernel_without_signatures_demands_none(kernel):
    assert signature_policy(kernel) is None


@pytest.mark.parametrize("text, names", [
    ("fix\n", ["fix"]), ("a,fix,,b\n", ["a", "fix", "b"]), ("(null)\n", ["(null)"]), (None, [])])
def test_the_names_that_the_command_line_refuses(kernel, text, names):
    if text is not None:
        kernel.put("/sys/module/kernel/parameters/module_blacklist", text)
    assert blacklisted_modules(kernel) == names


@pytest.mark.parametrize("text, switch", [("1\n", "on"), ("0\n", "off"), (None, None)])
def test_the_switch_of_ftrace(kernel, text, switch):
    if text is not None:
        kernel.put("/proc/sys/kernel/ftrace_enabled", text)
    assert ftrace_switch(kernel) == switch


@pytest.mark.parametrize("name, switch", [("ENODEV", "dead"), ("EACCES", None)])
def test_ftrace_that_is_dead_answers_with_an_error(kernel, name, switch):
    def read_bytes(_path):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    kernel.read_bytes = read_bytes
    assert ftrace_switch(kernel) == switch
