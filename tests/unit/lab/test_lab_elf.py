# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose references are made the livepatch core's, by an object file of the compiler."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab import elf, klp_symbols

SOURCE = """
extern char *klp_sym__hidden __attribute__((weak));
extern int other(char *);
int shown(void) { return other(klp_sym__hidden); }
"""


@pytest.fixture
def compiled(tmp_path):
    """Bytes of an object file that refers to klp_sym__hidden and to another symbol."""
    target = tmp_path / "shown.o"
    command = ["gcc", "-c", "-O2", "-mcmodel=kernel", "-fno-pie", "-x", "c", "-", "-o", str(target)]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return target.read_bytes()


def symbols_of(section):
    starts = range(0, len(section.data), elf.RELOCATION_SIZE)
    return [int.from_bytes(section.data[start + 12:start + 16], "little") for start in starts]


def test_a_module_is_written_as_it_was_read(compiled):
    before, after = elf.Module(compiled), elf.Module(elf.Module(compiled).image())
    assert [section.name for section in after.sections] == [section.name for section in before.sections]
    for old, new in zip(before.sections, after.sections, strict=True):
        # The table of the names alone is made anew.
        assert new == old or new.name == ".shstrtab"


def test_a_marked_symbol_has_relocations_of_its_own(compiled):
    before = elf.Module(compiled).section(".rela.text")
    after = elf.Module(klp_symbols.with_klp_symbols(compiled))
    moved = after.section(".klp.rela.vmlinux..text")
    assert moved.flags == 0x100042
    assert (moved.link, moved.info) == (before.link, before.info)
    assert len(symbols_of(moved)) == 1
    assert sorted(symbols_of(moved) + symbols_of(after.section(".rela.text"))) == sorted(symbols_of(before))
    table, = [section for section in after.sections if section.type == elf.SHT_SYMTAB]
    entry = table.data[symbols_of(moved)[0] * elf.SYMBOL_SIZE:][:elf.SYMBOL_SIZE]
    name = elf.text_at(after.sections[table.link].data, int.from_bytes(entry[:4], "little"))
    assert name == ".klp.sym.vmlinux.hidden,0"
    assert entry[6:8] == b"\x20\xff"


def test_a_module_without_such_symbols_is_an_error(compiled):
    with pytest.raises(ValueError, match="klp_sym__"):
        klp_symbols.with_klp_symbols(klp_symbols.with_klp_symbols(compiled))
