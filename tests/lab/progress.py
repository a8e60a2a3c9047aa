# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines with the seconds since the start, on standard error."""

from __future__ import annotations

import sys
import time


class Progress:
    """Called with a text, prints it with the elapsed seconds."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        elapsed = time.monotonic() - self._start
        # One write per line, since threads report at the same time.
        sys.stderr.write(f"[{elapsed:6.1f} s] {text}\n")
        sys.stderr.flush()
