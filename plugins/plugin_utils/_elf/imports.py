# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The symbols that a module takes from the kernel and other modules, and the CRCs it was built against."""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import SHN_UNDEF, STB_WEAK, ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, too_complex

# The largest modules of distributions import some 2,000 symbols.
_MAX_IMPORTS = 50_000
_MAX_NAMES = 16 * 1024 * 1024  # in bytes, of all together
_VERSION_ENTRY = 64  # struct modversion_info: an unsigned long and the rest for the name
# Symbols that the module loader defines or ignores (simplify_symbols() in kernel/module/main.c).
_OF_THE_LOADER = frozenset({"", ".TOC.", "_GLOBAL_OFFSET_TABLE_"})


def read_imports(image: ModuleImage) -> list[dict[str, t.Any]]:
    """Return the imported symbols, sorted by name: [{name, crc, weak}]; `crc` is None where the module has none.

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
    """Return the CRC that stands for the layout of the kernel's own structs, or None where the module has none.

    The kernel compares it before every other CRC (check_modstruct_version() in kernel/module/version.c); no symbol of
    this name is imported.
    """
    return _crcs(image).get("module_layout")


def has_versions(image: ModuleImage) -> bool:
    """Was the module built with CONFIG_MODVERSIONS?"""
    return any(image.section(name) for name in ("__versions", "__version_ext_crcs"))


def _crcs(image: ModuleImage) -> dict[str, int]:
    # The kernel takes the extended table first (kernel/module/version.c).
    return {**_plain_crcs(image), **_extended_crcs(image)}


def _plain_crcs(image: ModuleImage) -> dict[str, int]:
    section = image.section("__versions")
    if section is None:
        return {}
    layout = struct.Struct(f"{'<' if image.byteorder == 'little' else '>'}{'Q' if image.word == 8 else 'I'}")
    if section.size > _MAX_IMPORTS * _VERSION_ENTRY:
        raise too_complex()
    contents = bytes(image.contents(section))
    if len(contents) % _VERSION_ENTRY:
        raise PatchFileError("malformed-elf", "has a damaged section __versions; copy or build the file again")
    crcs: dict[str, int] = {}
    for start in range(0, len(contents), _VERSION_ENTRY):
        name = contents[start + layout.size : start + _VERSION_ENTRY].partition(b"\0")[0]
        # Of two entries for a symbol, the kernel takes the first.
        crcs.setdefault(name.decode("utf-8", errors="replace"), layout.unpack_from(contents, start)[0] & 0xFFFFFFFF)
    return crcs


def _extended_crcs(image: ModuleImage) -> dict[str, int]:
    numbers, names = image.section("__version_ext_crcs"), image.section("__version_ext_names")
    if numbers is None or names is None:
        return {}
    if numbers.size > 4 * _MAX_IMPORTS or names.size > _MAX_NAMES:
        raise too_complex()
    contents = bytes(image.contents(numbers))
    words = [name.decode("utf-8", errors="replace") for name in bytes(image.contents(names)).split(b"\0") if name]
    if len(contents) != 4 * len(words):
        problem = "has not as many names as CRCs in its sections __version_ext_*; copy or build the file again"
        raise PatchFileError("malformed-elf", problem)
    crcs = struct.unpack(f"{'<' if image.byteorder == 'little' else '>'}{len(words)}I", contents)
    return dict(zip(reversed(words), reversed(crcs), strict=True))
