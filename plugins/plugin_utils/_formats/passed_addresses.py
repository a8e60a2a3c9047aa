# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Proves that code only passes the address of a klp_patch to the kernel, and stores nothing in it.

On some machines code loads the address of a variable, and stores to its members without relocations. There, the load of
the address must be directly before the call, and the few instructions between may store to the stack only.
Numbers of relocation types are those of the ELF psABI supplements, as in machines.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    Location,
    ModuleImage,
    Relocation,
    Section,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.machine_code import TABLE_OF_ADDRESSES

_TAKES_PATCH = frozenset({"klp_enable_patch", "klp_register_patch"})
_MOST_BETWEEN = 16  # bytes


@dataclasses.dataclass(frozen=True)
class _Code:
    """How code of a machine loads an address."""

    whole: frozenset[int]  # relocations of the instruction that completes an address; offset: of that instruction
    parts: frozenset[int]  # relocations of other instructions for an address; another one completes it
    exact: frozenset[int]  # relocations of instructions that read or write just this place
    calls: frozenset[int]  # relocations of calls
    start: int  # of an instruction, from the offset of its relocation
    size: int  # of the completing instruction
    is_harmless: t.Callable[[int], bool]  # see harmless_on_aarch64


def harmless_on_aarch64(word: int) -> bool:
    """Whether an instruction neither branches nor stores to another base than the stack pointer (register 31)."""
    is_branch, is_memory = word & 0x1C000000 == 0x14000000, word & 0x0A000000 == 0x08000000
    return not is_branch and (not is_memory or word >> 5 & 31 == 31)


# Primary opcodes of the Power ISA: stores; prefixes, vectors, branches, VSX; and of 31: mfspr, mtspr, or (a move).
_PPC_STORES = frozenset({*range(36, 40), 44, 45, 47, *range(52, 56), 61, 62})
_PPC_OTHERS = frozenset({1, 4, 16, 18, 19, 60})
_PPC_HARMLESS_31 = frozenset({339, 467, 444})


def harmless_on_ppc64le(word: int) -> bool:
    """Whether an instruction neither branches nor stores to another base than the stack pointer (register 1)."""
    operation = word >> 26
    if operation == 31:
        return word >> 1 & 0x3FF in _PPC_HARMLESS_31
    if operation in _PPC_STORES:
        return word >> 16 & 31 == 1
    return operation not in _PPC_OTHERS


_CODE = {
    # R_AARCH64_ADD_ABS_LO12_NC; ADR_PREL_PG_HI21 and ..._NC; LDST8 to LDST128_ABS_LO12_NC; JUMP26, CALL26
    "aarch64": _Code(
        frozenset({277}), frozenset({275, 276}), frozenset({278, 284, 285, 286, 299}), frozenset({282, 283}), 0, 4,
        harmless_on_aarch64),
    # R_PPC64_TOC16_LO_DS; TOC16_HA; REL24, REL24_NOTOC
    "ppc64le": _Code(frozenset({64}), frozenset({50}), frozenset(), frozenset({10, 116}), 0, 4, harmless_on_ppc64le),
    # R_390_PC32DBL and R_390_GOTENT, in the middle of an instruction; PLT32DBL
    "s390x": _Code(frozenset({19, 26}), frozenset(), frozenset(), frozenset({20}), -2, 6, lambda word: False),
}


def is_only_passed(image: ModuleImage, patch: Location) -> bool:
    """Whether code addresses the section of a klp_patch only to pass the patch to the kernel; False if not known.

    The whole section counts, since a compiler can reach one variable from the address of another (section anchors).
    """
    code = _CODE.get(image.machine.arch)
    return code is not None and all(
        _passes(image, code, patch, section) for section in image.sections if section.is_code)


def _passes(image: ModuleImage, code: _Code, patch: Location, section: Section) -> bool:
    relocations = sorted(image.relocations(section), key=lambda relocation: relocation.offset)
    for relocation, following in itertools.zip_longest(relocations, relocations[1:]):
        target = _target(image, code, relocation)
        if target is None or target.section != patch.section or relocation.type in code.parts:
            continue
        if relocation.type in code.exact and not 0 <= target.offset - patch.offset < 4 * image.word:
            continue
        if relocation.type not in code.whole or not _is_passed(image, code, section, relocation, following):
            return False
    return True


def _target(image: ModuleImage, code: _Code, relocation: Relocation) -> Location | None:
    """The place that an instruction addresses, also through .toc; None for a place in another module."""
    if not 0 < relocation.symbol.section < len(image.sections):
        return None
    section = image.sections[relocation.symbol.section]
    place = Location(section.shndx, relocation.symbol.value + relocation.addend)
    return image.pointers(section).get(place.offset) if section.name == TABLE_OF_ADDRESSES else place


def _is_passed(
    image: ModuleImage, code: _Code, section: Section, relocation: Relocation, following: Relocation | None
) -> bool:
    if following is None or following.symbol.name not in _TAKES_PATCH or following.type not in code.calls:
        return False
    begin, end = relocation.offset + code.start + code.size, following.offset + code.start
    if not 0 <= end - begin <= _MOST_BETWEEN or (end - begin) % 4:
        return False
    return all(code.is_harmless(image.number(section, place, 4)) for place in range(begin, end, 4))
