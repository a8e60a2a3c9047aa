# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of /dev/kmsg from a moment on."""

import errno
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import kmsg
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import KernelLog


def scripted_reads(monkeypatch, *answers):
    """Let /dev/kmsg give these records and errors, in turn."""
    left = list(answers)

    def read(_descriptor, _size):
        answer = left.pop(0)
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        return answer

    monkeypatch.setattr(kmsg.os, "read", read)


def test_only_what_is_logged_after_the_beginning(kernel):
    kernel.say("before")
    with KernelLog(kernel) as log:
        assert log.read() == []
        kernel.say("first", "second")
        assert log.read() == ["first", "second"]
        kernel.say("third")
        assert log.read() == ["first", "second", "third"]


def test_prefixes_and_continuation_fields_are_taken_off(kernel, monkeypatch):
    with KernelLog(kernel) as log:
        scripted_reads(
            monkeypatch, b"5,42,1000,-;livepatch: a; b\n SUBSYSTEM=pci\n DEVICE=+pci:0\n",
            b"4,43,1001,c,caller=T1;\xff odd\n", errno.EAGAIN)
        assert log.read() == ["livepatch: a; b", "\ufffd odd"]
        monkeypatch.undo()


def test_overwritten_records_are_passed_over(kernel, monkeypatch):
    with KernelLog(kernel) as log:
        scripted_reads(
            monkeypatch, b"5,1,1,-;first\n", errno.EPIPE, b"5,9,2,-;later\n", errno.EPIPE, errno.EAGAIN)
        assert not log.overwritten
        assert log.read() == ["first", "later"]
        assert log.overwritten
        monkeypatch.undo()


def test_any_other_error_ends_the_reading(kernel, monkeypatch):
    with KernelLog(kernel) as log:
        scripted_reads(monkeypatch, b"5,1,1,-;first\n", errno.EINVAL)
        assert log.read() == ["first"]
        monkeypatch.undo()


def test_a_host_without_a_log_has_no_lines(kernel):
    os.unlink(kernel.path("/dev/kmsg"))
    with KernelLog(kernel) as log:
        assert log.read() == []


def test_no_descriptor_is_left_open(kernel):
    before = os.listdir("/proc/self/fd")
    with KernelLog(kernel):
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    assert os.listdir("/proc/self/fd") == before
