# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in every shape that gzip, xz and zstd write, and damaged ones; the tools themselves say which ones are good."""

import gzip
import os
import shutil
import struct
import subprocess

IMAGE = b"\x7fELF" + os.urandom(3000) + bytes(range(256)) * 400
FIRST, SECOND = IMAGE[:5000], IMAGE[5000:]
DECOMPRESS = {"gz": ["gzip", "-dc"], "xz": ["xz", "-dc"], "zst": ["zstd", "-dcq"]}
TOO_LARGE = {"xz of a large dictionary", "zst of 256 MiB", "zst of 2 GiB"}


def _by(*command):
    """A function that compresses bytes with a command."""
    return lambda data=IMAGE: subprocess.run(
        command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def _skippable(number, content):
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


GZ, XZ, ZST = _by("gzip", "-nc"), _by("xz", "-c"), _by("zstd", "-qc")
NAMED = b"\x1f\x8b\x08\x1c\0\0\0\0\0\xff" + struct.pack("<H", 4) + b"more" + b"fix.ko\0" + b"a comment\0"
# name: a function that makes the file; the first word of the name is the tool
SHAPES = {
    "gz": GZ, "gz with names": lambda: NAMED + GZ()[10:], "gz rsyncable": _by("gzip", "-nc", "--rsyncable"),
    "gz stored": lambda: gzip.compress(IMAGE, 0), "gz of an empty member": lambda: gzip.compress(b"") + GZ(),
    "gz with 3 zeros": lambda: GZ() + bytes(3), "gz with 511 zeros": lambda: GZ() + bytes(511),
    "gz with zeros between": lambda: gzip.compress(FIRST) + bytes(7) + gzip.compress(SECOND),
    "gz cut in its header": lambda: GZ()[:5], "gz cut in its checksum": lambda: GZ()[:-1],
    "gz with a wrong checksum": lambda: GZ()[:-8] + bytes(4) + GZ()[-4:],
    "gz with a cut second member": lambda: GZ(FIRST) + GZ(SECOND)[:-9],
    "xz without a check": _by("xz", "-c", "--check=none"), "xz of the kernel": _by(
        "xz", "-c", "--check=crc32", "--x86", "--lzma2=dict=1MiB"),
    "xz with sha256": _by("xz", "-c", "--check=sha256"), "xz at its best": _by("xz", "-9ec"),
    "xz of blocks": _by("xz", "-c", "--block-size=4KiB"), "xz of threads": _by("xz", "-c", "-T2"),
    "xz with 4 zeros": lambda: XZ() + bytes(4), "xz with 2 zeros": lambda: XZ() + bytes(2),
    "xz with 4096 zeros": lambda: XZ() + bytes(4096),
    "xz with zeros between": lambda: XZ(FIRST) + bytes(8) + XZ(SECOND), "xz of an empty stream": lambda: XZ(b"") + XZ(),
    "xz lzma": _by("xz", "-c", "--format=lzma"), "xz lzma cut": lambda: _by("xz", "-c", "--format=lzma")()[:-9],
    "xz lzma with zeros": lambda: _by("xz", "-c", "--format=lzma")() + bytes(4),
    "xz with a cut footer": lambda: XZ()[:-1], "xz with a cut second stream": lambda: XZ(FIRST) + XZ(SECOND)[:-20],
    "xz of a large dictionary": _by("xz", "-c", "--lzma2=dict=300MiB"),
    "zst": ZST, "zst without a checksum": _by("zstd", "-qc", "--no-check"),
    "zst without a size": _by("zstd", "-qc", "--no-content-size"),
    "zst at its best": _by("zstd", "-qc", "--ultra", "-22"),
    "zst of threads": _by("zstd", "-qc", "-T2", "-B1"), "zst of 128 MiB": _by("zstd", "-qc", "--long=27"),
    "zst of 256 MiB": _by("zstd", "-qc", "--long=28"), "zst of 2 GiB": _by("zstd", "-qc", "--long=31"),
    "zst of frames": lambda: ZST(FIRST) + ZST(SECOND), "zst of an empty frame": lambda: ZST(b"") + ZST(),
    "zst skippable first": lambda: _skippable(0, b"pzstd") + ZST(),
    "zst skippable empty": lambda: _skippable(15, b"") + ZST(),
    "zst skippable large": lambda: _skippable(7, bytes(200000)) + ZST(),
    "zst skippable everywhere": lambda: _skippable(1, b"a") + ZST(FIRST) + _skippable(2, b"b") + ZST(SECOND) + (
        _skippable(3, b"c")),
    "zst skippable cut": lambda: ZST() + _skippable(4, b"four")[:-1],
    "zst with zeros": lambda: ZST() + bytes(4), "zst cut": lambda: ZST()[:-2],
    "zst cut in its header": lambda: ZST()[:5],
    "zst with a cut second frame": lambda: ZST(FIRST) + ZST(SECOND)[:-5],
    "zst with a wrong checksum": lambda: ZST()[:-1] + bytes([ZST()[-1] ^ 1]),
}


def tool_of(shape):
    """The path of the tool for a shape, or None if it is not installed."""
    return shutil.which(DECOMPRESS[shape.split()[0]][0])


def read_by_tool(shape, content):
    """What the tool makes of a file, or None if it refuses the file."""
    done = subprocess.Popen(
        DECOMPRESS[shape.split()[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    plain = done.communicate(content)[0]
    return None if done.returncode else plain


def expected(shape, content):
    """(the plain bytes or None, the code or None) for a file; beyond our limits it is too large for us."""
    if shape in TOO_LARGE:
        return None, "too-large"
    plain = read_by_tool(shape, content)
    return plain, "corrupt-compression" if plain is None else None
