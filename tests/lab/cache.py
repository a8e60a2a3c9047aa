# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expensive to make is made once and kept under a key: the digest of everything that it is made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .progress import Progress


def recipe_digest(*parts: object) -> str:
    """Return the key of a recipe, 16 hex digits: over values, and over the contents of what is given as Path."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            # The length keeps ("ab", "c") and ("a", "bc") apart.
            digest.update(b"%d:" % len(piece))
            digest.update(piece)
    return digest.hexdigest()[:16]


def _pieces(part: object) -> Iterator[bytes]:
    if not isinstance(part, Path):
        yield repr(part).encode()
    elif part.is_dir():
        for path in sorted(path for path in part.rglob("*") if path.is_file() and path.suffix != ".pyc"):
            yield path.relative_to(part).as_posix().encode()
            yield path.read_bytes()
    else:
        yield part.read_bytes()


def default_cache_directory() -> Path:
    """Return where the lab keeps its work, outside the checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "kernel-livepatch", "lab")


class Cache:
    """Directories under `root`, each complete or absent: built beside its place, then renamed into it."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self.root = root
        self._progress = progress
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)

    def entry(self, kind: str, key: str, build: Callable[[Path], None]) -> Path:
        """Return the directory KIND-KEY, made by `build(directory)` once, whoever asks at the same time."""
        place = self.root / f"{kind}-{key}"
        if place.is_dir():
            return place
        with self._locked(kind, key):
            if not place.is_dir():
                partial = self.root / f"{kind}-{key}.partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(mode=0o700)
                build(partial)
                partial.rename(place)
        return place

    def discard(self, place: Path) -> None:
        """Remove an entry, in one step for whoever looks at it; another run may have done so already."""
        rubbish = place.with_name(f"{place.name}.{os.getpid()}.rubbish")
        with suppress(FileNotFoundError):
            place.rename(rubbish)
            shutil.rmtree(rubbish)

    @contextmanager
    def _locked(self, kind: str, key: str) -> Iterator[None]:
        with open(self.root / f"{kind}-{key}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress(f"waiting until the {kind} is made")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
