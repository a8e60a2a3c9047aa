# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that hold a transition, out of /proc."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import (
    advice,
    blockers_sentence,
    describe_blockers,
    left_behind,
    tasks_are_readable,
)

ENABLING = {"state": "enabling", "objects": [{"name": "vmlinux", "functions": [{"name": "held_in", "sympos": 1}]}]}


def task(kernel, pid, tid, patch_state, comm="worker", flags=0x00400040, stack=""):
    base = f"/proc/{pid}/task/{tid}"
    kernel.put(f"{base}/patch_state", f"{patch_state}\n")
    kernel.put(f"{base}/comm", f"{comm}\n")
    kernel.put(f"{base}/stat", f"{tid} ({comm}) S 2 0 0 0 -1 {flags} 0 0 0\n")
    kernel.put(f"{base}/stack", stack)


def blocker(**known):
    return dict({"pid": 10, "tid": 10, "comm": "worker", "kthread": False, "reason": "unknown", "function": None,
                 "stack": []}, **known)


def test_every_thread_that_is_not_where_the_transition_goes(kernel):
    for pid, tid, state in ((10, 10, 1), (10, 11, 0), (20, 20, -1), (30, 30, 0)):
        task(kernel, pid, tid, state)
    kernel.put("/proc/sys/task/40/patch_state", "0\n")
    assert left_behind(kernel, "1") == [(10, 11), (30, 30)]
    assert left_behind(kernel, "0") == [(10, 10)]


def test_a_thread_of_the_kernel_with_an_odd_name(kernel):
    task(kernel, 10, 10, 0, comm="a) R (b", flags=0x00208040)
    assert describe_blockers(kernel, ENABLING) == [blocker(comm="a) R (b", kthread=True)]


@pytest.mark.parametrize("reason", ["running", "unreliable-stack", "asleep-in-function", "unknown"])
@pytest.mark.parametrize("kthread", [False, True])
def test_there_is_something_to_do_about_every_blocker(reason, kthread):
    words = advice([blocker(reason=reason, kthread=kthread), blocker(comm="other")])
    assert words.startswith("For worker, ") and words.endswith(". Then run again.")


def test_a_task_s_name_controls_nobody_s_terminal(kernel):
    task(kernel, 10, 10, 0, comm="\x1b[2Jgone")
    assert describe_blockers(kernel, ENABLING) == [blocker(comm="?[2Jgone")]


def test_the_stack_names_the_patched_function_where_the_kernel_gives_no_reason(kernel):
    task(kernel, 10, 10, 0, stack="[<0>] msleep+0x2d/0x40\n[<0>] held_in+0x1c/0x30 [mod]\n[<0>] 0xffffffffc0a00000\n")
    assert describe_blockers(kernel, ENABLING) == [
        blocker(function="held_in", stack=["msleep", "held_in", "0xffffffffc0a00000"])]


def test_a_task_in_the_patch_s_own_version_is_in_a_patched_function(kernel):
    task(kernel, 10, 10, 1, stack="[<0>] schedule+0x2d/0x40\n[<0>] fixed_version+0x1c/0x30 [fix]\n")
    task(kernel, 11, 11, 1, stack="[<0>] fixed_version+0x1c/0x30 [other]\n")
    disabling = dict(ENABLING, state="disabling", name="fix")
    assert {one["tid"]: one["function"] for one in describe_blockers(kernel, disabling)} == {
        10: "fixed_version", 11: None}


def test_what_moves_on_while_the_kernel_is_asked_is_no_blocker(kernel):
    task(kernel, 10, 10, 0)
    task(kernel, 20, 20, 0)
    kernel.at(1, lambda: task(kernel, 20, 20, 1))
    assert describe_blockers(kernel, ENABLING) == [blocker()]


def test_a_task_that_ends_while_it_is_looked_at_is_left_out(kernel):
    task(kernel, 10, 10, 0)
    task(kernel, 20, 20, 0)
    kernel.forbidden = ("/proc/20/task/20/comm",)
    assert describe_blockers(kernel, ENABLING) == [blocker()]


def test_unreadable_tasks_are_known_to_be_unreadable(kernel):
    assert tasks_are_readable(kernel)
    kernel.forbidden = ("/proc/1/",)
    assert not tasks_are_readable(kernel)


@pytest.mark.parametrize("blockers, words", [
    ([], "no visible task (an idle CPU can hold it)"),
    ([blocker()], "worker (pid 10) for an unknown reason"),
    ([blocker(function="held_in")], "worker (pid 10) in held_in"),
    ([blocker(reason="running")], "worker (pid 10) running"),
    ([blocker(reason="unreliable-stack")], "worker (pid 10) with a stack unreadable for the kernel"),
    ([blocker(reason="asleep-in-function", function="f"), blocker(reason="running", comm="b")],
     "worker (pid 10) asleep in f, b (pid 10) running"),
    ([blocker(reason="running")] * 5,
     "worker (pid 10) running, worker (pid 10) running, worker (pid 10) running and 2 more"),
])
def test_who_holds_it_in_words(blockers, words):
    assert blockers_sentence(blockers) == words
