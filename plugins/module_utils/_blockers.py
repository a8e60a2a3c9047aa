# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that hold a transition (fs/proc/base.c: patch_state; kernel/livepatch/transition.c)."""

import re

from ansible_collections.kernel.livepatch.plugins.module_utils._dyndbg import blocking_reasons

IDLE = "-1"
PF_KTHREAD = 0x00200000
FLAGS_FIELD = 6  # of the fields behind the command name in /proc/PID/stat (field 9 of all)
STACK_LINE = re.compile(r"^\[<[0-9a-f]+>\] (?P<function>[^+\s]+)")


def left_behind(host, target):
    """The tasks that are not where the transition goes, as (pid, tid).

    `target` is "1" for patching and "0" for unpatching.
    """
    tasks = []
    for pid in host.names("/proc"):
        if not pid.isdigit():
            continue
        for tid in host.names(f"/proc/{pid}/task"):
            state = host.read_or(f"/proc/{pid}/task/{tid}/patch_state")
            if state is not None and state not in (IDLE, target):
                tasks.append((int(pid), int(tid)))
    return tasks


def tasks_are_readable(host):
    """Whether this process is shown where other users' tasks are in a transition, which takes root."""
    return host.read_or("/proc/1/task/1/patch_state") is not None


def describe_blockers(host, patch):
    """Every task that holds the transition of `patch` (an adapter's shape) now, and why.

    Shape: `pid`, `tid`, `comm`, `kthread`, `reason` (`running`, `unreliable-stack`, `asleep-in-function`, `unknown`),
    `function` (the patched function it is in, or None), `stack` (function names, innermost first; empty where the
    kernel does not tell).
    Idle CPUs take part as well and show nowhere, so an empty list does not mean that nothing holds the transition.
    """
    target = "1" if patch["state"] == "enabling" else "0"
    tasks = left_behind(host, target)
    reasons = blocking_reasons(host, [tid for _pid, tid in tasks])
    functions = {function["name"] for entry in patch["objects"] for function in entry["functions"]}
    held = set(left_behind(host, target))  # some have moved on while the kernel was asked
    blockers = [_blocker(host, pid, tid, reasons, functions) for pid, tid in tasks if (pid, tid) in held]
    return [blocker for blocker in blockers if blocker]


def _blocker(host, pid, tid, reasons, functions):
    base = f"/proc/{pid}/task/{tid}"
    comm = host.read_or(f"{base}/comm")
    stat = host.read_or(f"{base}/stat")
    if comm is None or stat is None:
        return None  # it has ended meanwhile
    stack = _stack(host.read_or(f"{base}/stack", ""))
    reason, function = reasons.get(tid, ("unknown", None))
    return {
        "pid": pid,
        "tid": tid,
        "comm": comm,
        "kthread": bool(int(stat.rpartition(")")[2].split()[FLAGS_FIELD]) & PF_KTHREAD),
        "reason": reason,
        "function": function or next((name for name in stack if name in functions), None),
        "stack": stack,
    }


def _stack(text):
    return [match.group("function") for match in map(STACK_LINE.match, text.splitlines()) if match]


def blockers_sentence(blockers):
    """Who holds the transition, in words for an error: at most three tasks by name."""
    if not blockers:
        return "no task that can be seen (an idle CPU can hold it)"
    words = [_blocker_words(blocker) for blocker in blockers[:3]]
    more = len(blockers) - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")


def _blocker_words(blocker):
    why = {
        "running": "running",
        "unreliable-stack": "with a stack the kernel cannot read",
        "asleep-in-function": f"asleep in {blocker['function']}",
        "unknown": f"in {blocker['function']}" if blocker["function"] else "for a reason the kernel does not tell",
    }[blocker["reason"]]
    return f"{blocker['comm']} (pid {blocker['pid']}) {why}"
