# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Patches written from source: a klp_patch variable and its arrays, as in the kernel's samples/livepatch."""

from __future__ import annotations

import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHF_WRITE,
    Location,
    ModuleImage,
    Section,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.klp_tables import KlpTables
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import LivePatch, PatchedObject
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.machine_code import (
    addressed_at_run_time,
    is_pointed_to,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.passed_addresses import is_only_passed

FORMAT = "source"
THIS_MODULE = ".gnu.linkonce.this_module"


class _PatchVariable(t.NamedTuple):
    """A klp_patch: its location, and its objects."""

    location: Location
    objects: list[PatchedObject]


def find(image: ModuleImage, modinfo: Modinfo) -> LivePatch | None:
    """Return the patch of a klp_patch variable, or an opaque one if the module fills its tables at run time."""
    tables = KlpTables(image)
    patches = list(_patch_variables(image, tables))
    if not patches:
        return _without_variable(image, tables) if modinfo.livepatch else None
    if len(patches) > 1:
        # The module's code decides which one it registers.
        return LivePatch(FORMAT, opaque=True, objects=[entry for patch in patches for entry in patch.objects])
    location, objects = patches[0]
    section = image.sections[location.section]
    objs_member = Location(section.shndx, location.offset + image.word)
    states_location = image.pointers(section).get(location.offset + 2 * image.word)
    states = tables.states(states_location) if states_location else []
    own = {objs_member, *tables.members}
    addressed = addressed_at_run_time(image, own)
    return LivePatch(
        FORMAT,
        opaque=states is None or tables.ambiguous or not addressed.isdisjoint(own),
        replace=_replace(image, location, addressed),
        objects=objects,
        states=states or [],
    )


def _data_sections(image: ModuleImage) -> list[Section]:
    """The sections for a klp_patch: the kernel writes to it, so never read-only data."""
    return [
        section
        for section in image.sections
        if section.is_data and section.flags & SHF_WRITE and section.name not in ("__param", THIS_MODULE)
    ]


def _patch_variables(image: ModuleImage, tables: KlpTables) -> t.Iterator[_PatchVariable]:
    """The pointers to the module itself with a pointer to a klp_object array behind them."""
    this_module = image.section(THIS_MODULE)
    anchor = Location(this_module.shndx, 0) if this_module else None
    for section in _data_sections(image):
        pointers = image.pointers(section)
        for offset, target in pointers.items():
            if target == anchor and offset + image.word in pointers:
                objects = tables.objects(pointers[offset + image.word])
                if objects:
                    yield _PatchVariable(Location(section.shndx, offset), objects)


def _replace(image: ModuleImage, location: Location, addressed: set[Location]) -> bool | None:
    section, word = image.sections[location.section], image.word
    states, replace = (Location(location.section, location.offset + member * word) for member in (2, 3))
    if states in addressed or replace in addressed:
        return None
    if states.offset not in image.pointers(section) and image.number(section, states.offset, 1):
        # A number in the place of klp_patch.states (since 5.5): `replace` of 5.1 to 5.4, or `immediate` of 4.12 to
        # 4.15, when patches still had to be registered.
        return None if any(symbol.name == "klp_register_patch" for symbol in image.symbols) else True
    if image.number(section, replace.offset, 1):
        return True
    stays = image.machine.addresses_members or is_only_passed(image, location)
    return False if stays and not is_pointed_to(image, location) else None


def _without_variable(image: ModuleImage, tables: KlpTables) -> LivePatch:
    """A live patch that makes its klp_patch at run time: possible klp_func arrays are hints, without an object."""
    hints = []
    for section in _data_sections(image):
        offsets = list(image.pointers(section))
        position = 0
        while position < len(offsets):
            functions = tables.functions(Location(section.shndx, offsets[position]))
            if functions:
                hints.append(PatchedObject(None, functions))
            # Each entry has two pointers, so the array ends here.
            position += 2 * len(functions) if functions else 1
    return LivePatch(FORMAT, opaque=True, objects=hints)
