# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a guest, in each of its Pythons: ends a process of the collection before the step of a number, or stops it.

A step is something that a process changes: a file of the collection, a patch in sysfs, a module, another program.
Python reports each one before it happens (sys.addaudithook). The plan is a file, which a reset does not take away:

    {"who": "module", "at": 7, "how": "kill"}       `who`: module, or the command of the unattended program
                                                    `how`: kill (SIGKILL), stop (SIGSTOP), or reset (as a power cut
                                                    of the whole guest); `at` 0: only the trace

Without a plan nothing happens here. Each step is a line of TRACE, whichever process takes it.
"""

import json
import os
import re
import signal
import sys

PLAN = "/root/phases.json"
DIRECTORY = "/run/lab-phases"
STOPPED = f"{DIRECTORY}/stopped"
TRACE = f"{DIRECTORY}/trace-"

COLLECTION = "ansible_collections.kernel.livepatch."
OURS = ("/var/lib/kernel-livepatch", "/run/kernel-livepatch", "/sys/kernel/livepatch/", "/etc/systemd/system/")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SYSTEM_CALLS = ("finit_module", "delete_module")
# audit event: which argument is the path
CHANGES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0, "os.symlink": 1}
STARTS = ("os.fork", "os.posix_spawn", "os.exec", "os.kill")


def _path(argument):
    """The path of an argument, which can be a descriptor."""
    if isinstance(argument, int):
        try:
            return os.readlink(f"/proc/self/fd/{argument}")
        except OSError:
            return ""
    return os.fsdecode(argument)


def _short(path):
    """A path that is the same from run to run."""
    return re.sub(r"\.new-\w+", ".new-*", re.sub(r"[0-9a-f]{64}", "SHA", path))


def _step(event, arguments):
    """The step that an audit event is about, as a text; None for any other event."""
    if event == "open":
        path, _mode, flags = arguments
        named = path is not None and not isinstance(path, int) and (flags or 0) & WRITES
        return f"write {_short(_path(path))}" if named and _path(path).startswith(OURS) else None
    if event in CHANGES:
        path = _path(arguments[CHANGES[event]])
        made_already = event == "os.mkdir" and os.path.isdir(path)
        return f"{event[3:]} {_short(path)}" if path.startswith(OURS) and not made_already else None
    if event == "subprocess.Popen":
        return "run " + _short(" ".join(map(os.fsdecode, arguments[1])))[:200]
    if event == "ctypes.dlsym" and arguments[1] == "syscall":
        call = sys._getframe(2).f_back
        while call and call.f_code.co_name not in SYSTEM_CALLS:
            call = call.f_back
        return call and call.f_code.co_name
    return event[3:] if event in STARTS else None


def _collection_frame():
    """The innermost frame of the collection's own code, which tells its steps from Python's and Ansible's."""
    frame = sys._getframe(2)
    while frame and not str(frame.f_globals.get("__name__", "")).startswith(COLLECTION):
        frame = frame.f_back
    return frame


class Hook:
    """Counts the steps of this process, and of those before it, and carries out the plan."""

    def __init__(self, plan):
        self.plan = plan
        self.busy = False
        self.after = None

    def __call__(self, event, arguments):
        if self.busy:  # what this hook itself does
            return
        self.busy = True
        try:
            self._look(event, arguments)
        finally:
            self.busy = False

    def _look(self, event, arguments):
        step = _step(event, arguments)
        frame = _collection_frame() if step or self.after else None
        if not frame:
            return
        if self.after:
            self._take(f"after {self.after}")
            self.after = None
        if step:
            where = frame.f_globals["__name__"].rpartition(".")[2]
            self._take(f"{step} ({where}.{frame.f_code.co_name})")
            if step in SYSTEM_CALLS or step.startswith("write /sys/"):
                self.after = step

    def _take(self, step):
        who = sys.argv[1] if sys.argv[0].endswith(".pyz") else "module"
        os.makedirs(DIRECTORY, exist_ok=True)
        with open(TRACE + who, "a+", encoding="utf-8") as trace:
            trace.write(step + "\n")
            trace.flush()
            trace.seek(0)
            number = len(trace.readlines())
        if (self.plan["who"], self.plan["at"]) != (who, number):
            return
        _spoil_plan()
        if self.plan["how"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.plan["how"] == "reset":
            with open("/proc/sysrq-trigger", "w", encoding="utf-8") as trigger:
                trigger.write("b")
        with open(STOPPED + ".new", "w", encoding="utf-8") as stopped:
            stopped.write(f"{os.getpid()}\n")
        os.rename(STOPPED + ".new", STOPPED)
        os.kill(os.getpid(), signal.SIGSTOP)


def _spoil_plan():
    """Have the plan carried out once, also over a reset.

    In place and by fdatasync, which leaves on its way whatever the collection has not yet forced to the disk.
    """
    descriptor = os.open(PLAN, os.O_WRONLY)
    os.write(descriptor, b"#")
    os.fdatasync(descriptor)
    os.close(descriptor)


def install():
    """Begin to count, where there is a plan."""
    try:
        with open(PLAN, encoding="utf-8") as stream:
            plan = json.load(stream)
    except (OSError, ValueError):  # none, or one that was carried out
        return
    sys.addaudithook(Hook(plan))
