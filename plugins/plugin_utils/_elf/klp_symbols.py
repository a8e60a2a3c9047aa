# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Symbols and relocations for the livepatch core to resolve (Documentation/livepatch/module-elf-format.rst)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHF_RELA_LIVEPATCH,
    SHN_LIVEPATCH,
    ModuleImage,
    Section,
)

_SYMBOL = re.compile(r"\.klp\.sym\.(?P<object>[^.]{1,55})\.(?P<name>[^,]{1,511}),(?P<sympos>\d{1,9})")
_SECTION = re.compile(r"\.klp\.rela\.(?P<object>[^.]{1,55})\.(?P<section>.*)")


def read_klp_symbols(image: ModuleImage) -> list[dict[str, t.Any]]:
    """Return [{object, name, sympos, needed_by}], in the file's order, each once.

    The core looks a symbol up when it relocates a section for one of the objects `needed_by`: for an object that is
    loaded later, or for another module than the symbol's.
    """
    needed_by: dict[str, set[str]] = {}
    for section, match in _livepatch_sections(image):
        for symbol in image.relocated_symbols(section):
            needed_by.setdefault(symbol.name, set()).add(match["object"])
    found: dict[tuple[str, str, int], set[str]] = {}
    for symbol in image.symbols:
        named = _SYMBOL.fullmatch(symbol.name) if symbol.section == SHN_LIVEPATCH else None
        if named:
            found[named["object"], named["name"], int(named["sympos"])] = needed_by.get(symbol.name, set())
    return [{"object": object_name, "name": name, "sympos": sympos, "needed_by": sorted(objects)}
            for (object_name, name, sympos), objects in found.items()]


def read_klp_relocations(image: ModuleImage) -> list[dict[str, t.Any]]:
    """Return [{object, section, count}]: the number of a section's relocations for an object."""
    return [
        {"object": match["object"], "section": match["section"], "count": image.relocation_count(section)}
        for section, match in _livepatch_sections(image)]


def _livepatch_sections(image: ModuleImage) -> t.Iterator[tuple[Section, re.Match[str]]]:
    """The relocation sections for the livepatch core, each with the object and the section in its name."""
    for section in image.sections:
        match = _SECTION.fullmatch(section.name)
        if match and section.type == "SHT_RELA" and section.flags & SHF_RELA_LIVEPATCH:
            yield section, match
