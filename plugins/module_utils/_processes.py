# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process a number means: numbers are used again, but no two processes of one boot share the start as well."""


def process_identity(host, process):
    """`pid` and `started` (ticks since the boot) of a process, which can be `self`; neither where none runs.

    Source: fields 1, 3 and 22 of /proc/PID/stat in proc(5).
    """
    number, _parenthesis, rest = host.read_or(f"/proc/{process}/stat", "").rpartition(")")
    fields = rest.split()
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return {}
    return {"pid": int(number.split()[0]), "started": int(fields[19])}
