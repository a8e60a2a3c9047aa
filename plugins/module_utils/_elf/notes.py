# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ELF notes as the kernel shows them in /sys/kernel/notes and /sys/module/NAME/notes/."""

import struct
import sys

GNU_BUILD_ID = 3
NATIVE = "<" if sys.byteorder == "little" else ">"
LONGEST = 64  # bytes of a build-id; linkers write 8 to 20


def build_id(notes, order=NATIVE):
    """The GNU build-id in raw notes as hex, or None; truncated notes end the search."""
    offset = 0
    while offset + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "III", notes, offset)
        name = offset + 12
        content = name + _aligned(name_size)
        offset = content + _aligned(size)
        is_build_id = kind == GNU_BUILD_ID and notes[name:name + name_size] == b"GNU\0" and 0 < size <= LONGEST
        if is_build_id and content + size <= len(notes):
            return bytes(notes[content:content + size]).hex()
    return None


def kernel_build_id(host):
    """The running kernel's build-id as hex, or None if it does not show one (kernel/ksysfs.c, notes_read)."""
    try:
        return build_id(host.read_bytes("/sys/kernel/notes"))
    except OSError:
        return None


def _aligned(size):
    return (size + 3) & ~3
