# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""finit_module(2) and delete_module(2) through libc's syscall(), because Python has neither.

Numbers: include/uapi/asm-generic/unistd.h and the syscall tables below arch/.
"""

import ctypes
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# uname -m: (finit_module, delete_module, keyctl)
NUMBERS = {
    "x86_64": (313, 176, 250),
    "aarch64": (273, 106, 219),
    "riscv64": (273, 106, 219),
    "loongarch64": (273, 106, 219),
    "ppc64": (353, 129, 271),
    "ppc64le": (353, 129, 271),
    "s390x": (344, 129, 280),
}
KEYCTL_SEARCH = 10  # include/uapi/linux/keyctl.h


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
    if libc.syscall(ctypes.c_long(number), *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
