# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's file on the host tells."""

import gzip
import lzma
import shutil
import subprocess

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import kernel_module
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile, module_file
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    EM_S390,
    EM_X86_64,
    TEXT,
    ElfWriter,
    simulated_module,
)

PATH = "/lib/modules/6.1.0-56-amd64/kernel/fs/sample.ko"


def test_all_that_it_tells():
    module = ModuleFile(simulated_module(
        crcs={"module_layout": 1, "a" * 55: 2}, orc_header="ab" * 20, modinfo=("alias=one", "alias=two", "noise")))
    assert module.modinfo == {"vermagic": "6.1.0-56-amd64 SMP preempt mod_unload modversions ", "alias": "one"}
    assert (module.struct_size, module.build_id, module.orc_header) == (896, "ee" * 20, "ab" * 20)
    assert (module.has_versions, module.orc_unwind) == (True, True)
    assert module.crcs == {"module_layout": 1, "a" * 55: 2}


def test_of_a_module_of_several_objects_the_unwinders_format_is_told_once():
    assert ModuleFile(simulated_module(orc_header="ab" * 60)).orc_header == "ab" * 20
    assert ModuleFile(simulated_module(orc_header="ab" * 20 + "cd" * 20)).orc_header == "ab" * 20 + "cd" * 20


def test_what_it_does_not_tell():
    module = ModuleFile(simulated_module(crcs=False, orc=False, build_id=None))
    assert (module.has_versions, module.orc_unwind, module.orc_header, module.build_id) == (False, False, None, None)
    assert module.crcs == {}
    assert ModuleFile(ElfWriter().image()).struct_size is None


def test_versions_of_which_a_part_is_missing_are_an_error():
    writer = ElfWriter()
    writer.section("__versions", bytes(65))
    module = ModuleFile(writer.image())
    with pytest.raises(ElfError, match="__versions"):
        print(module.crcs)


def place_and_function(machine, place, size=100):
    """A module with one function of `size` bytes at 64, and one place that ftrace can change."""
    writer = ElfWriter(machine=machine, order="<" if machine == EM_X86_64 else ">")
    writer.section(".text", bytes(128))
    table = writer.symbols([("show", 64, TEXT), ("text", 0, TEXT)], size)
    paddings = writer.section("__patchable_function_entries", bytes(8))
    if machine == EM_X86_64:  # which has another list, and in this one what ftrace cannot change
        writer.relocations(writer.section("__mcount_loc", bytes(8)), table, [(0, 2, place)])
        writer.relocations(paddings, table, [(0, 2, 64)])
    else:
        writer.relocations(paddings, table, [(0, 2, place)])
    module = ModuleFile(writer.image())
    return module.traceable(module.elf.symbols("show")[0])


@pytest.mark.parametrize("machine, place, traceable", [
    (EM_X86_64, 63, False), (EM_X86_64, 64, True), (EM_X86_64, 68, True), (EM_X86_64, 80, False),
    (EM_S390, 56, True), (EM_S390, 64, True), (EM_S390, 47, False), (EM_S390, 90, True), (EM_S390, 96, False),
])
def test_a_function_with_a_place_at_its_start_is_traceable(machine, place, traceable):
    assert place_and_function(machine, place) is traceable


@pytest.mark.parametrize("machine", [EM_X86_64, EM_S390])
def test_the_place_of_the_next_function_is_not_that_of_a_short_one(machine):
    assert place_and_function(machine, 64 + 7, size=8) is True
    assert place_and_function(machine, 64 + 8, size=8) is False
    assert place_and_function(machine, 64 + 8, size=0) is True  # a function in assembly can come without its size


def test_whether_a_function_is_traceable_is_unknown_where_no_place_is_listed():
    module = ModuleFile(simulated_module(symbols=("show",)))
    assert module.traceable(module.elf.symbols("show")[0]) is None


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_a_compressed_file_is_read_as_well(kernel, compress):
    kernel.put(PATH, compress(simulated_module()))
    assert module_file(kernel, PATH).struct_size == 896


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd command")
def test_a_file_compressed_with_zstd_is_read_as_well(kernel):
    packed = subprocess.run(["zstd", "-cq"], input=simulated_module(), stdout=subprocess.PIPE, check=True)
    kernel.put(PATH, packed.stdout)
    assert module_file(kernel, PATH).struct_size == 896


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bdamaged", b"#!/bin/sh\n", simulated_module()[:500]])
def test_a_file_that_cannot_be_read_is_none(kernel, content):
    kernel.put(PATH, content)
    assert module_file(kernel, PATH) is None
    assert module_file(kernel, PATH + ".absent") is None


def test_a_file_that_is_too_large_is_none(kernel, monkeypatch):
    kernel.put(PATH, gzip.compress(bytes(1 << 20)))
    monkeypatch.setattr(kernel_module, "LARGEST", 1000)
    assert module_file(kernel, PATH) is None
