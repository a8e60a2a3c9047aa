# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the checkout at .../ansible_collections/kernel/livepatch: ansible-test works nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from check.errors import CheckError
from check.paths import CHECKOUT


@contextmanager
def collection_tree() -> Iterator[Path]:
    """Yield the collection inside a temporary tree: what git tracks, and what is new and not ignored.

    `parents[2]` of it is the directory for ANSIBLE_COLLECTIONS_PATH and PYTHONPATH.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-") as root:
        collection = Path(root, "ansible_collections", "kernel", "livepatch")
        for name in _files():
            source, target = CHECKOUT / name, collection / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        yield collection


def _files() -> list[str]:
    # The checkout may belong to another user than the one that runs the checks.
    git = ["git", "-c", f"safe.directory={CHECKOUT}", "-C", str(CHECKOUT)]
    command = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise CheckError(f"git cannot list the files of {CHECKOUT} ({answer.stderr.strip()}); run from a git clone.")
    return [name for name in answer.stdout.split("\0") if name]
