# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the tasks of a host, their names, and the functions on their stacks (fs/proc/base.c: comm, stat, stack)."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import is_cold
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

PF_KTHREAD = 0x00200000
STATE_FIELD = 0  # of the fields after the command name in /proc/PID/stat (field 3 of all)
FLAGS_FIELD = 6  # field 9 of all
FRAME = re.compile(r"^\[<[0-9a-f]+>\] (?P<function>[^+\s]+)(?:\S* \[(?P<module>[^\]\s]+)\])?", re.MULTILINE)


def tasks(host):
    """Every thread, as (pid, tid), without processes that end meanwhile."""
    for pid in host.names("/proc"):
        if pid.isdigit():
            for tid in host.names(f"/proc/{pid}/task"):
                yield int(pid), int(tid)


def describe_task(host, pid, tid):
    """Shape: `pid`, `tid`, `comm` (any user can choose any name), `kthread`; None if the task has ended."""
    comm = host.read_or(f"/proc/{pid}/task/{tid}/comm")
    stat = _stat(host, pid, tid)
    if comm is None or stat is None:
        return None
    return {"pid": pid, "tid": tid, "comm": printable(comm), "kthread": bool(int(stat[FLAGS_FIELD]) & PF_KTHREAD)}


def is_running(host, pid, tid):
    """Whether the task runs or waits for a processor: its stack changes during a read."""
    stat = _stat(host, pid, tid)
    return stat is not None and stat[STATE_FIELD] == "R"


def frames(host, pid, tid):
    """[(object, function), ...] of a task's stack, innermost first; None if the kernel does not show it."""
    text = host.read_or(f"/proc/{pid}/task/{tid}/stack")
    if text is None:
        return None
    return [(frame.group("module") or "vmlinux", frame.group("function")) for frame in FRAME.finditer(text)]


def _stat(host, pid, tid):
    text = host.read_or(f"/proc/{pid}/task/{tid}/stat")
    return None if text is None else text.rpartition(")")[2].split()


def sleepers(host, printed, modules=(), samples=3, interval=0.05):
    """The tasks asleep in one of the functions of `printed`, PrintedNames, or anywhere in one of `modules`.

    `modules` are the enabled patches to be replaced, with every function. Each task found is checked `samples` times in
    all, `interval` seconds apart. Shape: `pid`, `tid`, `comm`, `kthread`, `function` (the innermost one of interest, by
    its name in `printed`; NAME.cold for that part of it), `stack` (function names as the kernel prints them, innermost
    first), `seen` (number of samples with the task in it). None if the kernel does not show the stacks to this process.
    """
    if frames(host, 1, 1) is None:
        return None
    found = {}
    for task in tasks(host):
        sleeper = _sleeper(host, task, printed, modules)
        if sleeper:
            found[task] = sleeper
    for _sample in range(samples - 1 if found else 0):
        host.sleep(interval)
        for task, sleeper in found.items():
            sleeper["seen"] += bool(_hit(host, task, printed, modules)[0])
    return list(found.values())


def _sleeper(host, task, printed, modules):
    function, stack = _hit(host, task, printed, modules)
    described = describe_task(host, *task) if function else None
    return dict(described, function=function, stack=stack, seen=1) if described else None


def _hit(host, task, printed, modules):
    """The function of interest for a sleeping task, or None, and its stack."""
    stack = frames(host, *task) or []
    function = next(filter(None, (_of_interest(entry, name, printed, modules) for entry, name in stack)), None)
    if function and is_running(host, *task):
        function = None
    return function, [name for _entry, name in stack]


def _of_interest(entry, name, printed, modules):
    function = printed.function(entry, name)
    if function:
        return name if is_cold(name) else function[1]
    return name if entry in modules else None
