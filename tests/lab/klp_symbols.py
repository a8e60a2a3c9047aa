# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes references to a kernel's own symbols ones that the livepatch core resolves, as kpatch-build and klp-build do.

A source calls such a symbol klp_sym__NAME. In the module it becomes .klp.sym.vmlinux.NAME,0 with the section index
SHN_LIVEPATCH, and its relocations move to a section .klp.rela.vmlinux.SECTION (the kernel's
Documentation/livepatch/module-elf-format.rst).
"""

from __future__ import annotations

import struct

from .elf import RELOCATION_SIZE, SHT_RELA, SHT_SYMTAB, SYMBOL_SIZE, Module, Section, text_at

PREFIX = "klp_sym__"
SHN_LIVEPATCH = 0xFF20
STB_GLOBAL = 1 << 4
SHF_ALLOC, SHF_INFO_LINK, SHF_RELA_LIVEPATCH = 0x2, 0x40, 0x100000


def with_klp_symbols(image: bytes) -> bytes:
    """Return the module with its klp_sym__ references marked; raises ValueError where it has none."""
    module = Module(image)
    marked = _mark_symbols(module)
    if not marked:
        raise ValueError(f"the module refers to no {PREFIX} symbol")
    for section in list(module.sections):
        if section.type == SHT_RELA:
            _move_relocations(module, section, marked)
    return module.image()


def _mark_symbols(module: Module) -> set[int]:
    table, = [section for section in module.sections if section.type == SHT_SYMTAB]
    strings = module.sections[table.link]
    marked = set()
    for number in range(len(table.data) // SYMBOL_SIZE):
        name_offset, = struct.unpack_from("<I", table.data, number * SYMBOL_SIZE)
        name = text_at(strings.data, name_offset)
        if name.startswith(PREFIX):
            new_name = len(strings.data)
            strings.data += f".klp.sym.vmlinux.{name[len(PREFIX):]},0".encode() + b"\0"
            strings.size = len(strings.data)
            struct.pack_into("<IBBH", table.data, number * SYMBOL_SIZE, new_name, STB_GLOBAL, 0, SHN_LIVEPATCH)
            marked.add(number)
    return marked


def _move_relocations(module: Module, section: Section, marked: set[int]) -> None:
    kept, moved = bytearray(), bytearray()
    for start in range(0, len(section.data), RELOCATION_SIZE):
        entry = section.data[start:start + RELOCATION_SIZE]
        symbol = struct.unpack_from("<Q", entry, 8)[0] >> 32
        (moved if symbol in marked else kept).extend(entry)
    if not moved:
        return
    section.data, section.size = kept, len(kept)
    target = module.sections[section.info].name
    flags = SHF_ALLOC | SHF_INFO_LINK | SHF_RELA_LIVEPATCH
    name = f".klp.rela.vmlinux.{target}"
    module.sections.append(
        Section(name, SHT_RELA, flags, moved, section.link, section.info, 8, RELOCATION_SIZE, len(moved)))
