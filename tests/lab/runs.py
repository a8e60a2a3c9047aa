# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of one run of the lab, with its machines' disks and logs.

It is gone when the run ends; if the run was killed, the next one sweeps it away.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"
MACHINES = "machines.json"


class Run:
    """A new directory below `root`, of mode 0700; the lock on a file in it tells that its owner lives."""

    def __init__(self, root: Path) -> None:
        with _registry(root):
            self.directory = root / secrets.token_hex(4)
            self.directory.mkdir(mode=0o700)
            # Closed in child processes, so the lock ends with this process.
            self._lock = os.open(self.directory / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def record_machines(self, commands: dict[str, list[str]]) -> None:
        """Keep each machine's ssh command for `machine_commands`."""
        partial = self.directory / f"{MACHINES}.partial"
        partial.write_text(json.dumps(commands))
        partial.rename(self.directory / MACHINES)

    def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.directory)
        os.close(self._lock)


def sweep(root: Path) -> list[Path]:
    """Remove the directories of runs that have ended without doing so themselves, and return them."""
    with _registry(root):
        ended = [directory for directory in _directories(root) if not _has_owner(directory)]
        for directory in ended:
            shutil.rmtree(directory)
    return ended


def living(root: Path) -> list[Path]:
    """Return the directories of the runs that go on."""
    with _registry(root):
        return [directory for directory in _directories(root) if _has_owner(directory)]


def machine_commands(root: Path) -> dict[str, list[str]]:
    """Return the ssh command of each machine of the runs that go on; of two with one name, the newer run's."""
    commands: dict[str, list[str]] = {}
    for directory in sorted(living(root), key=lambda directory: directory.stat().st_ctime):
        recorded = directory / MACHINES
        if recorded.exists():
            commands.update(json.loads(recorded.read_text()))
    return commands


@contextmanager
def _registry(root: Path) -> Iterator[None]:
    """Keep other runs from looking between a directory's creation and its lock."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(root / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _directories(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir()]


def _has_owner(directory: Path) -> bool:
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
