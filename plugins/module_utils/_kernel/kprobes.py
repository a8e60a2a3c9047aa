# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the kprobes in the kernel's code (kernel/kprobes.c: report_probe)."""

import re

DEBUGFS = "/sys/kernel/debug"
# ADDRESS  k|r  SYMBOL+0xOFFSET  [MODULE] [GONE][DISABLED][OPTIMIZED][FTRACE]; the word MODULE has no brackets.
LINE = re.compile(
    r"^\S+\s+(?P<type>[kr])\s+(?P<symbol>[^\s+]+)\+0x(?P<offset>[0-9a-f]+)(?:\s+(?P<module>[^\s\[]+))?\s*"
    r"(?P<flags>[\[\]A-Z]*)")


def placed_kprobes(host):
    """Every armed kprobe, or None if the kernel does not show them.

    Shape: `object`, `function`, `offset` (bytes), `returns` (it probes the return), `ftrace` (ftrace calls it, also
    after the function is replaced).
    """
    text = host.read_or(f"{DEBUGFS}/kprobes/list")
    if text is None:
        return [] if host.exists(f"{DEBUGFS}/tracing") and not host.exists(f"{DEBUGFS}/kprobes") else None
    matches = [match for match in map(LINE.match, text.splitlines()) if match]
    return [_kprobe(match) for match in matches if not {"GONE", "DISABLED"}.intersection(_flags(match))]


def _flags(match):
    return re.findall("[A-Z]+", match.group("flags"))


def _kprobe(match):
    return {
        "object": match.group("module") or "vmlinux",
        "function": match.group("symbol"),
        "offset": int(match.group("offset"), 16),
        "returns": match.group("type") == "r",
        "ftrace": "FTRACE" in _flags(match),
    }
