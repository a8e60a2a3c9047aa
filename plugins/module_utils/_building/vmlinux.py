# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an uncompressed kernel (vmlinux) without loading it: it can have a gigabyte. elf(5)."""

import mmap
import struct
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import LAYOUTS, ElfError, string_at
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import open_regular

# debug: whether it has DWARF debug information. banner: the text of linux_banner (init/version.c), or "".
Vmlinux = namedtuple("Vmlinux", "path debug build_id banner")
IDENT = 16
SHT_NOBITS = 8
ORDERS = {1: "<", 2: ">"}
MOST_SECTIONS = 1 << 20  # of a kernel built with -ffunction-sections
LARGEST_NOTES, LARGEST_NAMES, LONGEST_BANNER, LONGEST_NAME = 1 << 20, 1 << 26, 1000, 1024
BANNER = b"Linux version "


def read_vmlinux(path, name):
    """The Vmlinux of a file; `name` is its path for messages. None if it is not an ELF file, or cannot be read."""
    try:
        with open_regular(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _read(content, name)
    except (OSError, ValueError, OverflowError, struct.error, IndexError, ElfError):
        return None


def release_in(banner):
    """The release in a banner: its third word, as in /proc/version; None without one."""
    words = banner.split()
    return words[2] if len(words) > 2 else None


def _read(content, name):
    if content[:4] != b"\x7fELF" or 4 * content[4] not in LAYOUTS or content[5] not in ORDERS:
        return None
    order, layout = ORDERS[content[5]], LAYOUTS[4 * content[4]]
    header = struct.unpack_from(order + layout.header, content, IDENT)
    start, size, count, names_index = header[5], header[10], header[11], header[12]
    section = struct.Struct(order + layout.section)
    first = section.unpack_from(content, start)
    count = count or first[5]  # more than 65279 sections: the first header has the numbers
    names_index = first[6] if names_index == 0xFFFF else names_index
    if size != section.size or not 0 < count <= MOST_SECTIONS:
        return None
    headers = [section.unpack_from(content, start + index * size) for index in range(count)]
    names = content[headers[names_index][4]:headers[names_index][4] + min(headers[names_index][5], LARGEST_NAMES)]
    by_name = {}
    for entry in headers:
        by_name.setdefault(string_at(names, entry[0], LONGEST_NAME), entry)
    found = by_name.get(".notes") or by_name.get(".note.gnu.build-id")
    build_id = None
    if found and found[1] != SHT_NOBITS:
        build_id = notes.build_id(content[found[4]:found[4] + min(found[5], LARGEST_NOTES)], order)
    debug = any(by_name.get(one, (0, 0, 0, 0, 0, 0))[5] for one in (".debug_info", ".zdebug_info"))
    return Vmlinux(name, debug, build_id, _banner(content, by_name.get(".rodata")))


def _banner(content, section):
    """The first text in .rodata that begins with "Linux version ", without what follows its line."""
    if not section or section[1] == SHT_NOBITS:
        return ""
    end = section[4] + section[5]
    at = content.find(BANNER, section[4], end)
    while at >= 0:
        text = content[at:min(at + LONGEST_BANNER, end)].split(b"\0")[0].split(b"\n")[0].decode("utf-8", "replace")
        if len(text) > len(BANNER) and text[len(BANNER)].isdigit():  # linux_proc_banner has %s there
            return text
        at = content.find(BANNER, at + 1, end)
    return ""
