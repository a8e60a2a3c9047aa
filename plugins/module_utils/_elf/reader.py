# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A relocatable ELF file of this host: sections, symbols by name, relocations (elf(5)).

Small and fast: a module of 1 MB takes some milliseconds. Nothing in the file is trusted: every offset and index is
checked before it is used, and no two sections may claim more bytes than the file has, so time and memory are bounded by
the file's size.
"""

import struct
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import (
    LAYOUTS,
    ElfError,
    string_at,
    unpack_entries,
    unpack_symbols,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property

SHT_NULL, SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 0, 2, 4, 8
SHN_UNDEF = 0
ET_REL = 1
ORDERS = {1: "<", 2: ">"}

IDENT = 16
MOST_SECTIONS = 10000
LONGEST_NAME = 1024  # of a section; KSYM_NAME_LEN is 512, and names of livepatch sections have an object's name as well

# address and entry_size of a section header are omitted; nothing here needs them.
Section = namedtuple("Section", "index name type flags offset size link info")
# section: the index of the symbol's section, or a special number (SHN_*).
Symbol = namedtuple("Symbol", "value size section kind binding")
# symbol: a Symbol; place: offset of the relocation in its section.
Relocation = namedtuple("Relocation", "place type symbol addend")


class ElfFile:
    """One file from its uncompressed bytes. For a damaged file, every method raises ElfError and nothing else."""

    def __init__(self, data):
        self._data = data
        self._view = memoryview(data)
        if len(data) < IDENT or data[:4] != b"\x7fELF" or 4 * data[4] not in LAYOUTS or data[5] not in ORDERS:
            raise ElfError("not an ELF file")
        self.word = 4 * data[4]  # bytes
        self.order = ORDERS[data[5]]
        self._layout = LAYOUTS[self.word]
        self.sections = self._read_sections()
        self._by_name = {}
        for section in self.sections:
            self._by_name.setdefault(section.name, []).append(section)

    def _unpacker(self, layout):
        return struct.Struct(self.order + layout)

    def _read_sections(self):
        header = self._unpacker(self._layout.header)
        if len(self._data) < IDENT + header.size:
            raise ElfError("cut short in its header")
        fields = header.unpack_from(self._data, IDENT)
        kind, start = fields[0], fields[5]
        entry_size, count, names_index = fields[10:]
        layout = self._unpacker(self._layout.section)
        if kind != ET_REL or entry_size != layout.size or not 0 < count <= MOST_SECTIONS or names_index >= count:
            raise ElfError("not a relocatable file, or with unusual section headers")
        if start + count * entry_size > len(self._data):
            raise ElfError("cut short in its section headers")
        raw = list(layout.iter_unpack(self._view[start:start + count * entry_size]))
        self._check_extents(raw)
        names = raw[names_index]
        strings = bytes(self._view[names[4]:names[4] + names[5]]) if names[1] != SHT_NOBITS else b""
        return [
            Section(index, string_at(strings, entry[0], LONGEST_NAME), entry[1], entry[2], *entry[4:8])
            for index, entry in enumerate(raw)]

    def _check_extents(self, raw):
        claimed = 0
        for entry in raw:
            if entry[1] in (SHT_NULL, SHT_NOBITS):
                continue
            claimed += entry[5]
            if entry[4] + entry[5] > len(self._data) or claimed > len(self._data):
                raise ElfError("a section lies beyond its end, or sections overlap")

    def named(self, name):
        """All sections of a name, in the file's order."""
        return self._by_name.get(name, [])

    def section(self, name):
        """The first section of a name, or None."""
        return next(iter(self.named(name)), None)

    def contents(self, section):
        """The bytes of a section, a memoryview; empty for one that has none in the file."""
        if section.type in (SHT_NULL, SHT_NOBITS):
            return self._view[:0]
        return self._view[section.offset:section.offset + section.size]

    @cached_property
    def _symbol_table(self):
        return next((section for section in self.sections if section.type == SHT_SYMTAB), None)

    @cached_property
    def _symbols(self):
        """(offset of the name, Symbol's fields) of every symbol, in the file's order."""
        if self._symbol_table is None:
            return []
        table = self._symbol_table
        return list(unpack_symbols(self.contents(table), self.order, self.word, table.name))

    @cached_property
    def _symbols_by_offset(self):
        found = {}
        for symbol in self._symbols:
            found.setdefault(symbol[0], []).append(symbol)
        return found

    @cached_property
    def _symbol_names(self):
        if self._symbol_table is None:
            return b""
        link = self._symbol_table.link
        if link >= len(self.sections):
            raise ElfError("its symbols have no names")
        return bytes(self.contents(self.sections[link]))

    def has_symbols(self):
        """Whether it has a symbol table with entries."""
        return bool(self._symbols)

    def symbols(self, name):
        """The symbols of a name that are defined in the file, in its order (the kernel's order for sympos)."""
        return [_symbol(symbol) for symbol in self._symbols_called(name) if symbol[3] != SHN_UNDEF]

    def imports(self, name):
        """Whether the file has a symbol of a name that another module or the kernel defines."""
        return any(symbol[3] == SHN_UNDEF for symbol in self._symbols_called(name))

    def _symbols_called(self, name):
        if not name:
            return []
        wanted = name.encode("utf-8") + b"\0"
        found = []
        at = self._symbol_names.find(wanted)
        while at >= 0:  # linkers store a name inside a longer name with the same end
            found += self._symbols_by_offset.get(at, ())
            at = self._symbol_names.find(wanted, at + 1)
        if len(found) > 1:
            order = {id(symbol): index for index, symbol in enumerate(self._symbols)}
            found.sort(key=lambda symbol: order[id(symbol)])
        return found

    @cached_property
    def _relocation_sections(self):
        """{index of a section: its relocation sections}; a file can have thousands of both."""
        found = {}
        for section in self.sections:
            if section.type == SHT_RELA:
                found.setdefault(section.info, []).append(section)
        return found

    def relocations(self, target):
        """The relocations of a section (those with addends: all machines with live patching use them)."""
        symbols = self._symbols
        shift, mask = self._layout.symbol_shift, self._layout.type_mask
        layout = self._unpacker(self._layout.rela)
        for section in self._relocation_sections.get(target.index, ()):
            for place, info, addend in unpack_entries(self.contents(section), layout, section.name):
                if info >> shift >= len(symbols):
                    raise ElfError(f"section {section.name} has a relocation to nowhere")
                yield Relocation(place, info & mask, _symbol(symbols[info >> shift]), addend)


def _symbol(entry):
    return Symbol(entry[1], entry[2], entry[3], entry[4] & 15, entry[4] >> 4)
