# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ftrace view: which functions are hooked, and by what kind of user (kernel/trace/ftrace.c, t_show)."""

import re

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

LINE = re.compile(r"^(?P<name>\S+)(?: \[(?P<module>[^\]]+)\])? \((?P<users>\d+)\)(?P<flags>[ RIDOM]*)")


def hooked_functions(host):
    """{(object, function): [flags, ...]} for every hooked function, or None where the kernel does not let us look.

    A name can stand for several functions of one object, hence the list; flag I is a live patch (IPMODIFY).
    """
    for base in TRACEFS:
        text = host.read_or(f"{base}/enabled_functions")
        if text is not None:
            return _parse(text)
    return None


def _parse(text):
    hooked = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            key = (match.group("module") or "vmlinux", match.group("name"))
            hooked.setdefault(key, []).append(match.group("flags").replace(" ", ""))
    return hooked
