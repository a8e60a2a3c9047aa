# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is like before a change, to compare it with later."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID, taint_mask
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import kernel_records


def baseline(host):
    """Shape: `boot_id`, `taints` (the number that /proc/sys/kernel/tainted shows), `uptime` (seconds, on a clock that
    stands still while a machine is suspended, as that of the kernel log does) and `kernel_log` (the number of the last
    record); None for what cannot be read.

    The log's clock and every other drift apart over weeks, by minutes, so the record's number says where it was.
    """
    records = kernel_records(host)
    return {
        "boot_id": host.read_or(BOOT_ID), "taints": taint_mask(host), "uptime": round(host.now(), 3),
        "kernel_log": records[-1].number if records else None,
    }
