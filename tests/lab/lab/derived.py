# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch files that no compiler makes: broken and foreign ones, derived from a good one."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

E_MACHINE_OFFSET = 18
EM_AARCH64 = 183


def wrong_release(module: bytes) -> bytes:
    """Return the module with a vermagic that names the next release, as one built for the next kernel update has."""
    found = re.search(rb"\0vermagic=\d+\.\d+\.(?:0-)?(\d+)", b"\0" + module)
    if not found:
        raise ValueError("the module has no vermagic with a release")
    start, end = (position - 1 for position in found.span(1))
    # The same length, so that nothing else in the file moves.
    successor = str((int(found.group(1)) + 1) % 10 ** (end - start)).zfill(end - start)
    return module[:start] + successor.encode() + module[end:]


def other_arch(module: bytes) -> bytes:
    """Return the module with the machine number of aarch64 in its ELF header."""
    return module[:E_MACHINE_OFFSET] + struct.pack("<H", EM_AARCH64) + module[E_MACHINE_OFFSET + 2:]


def truncated(module: bytes) -> bytes:
    """Return the first half of the module."""
    return module[: len(module) // 2]


def not_elf(module: bytes) -> bytes:
    """Return a text."""
    return b"This is a text, and no kernel module.\n"


DERIVED: dict[str, Callable[[bytes], bytes]] = {
    function.__name__: function for function in (wrong_release, other_arch, truncated, not_elf)
}
