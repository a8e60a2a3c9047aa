# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about itself without a question."""

import sys
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

WARNING = 4  # a level of the kernel's log; syslog(2)
MOST_CHARACTERS = 900  # of a line for the kernel's log, which refuses a longer one (LOG_LINE_MAX in printk.c)


def announce(host, message):
    """Write a message to the kernel's log and to standard error, which is the journal of systemd; ignores errors."""
    with suppress(OSError):
        host.write("/dev/kmsg", f"<{WARNING}>kernel-livepatch: {truncate(message, MOST_CHARACTERS)}\n")
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{message}\n")
