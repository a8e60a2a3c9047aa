# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of kprobes/list, as Linux 6.1 prints them."""

import os
import shutil

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kprobes import placed_kprobes

LIST = "/sys/kernel/debug/kprobes/list"


def kprobe(entry, function, offset, returns=False, ftrace=False):
    return {"object": entry, "function": function, "offset": offset, "returns": returns, "ftrace": ftrace}


@pytest.mark.parametrize("line, found", [
    ("ffffffffa32105a6  k  cmdline_proc_show+0x6    [OPTIMIZED]", [kprobe("vmlinux", "cmdline_proc_show", 6)]),
    ("ffffffffa32105c4  k  cmdline_proc_show+0x24    ", [kprobe("vmlinux", "cmdline_proc_show", 0x24)]),
    ("ffffffffa32105a0  r  cmdline_proc_show+0x0    [FTRACE]",
     [kprobe("vmlinux", "cmdline_proc_show", 0, returns=True, ftrace=True)]),
    ("0000000000000000  k  show.isra.0+0x1f  lab_target ", [kprobe("lab_target", "show.isra.0", 0x1F)]),
    ("0000000000000000  k  show+0x4  lab_target [OPTIMIZED][FTRACE]", [kprobe("lab_target", "show", 4, ftrace=True)]),
    ("ffffffffa32105a6  k  cmdline_proc_show+0x6    [DISABLED]", []),
    ("ffffffffa32105a0  r  cmdline_proc_show+0x0    [DISABLED][FTRACE]", []),
    ("ffffffffa32105a6  k  gone+0x6  lab_target [GONE]", []),
    ("(null)  k  show+0x6    ", [kprobe("vmlinux", "show", 6)]),
    ("", []),
    ("a line that is none of these", []),
])
def test_armed_kprobes(kernel, line, found):
    kernel.put(LIST, line + "\n")
    assert placed_kprobes(kernel) == found


def test_a_kernel_without_kprobes_has_none(kernel):
    shutil.rmtree(kernel.path(os.path.dirname(LIST)))
    kernel.put("/sys/kernel/debug/tracing/README", "")
    assert placed_kprobes(kernel) == []


@pytest.mark.parametrize("hide", [
    lambda kernel: setattr(kernel, "forbidden", (LIST,)),
    lambda kernel: shutil.rmtree(kernel.path(os.path.dirname(LIST))),
], ids=["forbidden", "debugfs not mounted"])
def test_hidden_kprobes_are_not_called_none(kernel, hide):
    hide(kernel)
    assert placed_kprobes(kernel) is None
