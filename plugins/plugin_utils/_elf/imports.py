# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The symbols that a module imports from the kernel and other modules, and the CRCs of its build."""

from __future__ import annotations

import typing as t

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import VERSION_ENTRY, symbol_versions
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHN_UNDEF,
    STB_WEAK,
    ModuleImage,
    damage_named,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import too_complex

# The largest modules of distributions import some 2,000 symbols.
_MAX_IMPORTS = 50_000
_MAX_NAMES = 16 * 1024 * 1024  # in bytes, of all together
# Of __versions, __version_ext_crcs and __version_ext_names.
_MOST_BYTES = (_MAX_IMPORTS * VERSION_ENTRY, _MAX_IMPORTS * 4, _MAX_NAMES)
# Symbols that the module loader defines or ignores (simplify_symbols() in kernel/module/main.c).
_OF_THE_LOADER = frozenset({"", ".TOC.", "_GLOBAL_OFFSET_TABLE_"})


def read_imports(image: ModuleImage) -> list[dict[str, t.Any]]:
    """Return the imported symbols, sorted by name: [{name, crc, weak}]; `crc` is None if the module has none.

    Raises PatchFileError: malformed-elf, too-complex.
    """
    crcs = _crcs(image)
    undefined = {
        symbol.name: symbol.binding == STB_WEAK
        for symbol in image.symbols
        if symbol.section == SHN_UNDEF and symbol.name not in _OF_THE_LOADER
    }
    if len(undefined) > _MAX_IMPORTS:
        raise too_complex()
    return [{"name": name, "crc": crcs.get(name), "weak": weak} for name, weak in sorted(undefined.items())]


def read_module_layout(image: ModuleImage) -> int | None:
    """Return the CRC for the layout of the kernel's own structs, or None if the module has none.

    The kernel compares it before every other CRC (check_modstruct_version() in kernel/module/version.c); no symbol of
    this name is imported.
    """
    return _crcs(image).get("module_layout")


def has_versions(image: ModuleImage) -> bool:
    """Was the module built with CONFIG_MODVERSIONS?"""
    return any(image.section(name) for name in ("__versions", "__version_ext_crcs"))


def _crcs(image: ModuleImage) -> dict[str, int]:
    sections = [image.section(name) for name in ("__versions", "__version_ext_crcs", "__version_ext_names")]
    if any(section and section.size > most for section, most in zip(sections, _MOST_BYTES, strict=True)):
        raise too_complex()
    plain, numbers, names = (image.contents(section) if section else b"" for section in sections)
    with damage_named():
        return symbol_versions(plain, numbers, names, image.order, image.word)
