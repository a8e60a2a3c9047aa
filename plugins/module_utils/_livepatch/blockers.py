# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that hold a transition (fs/proc/base.c: patch_state, in kGraft's kernels kgr_in_progress)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import KernelSymbols, PrintedNames
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.tasks import describe_task, frames, tasks
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.dynamic_debug import blocking_reasons
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

IDLE = "-1"
MIGRATED = "0"
MOST_TASKS = 3  # in one message
STATE, KGRAFT_STATE = "patch_state", "kgr_in_progress"


def left_behind(host, target):
    """The tasks not yet in the target state of the transition, as (pid, tid).

    `target` is "1" for patching and "0" for unpatching.
    """
    return [(pid, tid) for pid, tid in tasks(host) if _is_behind(host, pid, tid, target)]


def _is_behind(host, pid, tid, target):
    state = host.read_or(f"/proc/{pid}/task/{tid}/{STATE}")
    if state is not None:
        return state not in (IDLE, target)
    state = host.read_or(f"/proc/{pid}/task/{tid}/{KGRAFT_STATE}")
    if state is None and pid == tid:  # older kernels have it of a process only
        state = host.read_or(f"/proc/{pid}/{KGRAFT_STATE}")
    return state not in (None, MIGRATED)


def tasks_are_readable(host):
    """Whether this process can read the transition state of other users' tasks; this requires root.

    True also for a kernel without such a state.
    """
    for name, of_another in ((STATE, f"/proc/1/task/1/{STATE}"), (KGRAFT_STATE, f"/proc/1/{KGRAFT_STATE}")):
        if host.exists(f"/proc/self/{name}"):
            return host.read_or(of_another) is not None
    return True


def describe_blockers(host, patch):
    """Every task that holds the transition of `patch` (an adapter's shape) now, and why.

    Shape: `pid`, `tid`, `comm`, `kthread`, `reason` (`running`, `unreliable-stack`, `asleep-in-function`, `unknown`),
    `function` (the patched function it is in, or None), `stack` (function names, innermost first; empty if the kernel
    does not show it).
    Idle CPUs are not shown. An empty list therefore does not prove that nothing holds the transition.
    """
    target = "1" if patch["state"] == "enabling" else "0"
    behind = left_behind(host, target)
    reasons = blocking_reasons(host, [tid for _pid, tid in behind])
    functions = {(entry["name"], function["name"]) for entry in patch["objects"] for function in entry["functions"]}
    printed = PrintedNames(KernelSymbols(host), functions if behind else set())
    held = set(left_behind(host, target))  # some have switched in the meantime
    blockers = [
        _blocker(host, task, reasons, printed, patch.get("name")) for task in behind if task in held]
    return [blocker for blocker in blockers if blocker]


def _blocker(host, task, reasons, printed, module):
    pid, tid = task
    described = describe_task(host, pid, tid)
    if described is None:
        return None  # it has ended meanwhile
    stack = frames(host, pid, tid) or []
    reason, function = reasons.get(tid, ("unknown", None))
    function = function or next(filter(None, (_patched_function(frame, printed, module) for frame in stack)), None)
    return dict(described, reason=reason, function=function, stack=[name for _entry, name in stack])


def _patched_function(frame, printed, module):
    """The name in the patch of a function on a stack, or None; the patch's own version of it can have another name."""
    entry, name = frame
    found = printed.function(entry, name)
    if found:
        return found[1]
    return name if name in printed.own_names or entry == module else None


def blockers_sentence(blockers):
    """The tasks that hold the transition, in words for an error."""
    if not blockers:
        return "no visible task (an idle CPU can hold it)"
    return join_limited([_blocker_words(blocker) for blocker in blockers], MOST_TASKS)


# Reason, whether it is a kernel thread: the operator's action against such a task.
HELP = {
    ("running", False): "stop or pause the work that keeps it busy in the kernel",
    ("running", True): "stop the load of this kernel thread",
    ("asleep-in-function", False): "stop or restart its service",
    ("asleep-in-function", True):
        "end the wait of this kernel thread (see its stack in blockers), or ask for a patch without that function",
    ("unreliable-stack", False): "end tracing and probes, and unload modules from outside the kernel's tree",
    ("unreliable-stack", True): "end tracing and probes, and unload modules from outside the kernel's tree",
    ("unknown", False): "see its stack in blockers, and stop it",
    ("unknown", True): "see its stack in blockers for the cause of its wait",
}


def advice(blockers):
    """The action against the first task that holds a transition, as sentences."""
    if not blockers:
        return "Run again when the host is less busy."
    first = blockers[0]
    return f"For {first['comm']}, {HELP[first['reason'], first['kthread']]}. Then run again."


def _blocker_words(blocker):
    why = {
        "running": "running",
        "unreliable-stack": "with a stack unreadable for the kernel",
        "asleep-in-function": f"asleep in {blocker['function']}",
        "unknown": f"in {blocker['function']}" if blocker["function"] else "for an unknown reason",
    }[blocker["reason"]]
    return f"{blocker['comm']} (pid {blocker['pid']}) {why}"
