# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running kernel: who it is, and what it lets in."""

import errno
import re

from ansible_collections.kernel.livepatch.plugins.module_utils import _notes

CAP_SYS_MODULE = 16
EVERY_USER = ["0", "0", "4294967295"]

# Bit: letter and meaning (Documentation/admin-guide/tainted-kernels.rst).
TAINTS = (
    ("P", "proprietary module"), ("F", "module was force loaded"), ("S", "system out of specification"),
    ("R", "module was force unloaded"), ("M", "machine check exception"), ("B", "bad page"),
    ("U", "tainted by user space"), ("D", "kernel has died"), ("A", "ACPI table overridden"), ("W", "kernel warning"),
    ("C", "staging driver"), ("I", "firmware workaround"), ("O", "out-of-tree module"), ("E", "unsigned module"),
    ("L", "soft lockup"), ("K", "live patched"), ("X", "auxiliary, distribution defined"),
    ("T", "randomized structures"), ("N", "in-kernel test"), ("J", "user space mutated a debug interface"),
)


def running_kernel(host):
    """The facts about the running kernel; None for what it does not tell.

    Shape: `release`, `arch`, `version`, `build_id`, `boot_id`, `taints` (a list of `letter` and `meaning`), `lockdown`
    (`none`, `integrity` or `confidentiality`), `signatures` (`enforced`, a boolean), `modules_disabled`.
    """
    return {
        "release": host.release(),
        "arch": host.machine(),
        "version": host.read_or("/proc/sys/kernel/version"),
        "build_id": kernel_build_id(host),
        "boot_id": host.read_or("/proc/sys/kernel/random/boot_id"),
        "taints": taints(host),
        "lockdown": lockdown(host),
        "signatures": {"enforced": signatures_enforced(host)},
        "modules_disabled": modules_disabled(host),
    }


def kernel_build_id(host):
    """The running kernel's build-id as hex, or None."""
    try:
        return _notes.build_id(host.read_bytes("/sys/kernel/notes"))
    except OSError:
        return None


def taint_mask(host):
    """The kernel's taints as the number that it shows."""
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


def lockdown(host):
    """`none`, `integrity` or `confidentiality`; None where the kernel does not tell."""
    match = re.search(r"\[(\w+)\]", host.read_or("/sys/kernel/security/lockdown", ""))
    return match.group(1) if match else None


def signatures_enforced(host):
    """Whether unsigned modules are refused; None where the kernel does not tell."""
    return _flag(host.read_or("/sys/module/module/parameters/sig_enforce"))


def demanded_by(host):
    """What makes the kernel take signed modules only: `module.sig_enforce`, which it looks at first, or
    `lockdown=LEVEL`; None where nothing does.

    Source: module_sig_check() in kernel/module/signing.c.
    """
    if signatures_enforced(host):
        return "module.sig_enforce"
    level = lockdown(host)
    return f"lockdown={level}" if level in ("integrity", "confidentiality") else None


def modules_disabled(host):
    return host.read_or("/proc/sys/kernel/modules_disabled") == "1"


def blacklisted_modules(host):
    """The module names that the kernel command line's module_blacklist holds, as the kernel compares them.

    Source: blacklisted() in kernel/module/main.c. The parameter's own file tells what the kernel made of its command
    line, `(null)` when there was none of it.
    """
    return [name for name in host.read_or("/sys/module/kernel/parameters/module_blacklist", "").split(",") if name]


def ftrace_switch(host):
    """`on`, `off`, or `dead` when ftrace has shut itself down; None where the kernel has no such switch.

    Source: ftrace_enable_sysctl() in kernel/trace/ftrace.c, which fails with ENODEV once ftrace is dead.
    """
    try:
        return "off" if host.read("/proc/sys/kernel/ftrace_enabled") == "0" else "on"
    except OSError as error:
        return "dead" if error.errno == errno.ENODEV else None


def may_load_modules(host):
    """Whether this process has CAP_SYS_MODULE (Documentation/filesystems/proc.rst, CapEff), and not only inside a user
    namespace of its own, which has all capabilities and may do nothing with this one (user_namespaces(7))."""
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", host.read_or("/proc/self/status", ""), re.MULTILINE)
    capable = bool(match and int(match.group(1), 16) >> CAP_SYS_MODULE & 1)
    users = host.read_or("/proc/self/uid_map")  # None: a kernel without user namespaces
    return capable and (users is None or users.split() == EVERY_USER)


def _flag(text):
    return None if text is None else text == "Y"
