# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of ELF files that are on the host: what it finds, and that a damaged file is one error, and soon."""

import random
import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.reader import ElfFile
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_module import (
    EM_S390,
    SHT_NOBITS,
    TEXT,
    ElfWriter,
    simulated_module,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.work import at_most

MACHINES = [{}, {"order": ">", "machine": EM_S390}, {"word": 4}, {"word": 4, "order": ">"}]
STEPS = 1_000_000
E_SHNUM = 60


def everything(data):
    """Read all that can be read; returns whether the file is damaged."""
    try:
        with at_most(STEPS):
            _read(ModuleFile(data))
        return False
    except ElfError:
        return True


def _read(module):
    for name in ("modinfo", "build_id", "struct_size", "has_versions", "crcs", "orc_unwind", "orc_header"):
        getattr(module, name)
    for symbol in module.elf.symbols("show") + module.elf.symbols("absent"):
        module.traceable(symbol)


@pytest.mark.parametrize("machine", MACHINES)
def test_sections_are_found_by_name_on_every_machine(machine):
    writer = ElfWriter(**machine)
    writer.section(".text", b"code")
    writer.section(".bss", bytes(100), SHT_NOBITS)
    writer.section(".text", b"more")
    elf = ElfFile(writer.image())
    assert [bytes(elf.contents(section)) for section in elf.named(".text")] == [b"code", b"more"]
    assert (elf.section(".text").index, elf.section(".data")) == (TEXT, None)
    assert bytes(elf.contents(elf.section(".bss"))) == b""


@pytest.mark.parametrize("machine", MACHINES)
def test_symbols_of_a_name_come_in_the_order_of_the_file(machine):
    writer = ElfWriter(**machine)
    writer.symbols([("show", 64, 3), ("show_all", 0, 1), ("show", 0, 0), ("reshow", 0, 1), ("show", 32, 1)])
    elf = ElfFile(writer.image())
    # One of them is an import (section 0), which is none of the file's own.
    assert [(symbol.value, symbol.section) for symbol in elf.symbols("show")] == [(64, 3), (32, 1)]
    assert (elf.symbols("sho"), elf.symbols("")) == ([], [])


def test_names_that_share_their_bytes_are_kept_apart():
    writer = ElfWriter()
    writer.symbols([("klp_show", 8, 1)])
    image = writer.image()
    offset = ElfFile(image).section(".symtab").offset
    # A second name that begins in the middle of the first, as linkers make it.
    entry = struct.pack("<IBBHQQ", 1 + len("klp_"), 2, 0, 1, 16, 16)
    image = image[:offset] + entry + image[offset + len(entry):]
    elf = ElfFile(image)
    assert [symbol.value for symbol in elf.symbols("show")] == [16]
    assert [symbol.value for symbol in elf.symbols("klp_show")] == [8]


@pytest.mark.parametrize("machine", MACHINES)
def test_relocations_are_those_of_the_section(machine):
    writer = ElfWriter(**machine)
    first, second = writer.section("first", bytes(16)), writer.section("second", bytes(16))
    table = writer.symbols([("show", 64, 3)])
    writer.relocations(second, table, [(8, 1, -4)])
    elf = ElfFile(writer.image())
    [relocation] = elf.relocations(elf.sections[second])
    assert (relocation.place, relocation.addend, relocation.symbol.value, relocation.symbol.section) == (8, -4, 64, 3)
    assert list(elf.relocations(elf.sections[first])) == []


def test_a_relocation_of_a_symbol_that_is_not_there_is_an_error():
    writer = ElfWriter()
    target = writer.section("target", bytes(16))
    writer.relocations(target, writer.symbols([]), [(0, 7, 0)])
    elf = ElfFile(writer.image())
    with pytest.raises(ElfError):
        list(elf.relocations(elf.sections[target]))


@pytest.mark.parametrize("machine", MACHINES)
def test_a_file_cut_anywhere_is_an_error(machine):
    image = simulated_module(symbols=("show", "hide"), traced=(0,), **machine)
    assert not everything(image)
    for size in range(len(image)):
        assert everything(image[:size]), f"cut to {size} bytes"


def test_damaged_bytes_are_an_error_or_harmless_and_never_slow():
    image = simulated_module(symbols=("show", "hide"), traced=(0, 1))
    chance = random.Random(7)
    damaged = 0
    for _turn in range(3000):
        data = bytearray(image)
        for _byte in range(chance.choice((1, 2, 8))):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        damaged += everything(bytes(data))
    assert 100 < damaged < 3000


def test_sections_that_all_claim_the_whole_file_are_an_error():
    writer = ElfWriter()
    for number in range(100):
        writer.section(f"s{number}", b"x" * 10)
    image = bytearray(writer.image())
    headers = struct.unpack_from("<Q", image, 40)[0]
    for number in range(1, 100):
        struct.pack_into("<QQ", image, headers + 64 * number + 24, 0, len(image))
    with pytest.raises(ElfError, match="overlap"):
        ElfFile(bytes(image))


def test_more_sections_than_any_module_has_are_an_error():
    image = bytearray(ElfWriter().image() + bytes(64 * 20000))
    struct.pack_into("<H", image, E_SHNUM, 20000)
    with pytest.raises(ElfError):
        ElfFile(bytes(image))


def test_names_without_an_end_are_an_error():
    writer = ElfWriter()
    writer.section("n" * 2000, b"")
    with pytest.raises(ElfError, match="name"):
        ElfFile(writer.image())


def test_thousands_of_lists_of_places_are_read_soon():
    writer = ElfWriter()
    writer.symbols([("show", 64, 3)])
    for _list in range(9000):
        writer.section("__mcount_loc", b"")
    assert everything(writer.image()) is False
