# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the checkout, the work cache outside it, and in that one directory for each run."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "tests" / "check" / "requirements"
KEPT_RUNS = 10


def cache_dir() -> Path:
    """Return the project's work cache, made private to its owner."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "kernel-livepatch")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(made: Path, place: Path) -> None:
    """Move a directory to its place in the cache; another run may have been faster."""
    try:
        os.replace(made, place)
    except OSError:
        if not place.is_dir():
            raise


def new_run() -> Path:
    """Return a new directory, `<cache>/runs/<time>`, with a directory `reports` in it; the oldest are removed."""
    runs = cache_dir() / "runs"
    runs.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs))
    (directory / "reports").mkdir()
    for old in sorted(runs.iterdir())[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    return directory
