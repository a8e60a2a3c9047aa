# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a guest: attaches a BPF program that does nothing to a kernel function's entry, until it is killed.

The numbers are those of the kernel's include/uapi/linux/bpf.h and btf.h.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys

SYS_BPF = 321
PROG_LOAD, RAW_TRACEPOINT_OPEN = 5, 17
PROG_TYPE_TRACING, TRACE_FENTRY = 26, 24
RETURN_0 = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
KIND_FUNC = 12
# What follows the 12 bytes of a type, by its kind: bytes, and bytes for each of its members.
TAILS = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
         19: (0, 12)}


def function_id(types: bytes, wanted: str) -> int:
    """Return the number of a function's type in the kernel's BTF."""
    header, types_at, _size, strings_at, strings_size = struct.unpack_from("<4xIIIII", types)
    strings = types[header + strings_at:][:strings_size]
    name_at = strings.index(b"\0" + wanted.encode() + b"\0") + 1
    position, number = header + types_at, 1
    while position < header + strings_at:
        name, info, _size = struct.unpack_from("<III", types, position)
        kind = info >> 24 & 0x1F
        if kind == KIND_FUNC and name == name_at:
            return number
        tail, member = TAILS.get(kind, (0, 0))
        position += 12 + tail + member * (info & 0xFFFF)
        number += 1
    raise LookupError(wanted)


def bpf(command: int, attributes: bytes) -> int:
    """Call bpf(2) and return a descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(SYS_BPF, command, ctypes.c_char_p(attributes), len(attributes))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return descriptor


def main() -> None:
    with open("/sys/kernel/btf/vmlinux", "rb") as stream:
        function = function_id(stream.read(), sys.argv[1])
    program, licence = ctypes.create_string_buffer(RETURN_0), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "<IIQQ44xI36xI4x", PROG_TYPE_TRACING, len(RETURN_0) // 8, ctypes.addressof(program), ctypes.addressof(licence),
        TRACE_FENTRY, function)
    bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QI4x", 0, bpf(PROG_LOAD, attributes)))
    signal.pause()


if __name__ == "__main__":
    main()
