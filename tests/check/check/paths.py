# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the checkout, and the work cache outside it."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
REQUIREMENTS = CHECKOUT / "tests" / "check" / "requirements"


def cache_dir() -> Path:
    """Return the project's work cache, made private to its owner."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "kernel-livepatch")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
