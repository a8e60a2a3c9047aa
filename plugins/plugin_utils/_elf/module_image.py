# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""A kernel module as sections, symbols, relocations and strings.

pyelftools reads the header and the section headers. Symbols and relocations are unpacked in bulk here: a large
module has 100,000 of them, and pyelftools takes 20 microseconds for each.

Nothing in the file is trusted. Every offset and index is checked before it is used, no two sections may claim more
bytes than the file has, and the number of sections, symbols and the like is limited, so that no file takes much time or
memory. Each limit is some times the number in the largest modules of distributions.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import re
import struct
import sys
import typing as t

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import (
    LAYOUTS,
    ElfError,
    string_at,
    unpack_symbols,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.machines import MACHINES, Machine
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, too_complex
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

try:
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    HAS_ELFTOOLS = True
except ImportError:
    HAS_ELFTOOLS = False

SHF_WRITE = 0x1
SHF_ALLOC = 0x2
SHF_EXECINSTR = 0x4
SHF_RELA_LIVEPATCH = 0x100000
SHN_UNDEF = 0
SHN_LIVEPATCH = 0xFF20
STB_WEAK = 2
STT_OBJECT = 1
STT_FUNC = 2

# The largest modules of Debian have some 200 sections; a patch with one section for each function has a few thousand.
_MAX_SECTIONS = 10_000
_MAX_SYMBOLS = 300_000
_MAX_RELOCATIONS = 1_000_000
# Of the names of all sections and all symbols: a table of names can be used many times over.
_MAX_SECTION_NAMES = 4 * 1024 * 1024
_MAX_SYMBOL_NAMES = 16 * 1024 * 1024
# KSYM_NAME_LEN is 512 since Linux 6.1; names of livepatch symbols and sections have an object's name in addition.
_MAX_STRING = 1024
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,64}")


