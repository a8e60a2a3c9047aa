# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for a condition: polls often at first, then less often."""

import time

FIRST_PAUSE = 0.001
SHORT_PAUSE = 0.025  # the longest one at first, when most transitions end
SHORT_SECONDS = 10
LONGEST_PAUSE = 0.1
GROWTH = 1.5


def poll_until(host, condition, seconds):
    """Poll `condition` until it returns a true value or `seconds` are over; returns its last value."""
    begin = host.now()
    end = begin + seconds
    pause = FIRST_PAUSE
    while True:
        result = condition()
        left = end - host.now()
        if result or left <= 0:
            return result
        host.sleep(min(pause, left))
        pause = min(pause * GROWTH, SHORT_PAUSE if host.now() < begin + SHORT_SECONDS else LONGEST_PAUSE)


def utc_timestamp(seconds):
    """Seconds since 1970 as UTC to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
