# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the policy of the running kernel: module loading, signatures, lockdown, the boot switch."""

import errno
import re

SWITCH = "kernel_livepatch=off"  # on the kernel command line: nothing is loaded at boot
CAP_SYS_MODULE = 16
EVERY_USER = ["0", "0", "4294967295"]
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO in include/linux/proc_ns.h, since Linux 3.8


def switched_off(host):
    """Whether the kernel command line disables live patches in this boot."""
    return SWITCH in host.read_or("/proc/cmdline", "").split()


def lockdown(host):
    """`none`, `integrity` or `confidentiality`; None if the kernel does not show it."""
    match = re.search(r"\[(\w+)\]", host.read_or("/sys/kernel/security/lockdown", ""))
    return match.group(1) if match else None


def signatures_enforced(host):
    """Whether unsigned modules are refused; None if the kernel does not show it."""
    return _flag(host.read_or("/sys/module/module/parameters/sig_enforce"))


def signature_policy(host):
    """The policy that makes the kernel accept only signed modules: `module.sig_enforce`, checked first, or
    `lockdown=LEVEL`; None without one.

    Source: module_sig_check() in kernel/module/signing.c.
    """
    if signatures_enforced(host):
        return "module.sig_enforce"
    level = lockdown(host)
    return f"lockdown={level}" if level in ("integrity", "confidentiality") else None


def modules_disabled(host):
    return host.read_or("/proc/sys/kernel/modules_disabled") == "1"


def blacklisted_modules(host):
    """The module names in the kernel command line's module_blacklist, as the kernel compares them.

    Source: blacklisted() in kernel/module/main.c. The parameter's own file shows the value that the kernel uses,
    `(null)` without one.
    """
    return [name for name in host.read_or("/sys/module/kernel/parameters/module_blacklist", "").split(",") if name]


def ftrace_switch(host):
    """`on`, `off`, or `dead` if ftrace has shut itself down; None if the kernel has no such switch.

    Source: ftrace_enable_sysctl() in kernel/trace/ftrace.c; it fails with ENODEV once ftrace is dead.
    """
    try:
        return "off" if host.read("/proc/sys/kernel/ftrace_enabled") == "0" else "on"
    except OSError as error:
        return "dead" if error.errno == errno.ENODEV else None


def in_container(host):
    """Whether this process is in a PID namespace of its own (pid_namespaces(7)), as those of a container are.

    It then sees few tasks of the kernel, and its service manager does not boot this host.
    """
    try:
        return host.link_target("/proc/self/ns/pid") != FIRST_PID_NAMESPACE
    except OSError:  # a kernel without such namespaces
        return False


def may_load_modules(host):
    """Whether this process has CAP_SYS_MODULE (Documentation/filesystems/proc.rst, CapEff) outside user namespaces.
    Inside one it has no effect (user_namespaces(7))."""
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", host.read_or("/proc/self/status", ""), re.MULTILINE)
    capable = bool(match and int(match.group(1), 16) >> CAP_SYS_MODULE & 1)
    users = host.read_or("/proc/self/uid_map")  # None: a kernel without user namespaces
    return capable and (users is None or users.split() == EVERY_USER)


def _flag(text):
    return None if text is None else text == "Y"
