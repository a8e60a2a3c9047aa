# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the condition of a host before a change, for a later comparison."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID, taint_mask
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import kernel_records


def baseline(host):
    """Shape: `boot_id`, `taints` (the number in /proc/sys/kernel/tainted), `uptime` (seconds, on a clock that stops
    during a suspend, like that of the kernel log) and `kernel_log` (the number of the last record); None for an
    unreadable value.

    The log's clock and other clocks drift apart by minutes over weeks. Therefore the record's number marks the place.
    """
    records = kernel_records(host)
    return {
        "boot_id": host.read_or(BOOT_ID), "taints": taint_mask(host), "uptime": round(host.now(), 3),
        "kernel_log": records[-1].number if records else None,
    }
