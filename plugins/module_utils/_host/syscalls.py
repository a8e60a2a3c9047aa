# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python does not have, through libc's syscall().

Numbers: include/uapi/asm-generic/unistd.h and the syscall tables below arch/.
"""

import ctypes
import os
import struct
import sys

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# uname -m: (finit_module, delete_module, keyctl, perf_event_open)
NUMBERS = {
    "x86_64": (313, 176, 250, 298),
    "aarch64": (273, 106, 219, 241),
    "riscv64": (273, 106, 219, 241),
    "loongarch64": (273, 106, 219, 241),
    "ppc64": (353, 129, 271, 319),
    "ppc64le": (353, 129, 271, 319),
    "s390x": (344, 129, 280, 331),
}
KEYCTL_SEARCH = 10  # include/uapi/linux/keyctl.h
# include/uapi/linux/perf_event.h
PERF_TYPE_TRACEPOINT, PERF_ATTR_SIZE_VER0, PERF_FLAG_FD_CLOEXEC = 2, 64, 8
PERF_DISABLED = 1 if sys.byteorder == "little" else 1 << 63  # the first bit of a bit field


def finit_module(descriptor, parameters):
    """Insert the module behind `descriptor`; `parameters` is one line of text. Raises OSError."""
    number = _numbers()[0]
    # No flags: IGNORE_VERMAGIC and IGNORE_MODVERSIONS are forced loading.
    _call(number, ctypes.c_int(descriptor), ctypes.c_char_p(parameters.encode("utf-8")), ctypes.c_int(0))


def delete_module(name):
    """Remove a module; O_NONBLOCK and never O_TRUNC, because that removes code in use. Raises OSError."""
    number = _numbers()[1]
    _call(number, ctypes.c_char_p(name.encode("utf-8")), ctypes.c_uint(os.O_NONBLOCK))


def search_key(keyring, description):
    """Search a keyring, given by its serial number, for an asymmetric key, and link it nowhere. Raises OSError."""
    number = _numbers()[2]
    _call(
        number, ctypes.c_int(KEYCTL_SEARCH), ctypes.c_int32(keyring), ctypes.c_char_p(b"asymmetric"),
        ctypes.c_char_p(description.encode("ascii")), ctypes.c_int(0))


def hold_trace_event(number):
    """Open an event of tracefs, by its number there, as a disabled perf event; returns the descriptor. Raises OSError.

    The kernel keeps the event armed until the descriptor is closed, and records nothing of it.
    """
    attributes = struct.pack(
        "=IIQQQQQIIQ", PERF_TYPE_TRACEPOINT, PERF_ATTR_SIZE_VER0, number, 0, 0, 0, PERF_DISABLED, 0, 0, 0)
    own_process, any_cpu, no_group = ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(-1)
    return _call(
        _numbers()[3], ctypes.create_string_buffer(attributes, len(attributes)), own_process, any_cpu, no_group,
        ctypes.c_ulong(PERF_FLAG_FD_CLOEXEC))


def _numbers():
    # A 32-bit Python on a 64-bit kernel would call another table's numbers.
    if ctypes.sizeof(ctypes.c_void_p) != 8 or os.uname().machine not in NUMBERS:
        raise LivepatchError(
            "architecture-unsupported",
            f"This Python cannot load kernel modules on {os.uname().machine}. "
            f"Use a 64-bit Python on one of {', '.join(sorted(NUMBERS))}.",
        )
    return NUMBERS[os.uname().machine]


def _call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
