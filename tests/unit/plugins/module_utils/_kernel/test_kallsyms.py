# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols by name, out of lines as kernels from 5.10 to 7.2 print them."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._checks.facts import Facts
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import (
    KernelSymbols,
    PrintedNames,
    is_cold,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.work import CountedBytes, at_most

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
    assert KernelSymbols(machine).objects([name]) == {name: objects}


def test_a_module_that_is_not_loaded_any_more_has_no_symbols(machine):
    machine.delete_module("lab_target")
    assert KernelSymbols(machine).objects(["show", "buffer"]) == {"show": ["vmlinux", "vmlinux", "other"], "buffer": []}


def test_a_kernel_without_modules_loaded(kernel):
    kernel.put(KALLSYMS, "ffffffff81000000 T _text\nffffffff81000000 T show\n")
    assert KernelSymbols(kernel).objects({"show", "_text"}) == {"show": ["vmlinux"], "_text": ["vmlinux"]}


@pytest.mark.parametrize("hide", [
    lambda kernel: setattr(kernel, "forbidden", (KALLSYMS,)),
    lambda kernel: kernel.put(KALLSYMS, ""),
    lambda kernel: os.remove(kernel.path(KALLSYMS)),
], ids=["forbidden", "empty", "absent"])
def test_hidden_symbols_are_not_called_missing(kernel, hide):
    hide(kernel)
    assert KernelSymbols(kernel).objects(["show"]) is None


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


ADDRESSES = """\
ffffffff81000010 T memcpy
ffffffff81000010 W __memcpy
ffffffff81000020 t show
ffffffff81000030 t show
ffffffff81000030 t alias_of_second
ffffffff81000010 t show\t[lab_target]
0000000000000000 t hidden\t[lab_target]
"""


@pytest.mark.parametrize("function, names", [
    (("vmlinux", "memcpy"), {"memcpy", "__memcpy"}),
    (("vmlinux", "show"), {"show", "alias_of_second"}),
    (("lab_target", "show"), {"show"}),
])
def test_the_other_names_of_an_address(kernel, function, names):
    kernel.put(KALLSYMS, ADDRESSES)
    assert KernelSymbols(kernel).names({function}) == {function: names}


def test_hidden_addresses_and_no_symbol_are_told_apart(kernel):
    kernel.put(KALLSYMS, ADDRESSES)
    assert KernelSymbols(kernel).names({("lab_target", "hidden"), ("vmlinux", "gone")}) == {
        ("lab_target", "hidden"): None, ("vmlinux", "gone"): set()}
    kernel.forbidden = (KALLSYMS,)
    assert KernelSymbols(kernel).names({("vmlinux", "show")}) == {("vmlinux", "show"): None}


def test_symbols_that_a_linker_has_given_a_suffix(kernel):
    kernel.put(KALLSYMS, "0 t show.llvm.123\n0 t other.isra.0\n0 t unshow.llvm.7\n")
    assert KernelSymbols(kernel).suffixed({"show", "other", "how"}) == {"show"}
    kernel.put(KALLSYMS, "".join(f"0 t function_{number}\n" for number in range(100_000)) + "0 t show.llvm.1.llvm.2\n")
    text = CountedBytes(kernel.read_bytes(KALLSYMS))
    kernel.read_bytes = lambda path: text
    with at_most(steps=200_000):  # a look at each line for each name is 2,000,000,000
        assert KernelSymbols(kernel).suffixed({"show", *(f"missing_{number}" for number in range(20_000))}) == {"show"}
    assert 0 < text.read < 5 * len(text)
    del kernel.read_bytes
    kernel.forbidden = (KALLSYMS,)
    assert KernelSymbols(kernel).suffixed(set()) == KernelSymbols(kernel).suffixed({"show"}) == set()


def test_functions_are_the_same_by_name_or_by_address(kernel):
    kernel.put(KALLSYMS, ADDRESSES)
    shared = KernelSymbols(kernel).shared
    first, second, alias = (("vmlinux", name, sympos) for name, sympos in (
        ("show", 1), ("show", 2), ("alias_of_second", 1)))
    assert shared({first, second}, {alias}) == {second}
    assert shared({alias}, {first, second}) == {alias}
    assert shared({first}, {first, alias}) == {first}
    assert shared({("lab_target", "show", 1)}, {("vmlinux", "memcpy", 1)}) == set()
    assert shared({("vmlinux", "gone", 1)}, {("vmlinux", "gone_too", 1), ("vmlinux", "show", 7)}) == set()
    assert shared({("lab_target", "hidden", 1)}, {("lab_target", "show", 1)}) == set()


def test_functions_of_one_name_need_no_symbols(kernel):
    kernel.forbidden = (KALLSYMS,)
    assert KernelSymbols(kernel).shared({("vmlinux", "a", 1), ("vmlinux", "b", 1)}, {("vmlinux", "a", 1)}) == {
        ("vmlinux", "a", 1)}


def test_a_printed_name_means_a_function_of_its_object(kernel):
    kernel.put(KALLSYMS, ADDRESSES)
    printed = PrintedNames(KernelSymbols(kernel), {("vmlinux", "__memcpy"), ("lab_target", "hidden")})
    assert printed.function("vmlinux", "memcpy") == ("vmlinux", "__memcpy")
    assert printed.function("vmlinux", "memcpy.cold") == ("vmlinux", "__memcpy")
    assert printed.function("lab_target", "memcpy") is None
    assert printed.function("lab_target", "hidden") == ("lab_target", "hidden")
    assert printed.hidden == {("lab_target", "hidden")}
    assert printed.names(("vmlinux", "__memcpy")) == {"memcpy", "__memcpy"}


@pytest.mark.parametrize("name, cold", [
    ("f.cold", True), ("f.isra.0.cold", True), ("f.cold.12", True), ("f.isra.0", False), ("f.part.0", False),
    ("f.constprop.0", False), ("cold", False), ("f.colder", False),
])
def test_the_unlikely_part_of_a_function(name, cold):
    assert is_cold(name) is cold


def test_many_functions_are_found_in_a_few_passes(kernel):
    kernel.put(KALLSYMS, "".join(f"{number + 1:016x} t function_{number}\n" for number in range(50_000)))
    functions = {("vmlinux", f"function_{number}") for number in range(5_000)}
    text = CountedBytes(kernel.read_bytes(KALLSYMS))
    kernel.read_bytes = lambda path: text
    names = KernelSymbols(kernel).names(functions)
    assert names == {(entry, name): {name} for entry, name in functions}
    assert 0 < text.read < 10 * len(text)
