# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kprobe events of a simulated kernel, as kernel/trace/trace_kprobe.c of Linux 6.1 shows them in tracefs."""

import errno
import os
import shutil

TRACING = "/sys/kernel/tracing"
EVENTS = f"{TRACING}/kprobe_events"
PROFILE = f"{TRACING}/kprobe_profile"
UNIQUE = 1000  # of an event's number


class SimulatedKprobes:
    """Events of functions of modules: defined by a line, armed by descriptors of perf, and counted while they are.

    `refused` are symbols that cannot be probed.
    """

    def __init__(self, kernel):
        self.refused = ()
        self._kernel = kernel
        self._events = {}  # name: [group, place, count]
        self._held = {}  # (descriptor, inode): name
        for path, text in (
                (EVENTS, ""), (PROFILE, ""), ("/proc/sys/kernel/perf_event_paranoid", "2\n"),
                ("/sys/kernel/debug/kprobes/enabled", "1\n")):
            kernel.put(path, text)

    def write(self, text):
        """What kprobe_events does with a line."""
        words = text.split()
        group, _slash, name = words[0][2:].partition("/")
        if words[0].startswith("-:"):
            if name not in self._events:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            if self._is_armed(name):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            del self._events[name]
            shutil.rmtree(self._kernel.path(f"{TRACING}/events/{group}/{name}"))
        else:
            module, _colon, symbol = words[1].partition(":")
            if symbol in self.refused:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if not self._kernel.exists(f"/sys/module/{module}"):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._events[name] = [group, words[1], 0]
            self._kernel.put(f"{TRACING}/events/{group}/{name}/id", f"{UNIQUE + len(self._events)}\n")
        self._show()

    def hold(self, number):
        """What perf_event_open does with the number of an event."""
        name = next(name for name, (group, _place, _count) in self._events.items()
                    if self._kernel.read(f"{TRACING}/events/{group}/{name}/id") == str(number))
        path = f"/held/{len(self._held)}"
        self._kernel.put(path, "")
        descriptor = os.open(self._kernel.path(path), os.O_RDONLY)
        self._held.setdefault((descriptor, os.fstat(descriptor).st_ino), name)
        return descriptor

    def kill_holder(self):
        """The process that holds the events dies, and leaves their definitions."""
        for descriptor, _inode in self._held:
            os.close(descriptor)
        self._held = {}

    def call(self, place, times=1):
        """The function MODULE:SYMBOL is called."""
        for name, event in self._events.items():
            if event[1] == place and self._is_armed(name):
                event[2] += times
        self._show()

    def defined(self):
        """The events, as GROUP/NAME."""
        return sorted(f"{event[0]}/{name}" for name, event in self._events.items())

    def armed(self):
        """The functions whose calls are counted now."""
        return sorted(event[1] for name, event in self._events.items() if self._is_armed(name))

    def _is_armed(self, name):
        return any(event == name and _is_open(*held) for held, event in self._held.items())

    def _show(self):
        self._kernel.put(EVENTS, "".join(
            f"p:{group}/{name} {place}\n" for name, (group, place, _count) in self._events.items()))
        self._kernel.put(PROFILE, "".join(
            f"  {name:<44} {count:15} {0:15}\n" for name, (_group, _place, count) in self._events.items()))


def _is_open(descriptor, inode):
    try:
        return os.fstat(descriptor).st_ino == inode
    except OSError:
        return False
