# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seals files that this collection writes: the second line is a comment with the digest of the other lines.

So a cut or changed file is recognised, also by another version of the collection. It is no protection against root.
"""

import hashlib

PREFIX = b"# sha256: "


def seal(head, rest):
    """The bytes of a file with its first line `head` (with its newline), the digest, and the `rest`."""
    return head + PREFIX + hashlib.sha256(head + rest).hexdigest().encode("ascii") + b"\n" + rest


def is_sealed(content):
    """Whether a file has exactly the bytes that were sealed."""
    head, newline, others = content.partition(b"\n")
    line, _newline, rest = others.partition(b"\n")
    return line.startswith(PREFIX) and seal(head + newline, rest) == content
