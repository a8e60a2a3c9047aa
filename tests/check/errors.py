# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that end a run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


class CheckError(Exception):
    """A check cannot be run at all. The message is one sentence: what is missing and what to do."""


def exit_code(check: Callable[[Path, Path], None]) -> int:
    """Return 0 when `check(collection, place)` ends without CheckError, which is shown.

    The collection is the working directory, and the place a temporary one.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="kernel-livepatch-check-") as place:
            check(Path.cwd(), Path(place))
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
