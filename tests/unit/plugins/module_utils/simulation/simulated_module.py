# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated module files: ELF files with the sections that are read of a kernel module, and no code."""

import struct

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS = 1, 2, 3, 4, 8
SHF_ALLOC = 2
EM_X86_64, EM_S390 = 62, 22
TEXT = 1  # the index of .text, which comes first
VERMAGIC = "6.1.0-56-amd64 SMP preempt mod_unload modversions "
MODULE_LAYOUT = 0x11111111


class ElfWriter:
    """Puts sections together; `word` is 4 or 8 bytes, `order` is < or >."""

    def __init__(self, word=8, order="<", machine=EM_X86_64):
        self.word, self.order, self.machine = word, order, machine
        self._sections = [(b"", 0, b"", 0, 0)]

    def pack(self, layout, *values):
        return struct.pack(self.order + layout, *values)

    def section(self, name, contents, kind=SHT_PROGBITS, link=0, info=0):
        """Add a section and return its index."""
        self._sections.append((name.encode("utf-8"), kind, contents, link, info))
        return len(self._sections) - 1

    def symbols(self, entries, size=16):
        """Add a symbol table of (name, value, section), all of them local functions of `size`; returns its index.

        The names are stored in another order than the symbols, as linkers may do it.
        """
        names, offsets = b"\0", []
        for name, _value, _section in reversed(entries):
            offsets.append(len(names))
            names += name.encode("utf-8") + b"\0"
        table = bytes(24 if self.word == 8 else 16)
        for at, (_name, value, section) in zip(reversed(offsets), entries):
            if self.word == 8:
                table += self.pack("IBBHQQ", at, 2, 0, section, value, size)
            else:
                table += self.pack("IIIBBH", at, value, size, 2, 0, section)
        strings = self.section(".strtab", names, SHT_STRTAB)
        return self.section(".symtab", table, SHT_SYMTAB, link=strings)

    def relocations(self, target, symbols, entries):
        """Add relocations of a section: (offset, number of a symbol, addend)."""
        layout, shift = ("QQq", 32) if self.word == 8 else ("IIi", 8)
        contents = b"".join(
            self.pack(layout, offset, symbol << shift | 1, addend) for offset, symbol, addend in entries)
        self.section(".rela", contents, SHT_RELA, link=symbols, info=target)

    def image(self):
        """The file's bytes."""
        names, offsets = b"\0", []
        for name, *_rest in [*self._sections, (b".shstrtab",)]:
            offsets.append(len(names))
            names += name + b"\0"
        sections = [*self._sections, (b".shstrtab", SHT_STRTAB, names, 0, 0)]
        head = 64 if self.word == 8 else 52
        body, headers = b"", b""
        for offset, (_name, kind, contents, link, info) in zip(offsets, sections):
            layout = "IIQQQQIIQQ" if self.word == 8 else "IIIIIIIIII"
            headers += self.pack(
                layout, offset, kind, SHF_ALLOC, 0, head + len(body), len(contents), link, info, 1, 0)
            body += b"" if kind == SHT_NOBITS else contents
        ident = b"\x7fELF" + bytes([self.word // 4, 1 if self.order == "<" else 2, 1]) + bytes(9)
        layout = "HHIQQQIHHHHHH" if self.word == 8 else "HHIIIIIHHHHHH"
        size = struct.calcsize("<IIQQQQIIQQ" if self.word == 8 else "<IIIIIIIIII")
        header = self.pack(
            layout, 1, self.machine, 1, 0, 0, head + len(body), 0, head, 0, 0, size, len(sections), len(sections) - 1)
        return ident + header + body + headers


def simulated_module(
        vermagic=VERMAGIC, size=896, crcs=None, orc=True, orc_header=None, build_id="ee" * 20, symbols=(), traced=(),
        modinfo=(), sections=(), **machine):
    """The image of a module like the kernel's own.

    `crcs` is {symbol: CRC}, by default of module_layout alone, False for a kernel without versions; `symbols` are names
    or (name, section), functions 32 bytes apart in the order given; `traced` are the numbers of those that ftrace can
    redirect, from 0; `sections` are names of further sections.
    """
    elf = ElfWriter(**machine)
    elf.section(".text", bytes(32 * (len(symbols) + 1)))
    info = "".join(f"{entry}\0" for entry in [f"vermagic={vermagic}", *modinfo])
    elf.section(".modinfo", info.encode("utf-8"))
    elf.section(".gnu.linkonce.this_module", bytes(size))
    if build_id:
        elf.section(".note.gnu.build-id", elf.pack("III", 4, 20, 3) + b"GNU\0" + bytes.fromhex(build_id))
    if crcs is not False:
        layout = "Q56s" if elf.word == 8 else "I60s"
        versions = {"module_layout": MODULE_LAYOUT} if crcs is None else crcs
        elf.section("__versions", b"".join(
            elf.pack(layout, crc, name.encode("utf-8")) for name, crc in versions.items()))
    for name in sections:
        elf.section(name, bytes(8))
    if orc:
        elf.section(".orc_unwind", bytes(6))
    if orc_header:
        elf.section(".orc_header", bytes.fromhex(orc_header))
    entries = [(entry, TEXT) if isinstance(entry, str) else entry for entry in symbols]
    table = elf.symbols([("", 0, TEXT)] + [
        (name, 32 * number, section) for number, (name, section) in enumerate(entries)])
    if traced:
        places = elf.section("__mcount_loc", bytes(8 * len(traced)))
        elf.relocations(places, table, [(8 * at, 1, 32 * number + 4) for at, number in enumerate(traced)])
    return elf.image()
