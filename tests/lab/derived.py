# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch files that no compiler makes: broken and foreign ones, derived from a good one."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .elf import Module
from .image import Image

E_MACHINE_OFFSET = 18
EM_AARCH64 = 183
VERSION_ENTRY = struct.Struct("<Q56s")
STRUCT_MODULE = ".gnu.linkonce.this_module"


def wrong_release(module: bytes) -> bytes:
    """Return the module with a vermagic that names the next release, as one built for the next kernel update has."""
    found = re.search(rb"\0vermagic=\d+\.\d+\.(?:0-)?(\d+)", b"\0" + module)
    if not found:
        raise ValueError("the module has no vermagic with a release")
    start, end = (position - 1 for position in found.span(1))
    # The same length, so that nothing else in the file moves.
    successor = str((int(found.group(1)) + 1) % 10 ** (end - start)).zfill(end - start)
    return module[:start] + successor.encode() + module[end:]


def other_vermagic(module: bytes) -> bytes:
    """Return the module with the vermagic of a kernel that was configured in another way, of the same release."""
    return _replaced(module, b" mod_unload ", b" mod-unload ")


def no_vermagic(module: bytes) -> bytes:
    """Return the module with its vermagic under another name."""
    return _replaced(module, b"\0vermagic=", b"\0vermagix=")


def not_gpl(module: bytes) -> bytes:
    """Return the module with a licence that is not compatible with the kernel's."""
    return _replaced(module, b"\0license=GPL\0", b"\0license=BSD\0")


def larger_struct_module(module: bytes) -> bytes:
    """Return the module with a struct module 64 bytes larger, as a kernel configured in another way has it."""
    changed = Module(module)
    section = changed.section(STRUCT_MODULE)
    section.data += bytes(64)
    section.size += 64
    return changed.image()


def other_symbol_version(module: bytes) -> bytes:
    """Return the module with another version of seq_printf than the kernel's."""
    return _with_other_version(module, "seq_printf")


def other_module_layout(module: bytes) -> bytes:
    """Return the module with another version of struct module's layout than the kernel's."""
    return _with_other_version(module, "module_layout")


def unknown_import(module: bytes) -> bytes:
    """Return the module with a need for seq_lab_no, which nothing exports, in the place of seq_printf."""
    # In the symbol table and in __versions.
    return module.replace(b"\0seq_printf\0", b"\0seq_lab_no\0")


def taken_name(module: bytes) -> bytes:
    """Return the module with the name of the module lab_target."""
    # In struct module and in the modinfo.
    return module.replace(b"cmdline_v1\0", b"lab_target\0")


def missing_klp_symbol(module: bytes) -> bytes:
    """Return the module (klp_symbol) with a reference to a kernel symbol that does not exist."""
    return _replaced(module, b".saved_command_line,0\0", b".saved_command_lime,0\0")


def other_arch(module: bytes) -> bytes:
    """Return the module with the machine number of aarch64 in its ELF header."""
    return module[:E_MACHINE_OFFSET] + struct.pack("<H", EM_AARCH64) + module[E_MACHINE_OFFSET + 2:]


def truncated(module: bytes) -> bytes:
    """Return the first half of the module."""
    return module[: len(module) // 2]


def not_elf(module: bytes) -> bytes:
    """Return a text."""
    return b"This is a text, and no kernel module.\n"


def _replaced(module: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the only occurrence of some bytes by as many others."""
    if module.count(old) != 1 or len(old) != len(new):
        raise ValueError(f"the module does not have {old!r} once, or {new!r} is not as long")
    return module.replace(old, new)


def _with_other_version(module: bytes, symbol: str) -> bytes:
    """Change the version (CRC) of a symbol in __versions, by its lowest bit."""
    changed = Module(module)
    versions = changed.section("__versions").data
    for start in range(0, len(versions), VERSION_ENTRY.size):
        crc, name = VERSION_ENTRY.unpack_from(versions, start)
        if name.rstrip(b"\0").decode() == symbol:
            VERSION_ENTRY.pack_into(versions, start, crc ^ 1, name)
            return changed.image()
    raise ValueError(f"the module has no version of {symbol}")


class Derived(NamedTuple):
    """How a file is derived, from which module, and the option that a kernel is built with where that can be done."""

    derive: Callable[[bytes], bytes]
    origin: str = "cmdline_v1"
    needs: str = ""


DERIVED = {
    file.derive.__name__: file
    for file in (
        *map(Derived, (
            wrong_release, other_vermagic, no_vermagic, not_gpl, larger_struct_module, unknown_import, taken_name,
            other_arch, truncated, not_elf)),
        # Without it, a module has no section __versions.
        Derived(other_symbol_version, needs="CONFIG_MODVERSIONS"),
        Derived(other_module_layout, needs="CONFIG_MODVERSIONS"),
        Derived(missing_klp_symbol, origin="klp_symbol"),
    )
}


def make_derived(modules: Path, image: Image) -> None:
    """Add the files to the directory of modules."""
    for name, file in DERIVED.items():
        if not file.needs or image.configured_with(file.needs):
            Path(modules, f"{name}.ko").write_bytes(file.derive(Path(modules, f"{file.origin}.ko").read_bytes()))
