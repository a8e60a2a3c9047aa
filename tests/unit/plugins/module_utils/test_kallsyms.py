# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols by name, out of lines as kernels from 5.10 to 7.2 print them."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._kallsyms import read_symbols

KALLSYMS = "/proc/kallsyms"
LINES = """\
0000000000000000 A fixed_percpu_data
0000000000000000 T show
0000000000000000 t show.isra.0
0000000000000000 d show
0000000000000000 r __ksymtab_klp_enable_patch
0000000000000000 t show\t[lab_target]
0000000000000000 b buffer\t[lab_target]
0000000000000000 t buffer\t[lab_target]
0000000000000000 t show\t[other]
0000000000000000 t show\t[__builtin__ftrace]
0000000000000000 t show\t[bpf]
0000000000000000 t bpf_prog_1_show\t[bpf]
"""


@pytest.fixture
def machine(kernel):
    kernel.plain_module("lab_target")
    kernel.plain_module("other")
    kernel.put(KALLSYMS, LINES)
    return kernel


@pytest.mark.parametrize("name, objects", [
    ("show", ["vmlinux", "vmlinux", "lab_target", "other"]),
    ("show.isra.0", ["vmlinux"]),
    ("buffer", ["lab_target", "lab_target"]),
    ("sho", []),
    ("bpf_prog_1_show", []),
    ("fixed_percpu_data", ["vmlinux"]),
])
def test_every_symbol_of_the_very_name_counts(machine, name, objects):
    assert read_symbols(machine, [name]) == {name: objects}


def test_a_module_that_is_not_loaded_any_more_has_no_symbols(machine):
    machine.delete_module("lab_target")
    assert read_symbols(machine, ["show", "buffer"]) == {"show": ["vmlinux", "vmlinux", "other"], "buffer": []}


def test_a_kernel_without_modules_loaded(kernel):
    kernel.put(KALLSYMS, "ffffffff81000000 T _text\nffffffff81000000 T show\n")
    assert read_symbols(kernel, {"show", "_text"}) == {"show": ["vmlinux"], "_text": ["vmlinux"]}


@pytest.mark.parametrize("hide", [
    lambda kernel: setattr(kernel, "forbidden", (KALLSYMS,)),
    lambda kernel: kernel.put(KALLSYMS, ""),
    lambda kernel: kernel.plain_module("x"),
], ids=["forbidden", "empty", "absent"])
def test_hidden_symbols_are_not_called_missing(kernel, hide):
    hide(kernel)
    assert read_symbols(kernel, ["show"]) is None


def test_the_fact_covers_functions_klp_symbols_and_imports(machine):
    facts = Facts(machine, {
        "objects": [{"name": "lab_target", "functions": [{"name": "show", "sympos": 1}]}],
        "klp_symbols": [{"object": "vmlinux", "name": "buffer", "sympos": 0}],
        "imports": [{"name": "printk", "crc": None, "weak": False}],
    })
    assert facts.symbols == {
        "show": ["vmlinux", "vmlinux", "lab_target", "other"], "buffer": ["lab_target", "lab_target"],
        "printk": [], "__ksymtab_printk": [], "klp_enable_patch": [], "__ksymtab_klp_enable_patch": ["vmlinux"]}
    machine.put(KALLSYMS, "")
    assert facts.symbols["show"], "read once"
