# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own reasons through dynamic debug, and its flags put back exactly as they were."""

import errno

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.dynamic_debug import (
    blocking_reasons,
    parse_reasons,
)

CONTROL = "/proc/dynamic_debug/control"
SITES = """\
# filename:lineno [module]function flags format
init/main.c:1 [main]start =p "initcall %pS\\n"
kernel/livepatch/transition.c:30 [livepatch]klp_transition_work_fn =_ "'%s'\\n"
kernel/livepatch/transition.c:300 [livepatch]klp_try_switch_task =_ "%s:%d is running\\n"
kernel/livepatch/transition.c:310 [livepatch]klp_try_switch_task =pmf "%s:%d\\n"
kernel/livepatch/transition.c:420 [livepatch]klp_complete_transition =p "'%s'\\n"
"""
LINES = [
    # 6.1 and later say klp_try_switch_task for all three, 5.10 klp_check_stack for two of them.
    ("livepatch: klp_try_switch_task: qemu:812 is running", {812: ("running", None)}),
    ("livepatch: klp_try_switch_task: a:b c:812 has an unreliable stack", {812: ("unreliable-stack", None)}),
    ("livepatch: klp_check_stack: kworker/0:1:9 has an unreliable stack", {9: ("unreliable-stack", None)}),
    ("livepatch: klp_try_switch_task: lab:7 is sleeping on function lab_hold", {7: ("asleep-in-function", "lab_hold")}),
    ("livepatch: klp_check_stack: lab:7 is sleeping on function lab_hold", {7: ("asleep-in-function", "lab_hold")}),
    ("livepatch: klp_try_switch_task: lab:x is running", {}),
    ("livepatch: signaling remaining tasks", {}),
    ("lab:7 is running", {}),
]


@pytest.mark.parametrize("line, reasons", LINES)
def test_a_line_of_the_log(line, reasons):
    assert parse_reasons([line]) == reasons


def test_the_last_word_on_a_task_counts():
    prefix = "livepatch: klp_try_switch_task: lab:7 is "
    assert parse_reasons([prefix + "running", prefix + "sleeping on function f"]) == {7: ("asleep-in-function", "f")}


def test_the_flags_are_put_back_site_by_site(kernel):
    kernel.put(CONTROL, SITES)
    assert blocking_reasons(kernel, [7]) == {}
    assert [text for _path, text in kernel.writes] == [
        "file kernel/livepatch/transition.c +p",
        "file kernel/livepatch/transition.c -p",
        "file kernel/livepatch/transition.c line 310 +p",
        "file kernel/livepatch/transition.c line 420 +p",
    ]
    assert kernel.read(CONTROL).splitlines()[2:4] == SITES.splitlines()[2:4]


def test_a_kernel_without_that_source_file_is_not_asked(kernel):
    kernel.put(CONTROL, SITES.replace("kernel/livepatch/", "kernel/kgraft/"))
    assert blocking_reasons(kernel, [7]) == {}
    assert (kernel.writes, kernel.now()) == ([], 0)


def test_it_waits_no_longer_than_it_takes_the_kernel_to_explain_every_task(kernel):
    for tid in (7, 8):
        kernel.at(0.3 * (tid - 6), lambda tid=tid: kernel.say(
            f"livepatch: klp_try_switch_task: lab:{tid} is running"))
    assert blocking_reasons(kernel, [7, 8]) == {7: ("running", None), 8: ("running", None)}
    assert 0.6 <= kernel.now() < 0.8


def test_it_gives_up_on_a_task_that_the_kernel_does_not_explain(kernel):
    kernel.at(0.3, lambda: kernel.say("livepatch: klp_try_switch_task: lab:7 is running"))
    assert blocking_reasons(kernel, [7, 8]) == {7: ("running", None)}
    assert 2.5 <= kernel.now() < 2.7


def test_without_tasks_the_kernel_is_not_asked(kernel):
    assert blocking_reasons(kernel, []) == {}
    assert kernel.writes == []


def test_the_flags_are_put_back_when_the_wait_is_broken_off(kernel):
    kernel.put(CONTROL, SITES)

    def interrupt(_seconds):
        raise KeyboardInterrupt

    kernel.sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        blocking_reasons(kernel, [7])
    assert [text for _path, text in kernel.writes][1:] == [
        "file kernel/livepatch/transition.c -p",
        "file kernel/livepatch/transition.c line 310 +p",
        "file kernel/livepatch/transition.c line 420 +p",
    ]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EROFS, errno.EINVAL])
def test_a_control_that_cannot_be_written_is_no_failure(kernel, code):
    def refuse(_path, _text):
        raise OSError(code, "refused")

    kernel.write = refuse
    assert blocking_reasons(kernel, [7]) == {}


def test_a_control_that_cannot_be_read_is_not_written(kernel):
    kernel.forbidden = (CONTROL,)
    assert blocking_reasons(kernel, [7]) == {}
    assert kernel.writes == []
