# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls, seen where they would enter the kernel: nothing here reaches it."""

import ctypes
import errno
import struct
import sys
from collections import namedtuple

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._host import syscalls
from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# Of include/uapi/asm-generic/unistd.h and arch/*/kernel/syscalls/syscall*.tbl.
NUMBERS = [
    ("x86_64", 313, 176, 250, 298), ("aarch64", 273, 106, 219, 241), ("riscv64", 273, 106, 219, 241),
    ("loongarch64", 273, 106, 219, 241),
    ("ppc64", 353, 129, 271, 319), ("ppc64le", 353, 129, 271, 319), ("s390x", 344, 129, 280, 331),
]
O_NONBLOCK = 0o4000
O_TRUNC = 0o1000
Uname = namedtuple("Uname", "machine")


def replace_libc(monkeypatch, syscall):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name, use_errno: namedtuple("Libc", "syscall")(syscall))


@pytest.fixture
def entered(monkeypatch):
    """What libc's syscall() is called with, one list for each call; every call succeeds."""
    calls = []

    def syscall(*arguments):
        calls.append([argument.value for argument in arguments])
        return 0

    replace_libc(monkeypatch, syscall)
    return calls


def on(monkeypatch, machine):
    monkeypatch.setattr(syscalls.os, "uname", lambda: Uname(machine))


@pytest.mark.parametrize("machine, finit_module, delete_module, keyctl, perf_event_open", NUMBERS)
def test_numbers_and_arguments(
        monkeypatch, entered, machine, finit_module, delete_module, keyctl, perf_event_open):
    on(monkeypatch, machine)
    Host().finit_module(5, 'text="two words"')
    Host().delete_module("fix")
    Host().search_key(7, "ex:0a0b")
    assert entered == [
        [finit_module, 5, b'text="two words"', 0], [delete_module, b"fix", O_NONBLOCK],
        [keyctl, 10, 7, b"asymmetric", b"ex:0a0b", 0]]
    Host().hold_trace_event(1234)
    assert entered[-1][:1] + entered[-1][2:] == [perf_event_open, 0, -1, -1, 8]


def test_a_held_event_is_a_disabled_perf_event_of_this_number(monkeypatch):
    attributes = []

    def syscall(*arguments):
        attributes.append(arguments[1].raw)
        return 7

    on(monkeypatch, "x86_64")
    replace_libc(monkeypatch, syscall)
    assert Host().hold_trace_event(1234) == 7
    # struct perf_event_attr of include/uapi/linux/perf_event.h, in its first version of 64 bytes
    kind, size, config, *others = struct.unpack("=IIQQQQ", attributes[0][:40])
    flags = attributes[0][40:48]
    assert (kind, size, config, others) == (2, 64, 1234, [0, 0, 0])
    assert flags == (b"\x01" + bytes(7) if sys.byteorder == "little" else b"\x80" + bytes(7))
    assert attributes[0][48:] == bytes(16)


def test_no_architecture_is_untested():
    assert sorted(syscalls.NUMBERS) == sorted(machine for machine, *_numbers in NUMBERS)


def test_a_module_is_never_removed_by_force(monkeypatch, entered):
    on(monkeypatch, "x86_64")
    syscalls.delete_module("fix")
    flags = entered[0][2]
    assert flags & O_TRUNC == 0
    assert flags & O_NONBLOCK


@pytest.mark.parametrize("machine", ["i686", "armv7l", "mips64"])
def test_an_unknown_architecture_is_refused(monkeypatch, entered, machine):
    on(monkeypatch, machine)
    for call in (lambda: syscalls.finit_module(5, ""), lambda: syscalls.delete_module("fix")):
        with pytest.raises(LivepatchError) as caught:
            call()
        assert caught.value.code == "architecture-unsupported"
        assert machine in caught.value.message
    assert entered == []


def test_a_32_bit_python_is_refused(monkeypatch, entered):
    on(monkeypatch, "x86_64")
    monkeypatch.setattr(syscalls.ctypes, "sizeof", lambda _type: 4)
    with pytest.raises(LivepatchError):
        syscalls.delete_module("fix")
    assert entered == []


@pytest.mark.parametrize("call", [lambda: syscalls.finit_module(5, ""), lambda: syscalls.delete_module("fix")])
def test_the_kernel_s_errno_is_raised(monkeypatch, call):
    def syscall(*_arguments):
        ctypes.set_errno(errno.ENOEXEC)
        return -1

    on(monkeypatch, "x86_64")
    replace_libc(monkeypatch, syscall)
    with pytest.raises(OSError, match="Exec format error") as caught:
        call()
    assert caught.value.errno == errno.ENOEXEC
