# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of enabled_functions and available_filter_functions, as kernels from 5.10 to 7.2 print them."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.ftrace import (
    hooked_functions,
    traceable_functions,
)

VIEW = "/sys/kernel/tracing/enabled_functions"
TRAMP = "\ttramp: 0xffffffffc0a00000 (klp_ftrace_handler+0x0/0x110) ->klp_ftrace_handler+0x0/0x110"
LINES = [
    ("cmdline_proc_show (1)   I  " + TRAMP, {("vmlinux", "cmdline_proc_show"): ["I"]}),
    ("cmdline_proc_show (1) R I  " + TRAMP, {("vmlinux", "cmdline_proc_show"): ["RI"]}),
    ("show [lab_target] (1)   I  " + TRAMP, {("lab_target", "show"): ["I"]}),
    ("show.isra.0 (2)   I D   M \tops: ftrace_ops_list_func+0x0/0x1", {("vmlinux", "show.isra.0"): ["IDM"]}),
    ("traced (1)              M ", {("vmlinux", "traced"): ["M"]}),
    ("show (1)   I  \nshow (1)     D\n\tdirect-->bpf_trampoline_1+0x0/0x1\n", {("vmlinux", "show"): ["I", "D"]}),
    ("", {}),
    ("a line that is none of these\n\tdirect(jmp)-->x (1) I\n", {}),
]


@pytest.mark.parametrize("text, hooked", LINES)
def test_hooked_functions(kernel, text, hooked):
    kernel.put(VIEW, text)
    assert hooked_functions(kernel) == hooked


def test_an_older_mount_point_is_read_where_the_newer_is_absent(kernel):
    kernel.put("/sys/kernel/debug/tracing/enabled_functions", LINES[0][0])
    kernel.put(VIEW, LINES[2][0])
    assert hooked_functions(kernel) == LINES[2][1]
    kernel.forbidden = (VIEW,)
    assert hooked_functions(kernel) == LINES[0][1]


def test_what_cannot_be_read_is_not_called_empty(kernel):
    kernel.forbidden = ("/sys/kernel/tracing",)
    assert hooked_functions(kernel) is None


LIST = "/sys/kernel/tracing/available_filter_functions"
SHOW, MODULE_SHOW = ("vmlinux", "show"), ("lab_target", "show")


@pytest.mark.parametrize("wanted, found", [
    ({SHOW, MODULE_SHOW}, {SHOW, MODULE_SHOW}),
    ({("vmlinux", "sho"), ("vmlinux", "how"), ("other", "show"), ("lab_target", "main")}, set()),
    ({SHOW, ("vmlinux", "show.isra.0"), ("vmlinux", "gone")}, {SHOW, ("vmlinux", "show.isra.0")}),
    (set(), set()),
])
def test_traceable_functions(kernel, wanted, found):
    kernel.put(LIST, "main\nshow\nshow\nshow.isra.0\nmain [other]\nshow [lab_target]\n")
    assert traceable_functions(kernel, wanted) == found


def test_a_list_of_any_length_is_read_until_all_is_found(kernel):
    filler = "".join(f"function_{number}\n" for number in range(50000))
    kernel.put(LIST, "show\n" + filler + "show [lab_target]\n")
    assert traceable_functions(kernel, {SHOW, MODULE_SHOW}) == {SHOW, MODULE_SHOW}
    blocks = []
    whole = kernel.line_blocks
    kernel.line_blocks = lambda path: (blocks.append(1) or lines for lines in whole(path))
    assert traceable_functions(kernel, {SHOW}) == {SHOW}
    assert len(blocks) == 1


def test_a_list_that_cannot_be_read_is_not_called_empty(kernel):
    os.remove(kernel.path(LIST))
    assert traceable_functions(kernel, {SHOW}) is None
    kernel.put("/sys/kernel/debug/tracing/available_filter_functions", "show\n")
    assert traceable_functions(kernel, {SHOW}) == {SHOW}
