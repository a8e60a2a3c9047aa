# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of ELF to change the modules that the lab builds: 64 bit, little endian, section by section."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 2, 4, 8
SYMBOL_SIZE = 24
RELOCATION_SIZE = 24

_HEADER_SIZE = 64
_SECTION_OFFSET, _SECTION_COUNT, _NAMES_INDEX = 40, 60, 62
_SECTION = struct.Struct("<IIQQQQIIQQ")


@dataclass
class Section:
    """One section: what its header says, and its bytes. `size` counts where it differs from their number."""

    name: str
    type: int
    flags: int
    data: bytearray
    link: int
    info: int
    alignment: int
    entry_size: int
    size: int


class Module:
    """A module's sections by their number, to be changed in place and written out again."""

    def __init__(self, image: bytes) -> None:
        self._header = bytearray(image[:_HEADER_SIZE])
        start, = struct.unpack_from("<Q", image, _SECTION_OFFSET)
        count, names = struct.unpack_from("<HH", image, _SECTION_COUNT)
        headers = [_SECTION.unpack_from(image, start + number * _SECTION.size) for number in range(count)]
        table = image[headers[names][4]:][:headers[names][5]]
        self.sections = []
        for name, kind, flags, _address, offset, size, link, info, alignment, entry_size in headers:
            data = bytearray() if kind == SHT_NOBITS else bytearray(image[offset:offset + size])
            self.sections.append(
                Section(text_at(table, name), kind, flags, data, link, info, alignment, entry_size, size))
        self._names = names

    def section(self, name: str) -> Section:
        """Return the only section of that name."""
        found, = [section for section in self.sections if section.name == name]
        return found

    def image(self) -> bytes:
        """Return the file: header, sections in their order, section headers."""
        table = bytearray()
        name_offsets = []
        for section in self.sections:
            name_offsets.append(len(table))
            table += section.name.encode() + b"\0"
        names = self.sections[self._names]
        names.data, names.size = table, len(table)
        body = bytearray(self._header)
        headers = bytearray()
        for section, name in zip(self.sections, name_offsets, strict=True):
            body += bytes(-len(body) % (section.alignment or 1))
            headers += _SECTION.pack(
                name, section.type, section.flags, 0, len(body) if section.type else 0, section.size, section.link,
                section.info, section.alignment, section.entry_size)
            body += section.data
        body += bytes(-len(body) % 8)
        struct.pack_into("<Q", body, _SECTION_OFFSET, len(body))
        struct.pack_into("<H", body, _SECTION_COUNT, len(self.sections))
        return bytes(body + headers)


def text_at(table: bytes | bytearray, offset: int) -> str:
    """Return the text of a string table that begins at the offset."""
    return bytes(table[offset:table.index(0, offset)]).decode()
