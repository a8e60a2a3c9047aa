# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the image of a kernel that is installed: its release and its ELF notes, without loading all of it."""

import struct

# Documentation/arch/x86/boot.rst: the fields of the setup header, of protocol 2.08 and later.
SETUP_SECTORS, MAGIC, PROTOCOL, VERSION, PAYLOAD = 0x1F1, 0x202, 0x206, 0x20E, 0x248
SECTOR = 512
LONGEST_VERSION = 256
HEAD = 0x1000
PT_NOTE = 4
LARGEST_NOTES = 1 << 20
MOST_HEADERS = 64


def release_of_image(host, path):
    """The release in the header of a kernel's image for x86, None for any other file. Raises OSError."""
    with open(host.path(path), "rb", buffering=0) as stream:
        head = stream.read(HEAD)
        if not _has_setup_header(head):
            return None
        stream.seek(struct.unpack_from("<H", head, VERSION)[0] + SECTOR)
        words = stream.read(LONGEST_VERSION).split(b"\0")[0].decode("ascii", "replace").split(" ")
    return words[0] or None


def _has_setup_header(head):
    return head[MAGIC:MAGIC + 4] == b"HdrS" and struct.unpack_from("<H", head, PROTOCOL)[0] >= 0x208


class _Section:
    """A part of an opened file as a file of its own, for the readers of compressed files."""

    def __init__(self, stream, start, size):
        self._stream, self._start, self._size = stream, start, size
        self._at = 0

    def fileno(self):
        raise OSError("a part of a file has no descriptor of its own")

    def seek(self, offset):
        self._at = offset

    def read(self, size=-1):
        left = self._size - self._at
        self._stream.seek(self._start + self._at)
        content = self._stream.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content


def notes_of(host, path):
    """The bytes of the ELF notes of a kernel's image, compressed or not; raises OSError without any."""
    # Only a few requests need it: a host compiles each file of a module anew in each task.
    from ansible_collections.kernel.livepatch.plugins.module_utils._elf.compression import uncompressed

    with open(host.path(path), "rb", buffering=0) as stream:
        head = stream.read(HEAD)
        size = stream.seek(0, 2)
        start = 0
        if _has_setup_header(head):
            offset, size = struct.unpack_from("<II", head, PAYLOAD)
            start = ((head[SETUP_SECTORS] or 4) + 1) * SECTOR + offset
        return _notes_in(uncompressed(_Section(stream, start, size)))


def _notes_in(pieces):
    """The first PT_NOTE segment of a 64-bit ELF file that comes in pieces; keeps no more of it than needed. elf(5)."""
    known, start, wanted = b"", 0, None
    for piece in pieces:
        known += piece
        if wanted is None and len(known) >= HEAD:
            if known[:5] != b"\x7fELF\2":
                break
            wanted = _note_segment(known)
        if wanted is None:
            continue
        offset, size = wanted
        if start + len(known) >= offset + size:
            return known[offset - start:offset - start + size]
        if start + len(known) <= offset:
            start, known = start + len(known), b""
    raise FileNotFoundError(2, "no ELF notes")


def _note_segment(head):
    """The offset and the size of the segment, from the first bytes of the file; raises struct.error."""
    order = "<" if head[5] == 1 else ">"
    first, size, count = struct.unpack_from(order + "Q14xHH", head, 32)
    for number in range(min(count, MOST_HEADERS)):
        kind, _flags, offset, _address, _physical, length = struct.unpack_from(
            order + "IIQQQQ", head, first + number * size)
        if kind == PT_NOTE and length <= LARGEST_NOTES:
            return offset, length
    raise struct.error("no notes")
