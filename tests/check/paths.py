# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the checkout, the work cache outside it, one directory for each run in that, short-lived files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "tests" / "check" / "requirements"
KEPT_RUNS = 10
# A file system in memory, and the bytes that must be free in it.
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 4 << 30


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


@contextmanager
def short_lived() -> Iterator[dict[str, str]]:
    """Yield environment variables for tests that make, sync and remove 100,000 small files: in memory, where it can be.

    Without such a file system, or where it is small or runs no programs, there are none.
    """
    try:
        status = os.statvfs(MEMORY)
        usable = status.f_bavail * status.f_frsize >= MEMORY_NEEDED and not status.f_flag & os.ST_NOEXEC
    except OSError:
        usable = False
    if not usable:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-", dir=MEMORY) as place:
        yield {"TMPDIR": place}