class Section(t.NamedTuple):
    """A section header; `type` is pyelftools' word for it, such as SHT_RELA."""

    shndx: int  # its number, as in st_shndx
    name: str
    type: str | int
    flags: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def display_name(self) -> str:
        """Its name for messages, or its number for an unusual name: that can hold terminal control characters."""
        return self.name if _PLAIN_NAME.fullmatch(self.name) else f"number {self.shndx}"

    @property
    def is_data(self) -> bool:
        """Does it hold data, and no code, in memory after the load?"""
        return self.flags & (SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC and self.type != "SHT_NOBITS"

    @property
    def is_code(self) -> bool:
        return self.flags & (SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC | SHF_EXECINSTR


class Symbol(t.NamedTuple):
    """A symbol; `section` is st_shndx, possibly a special number such as SHN_LIVEPATCH."""

    name: str
    value: int
    size: int
    section: int
    kind: int
    binding: int


class Relocation(t.NamedTuple):
    """A relocation; `addend` is read from the relocated bytes if the machine stores it there."""

    offset: int
    type: int
    symbol: Symbol
    addend: int


class Location(t.NamedTuple):
    """A place in the module; section 0 means a place elsewhere, such as an imported symbol."""

    section: int
    offset: int


def _malformed(reason: str) -> PatchFileError:
    return PatchFileError("malformed-elf", f"is a damaged ELF file ({reason}). Copy or build it again")


def _nowhere(section: Section) -> PatchFileError:
    return _malformed(f"section {section.display_name} has a relocation to nowhere")


def _truncated(what: str) -> PatchFileError:
    return PatchFileError("truncated", f"is cut short ({what} lies beyond its end). Copy or build it again")


@contextlib.contextmanager
def damage_named() -> t.Iterator[None]:
    """Raise PatchFileError malformed-elf for damage found by the tables' readers."""
    try:
        yield
    except ElfError as error:
        raise _malformed(str(error)) from error


class ModuleImage:
    """One relocatable ELF file, read from its plain bytes.

    Raises PatchFileError: not-elf, truncated, malformed-elf, unsupported-machine, not-a-module, too-complex,
    pyelftools-missing.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._view = memoryview(data)
        elf = _open(data)
        self.byteorder: t.Literal["little", "big"] = "little" if elf.little_endian else "big"
        self.word = elf.elfclass // 8
        self.machine = _machine(elf, self.byteorder)
        self.order = "<" if elf.little_endian else ">"
        self._layout = LAYOUTS[self.word]
        self.sections = _sections(elf, data)
        self._relocations_read = 0
        self._pointers: dict[int, dict[int, Location]] = {}
        self._sections_by_name = {section.name: section for section in reversed(self.sections)}

    def section(self, name: str) -> Section | None:
        """The first section of this name."""
        return self._sections_by_name.get(name)

    def contents(self, section: Section) -> memoryview:
        """The section's bytes; none for a section without bytes in the file."""
        if section.type == "SHT_NOBITS":
            return self._view[:0]
        return self._view[section.offset : section.offset + section.size]

    def number(self, section: Section, offset: int, size: int) -> int:
        """An unsigned number in a section; the caller has checked its bounds."""
        return int.from_bytes(self.contents(section)[offset : offset + size], self.byteorder)

    @functools.cached_property
    def symbols(self) -> list[Symbol]:
        """The symbol table, in the file's order; empty for a file without one."""
        table = next((section for section in self.sections if section.type == "SHT_SYMTAB"), None)
        if table is None:
            return []
        if not table.link < len(self.sections) or self.sections[table.link].type != "SHT_STRTAB":
            raise _malformed("its symbol table has no string table")
        names = bytes(self.contents(self.sections[table.link]))
        if table.size // struct.calcsize(self.order + self._layout.symbol) > _MAX_SYMBOLS:
            raise too_complex()
        symbols, size_of_names = [], 0
        with damage_named():
            for name, value, size, section, info in unpack_symbols(self.contents(table), self.order, self.word):
                text = string_at(names, name, _MAX_STRING)
                size_of_names += len(text)
                if size_of_names > _MAX_SYMBOL_NAMES:
                    raise too_complex()
                symbols.append(Symbol(text, value, size, section, info & 15, info >> 4))
        return symbols

    @functools.cached_property
    def _relocation_sections(self) -> dict[int, list[Section]]:
        """Relocation sections by their target section, without those that only livepatch applies."""
        found: dict[int, list[Section]] = {}
        for section in self.sections:
            if section.type in ("SHT_RELA", "SHT_REL") and not section.flags & SHF_RELA_LIVEPATCH:
                found.setdefault(section.info, []).append(section)
        return found

    def relocation_count(self, section: Section) -> int:
        """The number of relocations in a relocation section."""
        return section.size // self._relocation_layout(section).size

    def _relocation_layout(self, section: Section) -> struct.Struct:
        return struct.Struct(self.order + (self._layout.rela if section.type == "SHT_RELA" else self._layout.rel))

    def relocations(self, target: Section) -> t.Iterator[Relocation]:
        """The relocations of a section, without those that only livepatch applies."""
        for section in self._relocation_sections.get(target.shndx, []):
            for offset, kind, symbol, addend in self._entries(section):
                if offset >= target.size:
                    raise _nowhere(section)
                yield Relocation(
                    offset, kind, symbol, self.number(target, offset, self.word) if addend is None else addend)

    def relocated_symbols(self, section: Section) -> t.Iterator[Symbol]:
        """The symbol of each relocation in a relocation section."""
        return (symbol for _offset, _kind, symbol, _addend in self._entries(section))

    def _entries(self, section: Section) -> t.Iterator[tuple[int, int, Symbol, int | None]]:
        """The offset, type, symbol and addend of each entry of a relocation section."""
        shift, mask, symbols = self._layout.symbol_shift, self._layout.type_mask, self.symbols
        layout = self._relocation_layout(section)
        if section.size % layout.size:
            raise _malformed(f"section {section.display_name} has a part of an entry")
        self._relocations_read += section.size // layout.size
        if self._relocations_read > _MAX_RELOCATIONS:
            raise too_complex()
        for offset, info, *addend in layout.iter_unpack(self.contents(section)):
            if info >> shift >= len(symbols):
                raise _nowhere(section)
            yield offset, info & mask, symbols[info >> shift], addend[0] if addend else None

    def pointers(self, section: Section) -> dict[int, Location]:
        """The targets of the relocated words of a section, by offset, in ascending order.

        Relocations other than plain pointers are included, as a location elsewhere.
        """
        if section.shndx not in self._pointers:
            self._pointers[section.shndx] = self._find_pointers(section)
        return self._pointers[section.shndx]

    def _find_pointers(self, section: Section) -> dict[int, Location]:
        found = {}
        for relocation in self.relocations(section):
            symbol = relocation.symbol
            if relocation.type == self.machine.pointer and 0 < symbol.section < len(self.sections):
                found[relocation.offset] = Location(symbol.section, symbol.value + relocation.addend)
            else:
                found[relocation.offset] = Location(SHN_UNDEF, 0)
        return dict(sorted(found.items()))

    def string(self, location: Location) -> str | None:
        """The C string at a location; None if it is not printable ASCII text."""
        section = self.sections[location.section]
        if not section.is_data or not 0 <= location.offset < section.size:
            return None
        window = bytes(self.contents(section)[location.offset : location.offset + _MAX_STRING])
        text, end, _rest = window.partition(b"\0")
        if not end or not text or not all(0x20 < byte < 0x7F for byte in text):
            return None
        return text.decode("ascii")

    def is_code(self, location: Location) -> bool:
        """Is the location in a function?"""
        section = self.sections[location.section]
        return section.is_code and 0 <= location.offset < section.size

    @functools.cached_property
    def _names_of_code(self) -> dict[Location, set[str]]:
        """The symbols of functions by their places; of names that no other symbol has."""
        defined = [symbol for symbol in self.symbols if symbol.section != SHN_UNDEF]
        counts = collections.Counter(symbol.name for symbol in defined)
        found: dict[Location, set[str]] = {}
        for symbol in defined:
            if symbol.kind == STT_FUNC and counts[symbol.name] == 1:
                found.setdefault(Location(symbol.section, symbol.value), set()).add(symbol.name)
        return found

    def function_symbol(self, location: Location, preferred: str) -> str | None:
        """A name that the kernel finds only the function at a location by, if possible `preferred`; None without one.
        """
        names = self._names_of_code.get(location, set())
        return preferred if preferred in names else min(names, default=None)

    @functools.cached_property
    def _object_sizes(self) -> dict[Location, int]:
        return {
            Location(symbol.section, symbol.value): symbol.size
            for symbol in self.symbols
            if symbol.kind == STT_OBJECT and symbol.size
        }

    def object_size(self, location: Location) -> int | None:
        """The size in bytes of the variable that begins at a location; None without a symbol for it."""
        return self._object_sizes.get(location)


def _open(data: bytes) -> ELFFile:
    if not HAS_ELFTOOLS:
        raise PatchFileError(
            "pyelftools-missing",
            f"cannot be read without the Python library pyelftools. Install it on the controller, for {sys.executable}")
    if not data.startswith(b"\x7fELF"):
        raise PatchFileError("not-elf", "is not an ELF file. Give a kernel module (.ko, .ko.gz, .ko.xz or .ko.zst)")
    try:
        elf = ELFFile(io.BytesIO(data))
    except (ELFError, struct.error, ValueError, TypeError, KeyError, OverflowError) as error:
        if len(data) < 64:
            raise _truncated("its header") from error
        raise _malformed("its header cannot be read") from error
    if elf["e_type"] != "ET_REL":
        raise PatchFileError("not-a-module", "is an ELF file but not a kernel module. Give a .ko file")
    return elf


def _machine(elf: ELFFile, byteorder: str) -> Machine:
    machine = MACHINES.get((elf["e_machine"], elf.elfclass, byteorder))
    if machine is None:
        name = f"{elf['e_machine']}, {elf.elfclass} bits, {byteorder} endian"
        raise PatchFileError("unsupported-machine", f"is built for a machine that is not supported ({name})")
    return machine


def _sections(elf: ELFFile, data: bytes) -> list[Section]:
    count, start, entry_size = elf["e_shnum"], elf["e_shoff"], elf["e_shentsize"]
    if start == 0 or count == 0:
        raise PatchFileError("not-a-module", "is an ELF file without sections, so not a kernel module. Give a .ko file")
    if count > _MAX_SECTIONS:
        raise _malformed(f"it has {number_of(count, 'section')}")
    if entry_size != elf.structs.Elf_Shdr.sizeof():
        raise _malformed("its section headers have a wrong size")
    if start + count * entry_size > len(data):
        raise _truncated("its section header table")
    try:
        headers = [struct_parse(elf.structs.Elf_Shdr, elf.stream, start + n * entry_size) for n in range(count)]
    except (ELFError, struct.error, ValueError) as error:
        raise _malformed("its section headers cannot be read") from error
    in_file = [header for header in headers if header["sh_type"] not in ("SHT_NOBITS", "SHT_NULL")]
    if any(header["sh_offset"] + header["sh_size"] > len(data) for header in in_file):
        raise _truncated("a section")
    if sum(header["sh_size"] for header in in_file) > len(data):
        raise _malformed("its sections overlap")
    if elf["e_shstrndx"] >= count:
        raise _malformed("its sections have no names")
    names_header = headers[elf["e_shstrndx"]]
    names = data[names_header["sh_offset"] : names_header["sh_offset"] + names_header["sh_size"]]
    with damage_named():
        sections = [_section(index, header, names) for index, header in enumerate(headers)]
    if sum(len(section.name) for section in sections) > _MAX_SECTION_NAMES:
        raise too_complex()
    return sections


def _section(index: int, header: t.Mapping[str, t.Any], names: bytes) -> Section:
    return Section(
        shndx=index,
        name=string_at(names, header["sh_name"], _MAX_STRING),
        type=header["sh_type"],
        flags=header["sh_flags"],
        offset=header["sh_offset"],
        # SHT_NULL may hold any numbers: the kernel and linkers ignore them.
        size=header["sh_size"] if header["sh_type"] != "SHT_NULL" else 0,
        link=header["sh_link"],
        info=header["sh_info"],
    )
