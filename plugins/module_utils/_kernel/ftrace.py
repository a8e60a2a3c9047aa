# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from ftrace the functions that can be hooked, the hooked ones, and their users (kernel/trace/ftrace.c, t_show).
"""

import re

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

LINE = re.compile(r"^(?P<name>\S+)(?: \[(?P<module>[^\]]+)\])? \((?P<users>\d+)\)(?P<flags>[ RIDOM]*)")


def hooked_functions(host):
    """{(object, function): [flags, ...]} for every hooked function, or None if the kernel does not show them.

    Several functions of one object can have one name, hence the list. Flag I is a live patch or a kprobe with a
    post_handler (IPMODIFY), D a BPF program or another direct caller, R any user that reads the registers.
    """
    for base in TRACEFS:
        text = host.read_or(f"{base}/enabled_functions")
        if text is not None:
            return _parse(text)
    return None


def live_patched(symbols, hooked, functions, flag="I"):
    """{function: whether a live patch redirects it} of `functions`, each (object, name); None for unknown.

    `symbols` are KernelSymbols, `hooked` is the result of `hooked_functions`; of several symbols at one address, it
    names only the first. `flag` is the flag of a live-patched function there.
    """
    missing = {function for function in functions if not _has_flag(hooked, flag, *function)}
    others = symbols.names(missing)
    patched = dict.fromkeys(functions, True)
    for entry, name in missing:
        names = others[entry, name]
        patched[entry, name] = None if names is None else any(_has_flag(hooked, flag, entry, one) for one in names)
    return patched


def _has_flag(hooked, flag, entry, name):
    return any(flag in flags for flags in hooked.get((entry, name), ()))


def traceable_functions(host, functions):
    """Those of `functions`, a set of (object, name), that ftrace can redirect, or None if it does not show its list.

    Of several symbols at one address, the kernel lists only the first. Reading ends when all of them are found.
    """
    if not functions:
        return set()
    lines = {_line(*function): function for function in functions}
    for base in TRACEFS:
        try:
            return {lines[line] for line in _found(host, f"{base}/available_filter_functions", set(lines))}
        except OSError:
            continue  # not mounted, locked down, or ftrace is dead
    return None


def _line(entry, name):
    return (name if entry == "vmlinux" else f"{name} [{entry}]").encode() + b"\n"


def _found(host, path, wanted):
    found = set()
    for lines in host.line_blocks(path):
        found |= wanted.intersection(lines)
        if len(found) == len(wanted):
            break
    return found


def _parse(text):
    hooked = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            key = (match.group("module") or "vmlinux", match.group("name"))
            hooked.setdefault(key, []).append(match.group("flags").replace(" ", ""))
    return hooked
