# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that are asleep in functions which are to be replaced, out of /proc."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import tasks
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import KernelSymbols, PrintedNames

FUNCTIONS = {("vmlinux", "pipe_read"), ("lab_holder", "lab_hold")}
IDLE = "[<0>] ep_poll+0x2a0/0x390\n[<0>] do_epoll_wait+0xa0/0xd0\n"
IN_PIPE = "[<0>] pipe_read+0x31f/0x430\n[<0>] vfs_read+0x207/0x330\n"
IN_MODULE = "[<0>] lab_hold+0x8f/0xe0 [lab_holder]\n[<0>] kthread+0xda/0x100\n"
IN_PATCH = "[<0>] patched_lab_hold+0x8f/0xe0 [holder_fix]\n[<0>] kthread+0xda/0x100\n"


@pytest.fixture
def host(kernel):
    task(kernel, 1, 1, IDLE)
    return kernel


def sleepers(host, functions, **options):
    return tasks.sleepers(host, PrintedNames(KernelSymbols(host), functions), **options)


def task(kernel, pid, tid, stack, state="S", flags=0x00400040):
    base = f"/proc/{pid}/task/{tid}"
    kernel.put(f"{base}/comm", f"worker {tid}\n")
    kernel.put(f"{base}/stat", f"{tid} (worker) R {tid}) {state} 2 0 0 0 -1 {flags} 0 0 0\n")
    kernel.put(f"{base}/stack", stack)


def sleeper(pid, tid, function, *stack, **known):
    return dict({"pid": pid, "tid": tid, "comm": f"worker {tid}", "kthread": False, "function": function,
                 "stack": list(stack), "seen": 3}, **known)


def test_every_thread_asleep_in_a_function_is_told_with_its_stack(host):
    task(host, 20, 20, IDLE)
    task(host, 20, 21, IN_PIPE)
    task(host, 30, 30, IN_MODULE, state="I", flags=0x00208040)
    assert sleepers(host, FUNCTIONS) == [
        sleeper(20, 21, "pipe_read", "pipe_read", "vfs_read"),
        sleeper(30, 30, "lab_hold", "lab_hold", "kthread", kthread=True)]


@pytest.mark.parametrize("functions", [
    {("lab_holder", "pipe_read")}, {("vmlinux", "pipe")}, {("vmlinux", "pipe_read.cold")}, set(),
])
def test_another_function_of_another_object_is_none(host, functions):
    task(host, 20, 20, IN_PIPE)
    assert sleepers(host, functions) == []


def test_a_replaced_patch_is_slept_in_whatever_its_functions_are_called(host):
    task(host, 20, 20, IN_PATCH)
    assert sleepers(host, FUNCTIONS) == []
    assert sleepers(host, FUNCTIONS, modules=["holder_fix"]) == [
        sleeper(20, 20, "patched_lab_hold", "patched_lab_hold", "kthread")]


def test_the_innermost_function_is_named(host):
    task(host, 20, 20, IN_MODULE + IN_PIPE)
    assert [found["function"] for found in sleepers(host, FUNCTIONS)] == ["lab_hold"]


def test_a_running_task_is_not_asleep(host):
    task(host, 20, 20, IN_PIPE, state="R")
    assert sleepers(host, FUNCTIONS) == []


def test_how_often_it_was_seen_is_told(host):
    task(host, 20, 20, IN_PIPE)
    task(host, 30, 30, IN_PIPE)
    task(host, 40, 40, IN_PIPE)
    host.at(0.06, lambda: task(host, 20, 20, IDLE))
    host.at(0.01, lambda: task(host, 30, 30, IN_PIPE, state="R"))
    assert [(found["pid"], found["seen"]) for found in sleepers(host, FUNCTIONS, samples=3, interval=0.05)] == [
        (20, 2), (30, 1), (40, 3)]
    assert host.now() == pytest.approx(0.1)


def test_where_nobody_sleeps_no_time_is_spent(host):
    assert sleepers(host, FUNCTIONS) == []
    assert host.now() == 0


def test_a_task_that_ends_while_it_is_looked_at_is_left_out(host):
    task(host, 20, 20, IN_PIPE)
    task(host, 30, 30, IN_PIPE)
    host.forbidden = ("/proc/20/task/20/comm",)
    assert [found["pid"] for found in sleepers(host, FUNCTIONS)] == [30]


def test_hidden_stacks_are_not_called_empty(host):
    task(host, 20, 20, IN_PIPE)
    host.forbidden = ("/proc/1/task/1/stack",)
    assert sleepers(host, FUNCTIONS) is None
