# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ELF notes as the kernel shows them."""

import struct

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import build_id


def note(name, kind, content):
    padded = [part + b"\0" * (-len(part) % 4) for part in (name, content)]
    return struct.pack("=III", len(name), len(content), kind) + b"".join(padded)


BUILD = note(b"GNU\0", 3, bytes(range(20)))
XEN = note(b"Xen\0", 3, b"linux")
OTHER_GNU = note(b"GNU\0", 5, b"\1\2\3")
ID = "000102030405060708090a0b0c0d0e0f10111213"


@pytest.mark.parametrize("notes, expected", [
    (BUILD, ID),
    (XEN + OTHER_GNU + BUILD, ID),
    (note(b"Linux\0", 257, b"x") + BUILD, ID),
    (BUILD + note(b"GNU\0", 3, b"\xff" * 20), ID),
    (note(b"GNU\0", 3, b"\xab" * 8), "abababababababab"),
    (XEN + OTHER_GNU, None),
    (b"", None),
    (BUILD[:11], None),
    (BUILD[:-1], None),
    (struct.pack("=III", 0xFFFFFFFF, 0xFFFFFFFF, 3) + b"GNU\0", None),
])
def test_the_build_id_among_notes(notes, expected):
    assert build_id(notes) == expected
