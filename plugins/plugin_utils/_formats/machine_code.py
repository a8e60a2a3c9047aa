# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads from a module's code, and from its pointers, what can change its livepatch tables at run time."""

from __future__ import annotations

import re

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import Location, ModuleImage

# movb $0 or $1, 24(register): klp_patch.replace is byte 24 in every kernel that has it and klp_state (5.5 and later),
# and byte 16 in Linux 5.1 to 5.4. %r12 and %rsp as base need a SIB byte; the stack (%rsp) holds no klp_patch.
_STORE = rb"(?:\xc6[\x40-\x43\x45-\x47]|\x41\xc6\x44\x24)%c([\x00\x01])"
WITH_STATES, WITHOUT_STATES = 24, 16

TABLE_OF_ADDRESSES = ".toc"  # of ppc64le: pointers, for code to load


def addressed_at_run_time(image: ModuleImage, own: set[Location]) -> set[Location]:
    """The places in the module's own sections that its code addresses, or that its data outside `own` points to.

    Such data can be a module parameter, or the table of addresses for code. `own` are the places of
    the livepatch tables, which point to each other.
    """
    addressed: set[Location] = set()
    for section in image.sections:
        if section.is_data:
            pointers = image.pointers(section).items()
            addressed.update(target for offset, target in pointers if Location(section.shndx, offset) not in own)
        if not section.is_code:
            continue
        for relocation in image.relocations(section):
            symbol = relocation.symbol
            for bias in image.machine.code_bias.get(relocation.type, (0,)):
                addressed.add(Location(symbol.section, symbol.value + relocation.addend + bias))
    return addressed


def is_pointed_to(image: ModuleImage, place: Location) -> bool:
    """Whether data has a pointer to a place, apart from the addresses for code: code can then find it there."""
    return any(
        place in image.pointers(section).values()
        for section in image.sections if section.is_data and section.name != TABLE_OF_ADDRESSES)


def replace_stored_by_init(image: ModuleImage, *offsets: int) -> bool | None:
    """The value stored into klp_patch.replace by the module's init function, for patches that allocate klp_patch.

    `offsets` of this member, the first with a store counts. None if the code does not show it: not x86_64, or not
    exactly one value is stored.
    """
    if image.machine.arch != "x86_64":
        return None
    code = _init_code(image)
    stores = (set(re.findall(_STORE % offset, code, re.DOTALL)) for offset in offsets)
    stored: set[bytes] = next(filter(None, stores), set())
    return stored == {b"\x01"} if len(stored) == 1 else None


def _init_code(image: ModuleImage) -> bytes:
    for symbol in image.symbols:
        if symbol.name == "init_module" and 0 < symbol.section < len(image.sections):
            code = bytes(image.contents(image.sections[symbol.section]))
            return code[symbol.value : symbol.value + symbol.size]
    return b""
