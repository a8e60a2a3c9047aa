# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a relocatable ELF file and of a kernel module, as bytes: one layout for the readers of both halves.

Sources: elf(5); include/linux/module.h and kernel/module/version.c for symbol versions; include/linux/moduleparam.h for
.modinfo; arch/x86/include/asm/orc_header.h.
"""

import struct
from collections import namedtuple

VERSION_ENTRY = 64  # bytes of struct modversion_info: an unsigned long, and the rest for the name
ORC_HEADER = 20  # bytes

# For one word size: the file header from e_type on, a section header, a symbol, relocations with and without addend,
# and the shift and mask to split r_info into symbol and type.
Layout = namedtuple("Layout", "header section symbol rela rel symbol_shift type_mask")
# By the size of a word in bytes.
LAYOUTS = {
    4: Layout("HHIIIIIHHHHHH", "IIIIIIIIII", "IIIBBH", "IIi", "II", 8, 0xFF),
    8: Layout("HHIQQQIHHHHHH", "IIQQQQIIQQ", "IBBHQQ", "QQq", "QQ", 32, 0xFFFFFFFF),
}


class ElfError(Exception):
    """The file is not a relocatable ELF file, or it is damaged. The message names the damage in a few words."""


def unpack_entries(contents, layout, name):
    """Yield the entries of the section `name` as tuples; `layout` is a struct.Struct. Raises ElfError."""
    if len(contents) % layout.size:
        raise ElfError(f"section {name} has a part of an entry")
    return layout.iter_unpack(contents)


def unpack_symbols(contents, order, word, name=".symtab"):
    """Yield (offset of the name, value, size, section, info) of each symbol; `order` is "<" or ">", `word` 4 or 8."""
    entries = unpack_entries(contents, struct.Struct(order + LAYOUTS[word].symbol), name)
    if word == 8:
        return ((offset, value, size, section, info) for offset, info, _other, section, value, size in entries)
    return ((offset, value, size, section, info) for offset, value, size, info, _other, section in entries)


def modinfo_fields(contents):
    """The (tag, value) pairs of .modinfo, in the file's order; the kernel takes the first of a tag."""
    entries = (entry.partition("=") for entry in bytes(contents).decode("utf-8", "replace").split("\0"))
    return [(tag, value) for tag, equals, value in entries if equals]


def symbol_versions(plain, numbers, names, order, word):
    """{symbol: CRC} from the sections __versions, __version_ext_crcs and __version_ext_names.

    The kernel takes the extended table first, and the first of two entries for a symbol. Raises ElfError.
    """
    found = _extended_versions(bytes(numbers), bytes(names), order)
    for symbol, crc in _plain_versions(bytes(plain), order, word):
        found.setdefault(symbol, crc)
    return found


def _plain_versions(contents, order, word):
    layout = struct.Struct(f"{order}{'Q' if word == 8 else 'I'}{VERSION_ENTRY - word}s")
    for crc, name in unpack_entries(contents, layout, "__versions"):
        yield _text(name.partition(b"\0")[0]), crc & 0xFFFFFFFF


def _extended_versions(numbers, names, order):
    symbols = [_text(name) for name in names.split(b"\0") if name]
    if len(numbers) != 4 * len(symbols):
        raise ElfError("sections __version_ext_* have not as many names as CRCs")
    found = {}
    for symbol, crc in zip(symbols, struct.unpack(f"{order}{len(symbols)}I", numbers)):
        found.setdefault(symbol, crc)
    return found


def orc_formats(contents):
    """The digests of the format of the unwind data, each once; the linker joins those of several objects."""
    contents = bytes(contents)
    return list(dict.fromkeys(contents[start:start + ORC_HEADER] for start in range(0, len(contents), ORC_HEADER)))


def string_at(table, offset, longest):
    """The text at an offset of a string table; raises ElfError if it does not end within `longest` bytes."""
    end = table.find(b"\0", offset, offset + longest)
    if offset >= len(table) or end < 0:
        raise ElfError("a name lies outside its string table")
    return _text(table[offset:end])


def _text(name):
    return name.decode("utf-8", "replace")
