# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the numbers of an intact ELF file are, so that mutations can aim at them."""

from __future__ import annotations

import struct
import typing as t

_SHT_SYMTAB, _SHT_RELA, _SHT_NOBITS, _SHT_NOTE, _SHT_REL = 2, 4, 8, 7, 9
_TRAILER = 40  # of a signature: struct module_signature and the magic after it


class Field(t.NamedTuple):
    """A number in the file, in bytes."""

    offset: int
    size: int


class ElfFields(t.NamedTuple):
    """Fields by what they belong to, the places where something begins or ends, and the names of sections."""

    byteorder: str
    fields: dict[str, list[Field]]
    boundaries: list[int]
    sections: list[tuple[int, int]]  # offset and size of those with bytes
    headers: list[Field]  # whole section headers


def find_fields(data: bytes) -> ElfFields:
    """Return the fields of an intact relocatable file."""
    word = 4 * data[4]
    order = {1: "<", 2: ">"}[data[5]]
    header = "HHIQQQIHHHHHH" if word == 8 else "HHIIIIIHHHHHH"
    section_header = "IIQQQQIIQQ" if word == 8 else "IIIIIIIIII"
    values = struct.unpack_from(order + header, data, 16)
    start, size, count = values[5], values[10], values[11]
    found: dict[str, list[Field]] = {
        "header": [Field(place, 1) for place in range(16)] + list(_fields(16, order, header)),
        "section header": [],
        "symbol": [],
        "relocation": [],
        "data": [],
        "signature": [Field(len(data) - _TRAILER + place, 1) for place in range(_TRAILER)],
    }
    sections, headers = [], []
    for index in range(count):
        place = start + index * size
        headers.append(Field(place, size))
        found["section header"] += _fields(place, order, section_header)
        _name, kind, _flags, _address, offset, length, _link, _info, _align, _entry = struct.unpack_from(
            order + section_header, data, place
        )
        if kind not in (0, _SHT_NOBITS) and length:
            sections.append((offset, length))
            found[_group(kind)] += _contents(kind, word, order, offset, length)
    boundaries = {*range(64), len(data) - _TRAILER, *(place for span in sections for place in (span[0], sum(span)))}
    boundaries |= {place for entry in headers for place in (entry.offset, entry.offset + entry.size)}
    groups = {group: fields for group, fields in found.items() if fields}
    return ElfFields("little" if order == "<" else "big", groups, sorted(boundaries), sections, headers)


def _group(kind: int) -> str:
    return {_SHT_SYMTAB: "symbol", _SHT_RELA: "relocation", _SHT_REL: "relocation"}.get(kind, "data")


def _contents(kind: int, word: int, order: str, offset: int, length: int) -> t.Iterator[Field]:
    layout = {
        _SHT_SYMTAB: "IBBHQQ" if word == 8 else "IIIBBH",
        _SHT_RELA: "QQQ" if word == 8 else "III",
        _SHT_REL: "QQ" if word == 8 else "II",
        _SHT_NOTE: "I",
    }.get(kind, "Q" if word == 8 else "I")
    size = struct.calcsize(order + layout)
    for place in range(offset, offset + length - size + 1, size):
        yield from _fields(place, order, layout)


def _fields(start: int, order: str, layout: str) -> t.Iterator[Field]:
    for letter in layout:
        size = struct.calcsize(order + letter)
        yield Field(start, size)
        start += size
