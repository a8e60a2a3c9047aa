# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that do not outlive the one that started them, also when that one is killed, nor their time."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def bound(command: Sequence[object], minutes: float | None = None) -> list[str]:
    """Return the command, started so that it gets SIGTERM when this process ends, or after some minutes.

    sudo sheds the tie to this process.
    """
    limit = ["timeout", "--foreground", "--kill-after=10", f"{minutes}m"] if minutes else []
    return ["setpriv", "--pdeathsig", "TERM", "--", *limit, *map(str, command)]
