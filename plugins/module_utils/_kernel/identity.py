# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifies the running kernel: release, build, boot, taints and policy."""

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import (
    lockdown,
    modules_disabled,
    signatures_enforced,
)

# Bit: letter and meaning (Documentation/admin-guide/tainted-kernels.rst).
TAINTS = (
    ("P", "proprietary module"), ("F", "module was force loaded"), ("S", "system out of specification"),
    ("R", "module was force unloaded"), ("M", "machine check exception"), ("B", "bad page"),
    ("U", "tainted by user space"), ("D", "kernel has died"), ("A", "ACPI table overridden"), ("W", "kernel warning"),
    ("C", "staging driver"), ("I", "firmware workaround"), ("O", "out-of-tree module"), ("E", "unsigned module"),
    ("L", "soft lockup"), ("K", "live patched"), ("X", "auxiliary, distribution defined"),
    ("T", "randomized structures"), ("N", "in-kernel test"), ("J", "user space mutated a debug interface"),
)
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def running_kernel(host):
    """The facts about the running kernel; None for a fact that it does not show.

    Shape: `release`, `arch`, `version`, `build_id`, `boot_id`, `taints` (a list of `letter` and `meaning`), `lockdown`
    (`none`, `integrity` or `confidentiality`), `signatures` (`enforced`, a boolean), `modules_disabled`.
    """
    return {
        "release": host.release(),
        "arch": host.machine(),
        "version": host.read_or("/proc/sys/kernel/version"),
        "build_id": notes.kernel_build_id(host),
        "boot_id": host.read_or(BOOT_ID),
        "taints": taints(host),
        "lockdown": lockdown(host),
        "signatures": {"enforced": signatures_enforced(host)},
        "modules_disabled": modules_disabled(host),
    }


def taint_mask(host):
    """The kernel's taints as a number."""
    return int(host.read_or("/proc/sys/kernel/tainted") or 0)


def taints(host):
    """The kernel's taints, decoded."""
    return decoded_taints(taint_mask(host))


def decoded_taints(mask):
    """A list of `letter` and `meaning`; bits without a name are called by their number."""
    found = []
    for bit in range(mask.bit_length()):
        if mask >> bit & 1:
            letter, meaning = TAINTS[bit] if bit < len(TAINTS) else ("?", f"bit {bit}")
            found.append({"letter": letter, "meaning": meaning})
    return found
