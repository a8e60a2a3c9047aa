# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Notes about unreachable hosts in the user's tasks around a change.

Ansible keeps no trace of an ignored unreachable result that a later task could read. So the callback of the collection
notes it in Ansible's private directory of the run, one file for a host, and the steps of the rollout read it there.
"""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = "kernel-livepatch-unreachable"
# The variable of an include of hook files. Its value does not matter.
HOOK = "__livepatch_hook"
EVERY_HOST = ""  # in the place of a host, for a task with run_once
NO_REASON = "no reason given"


def start_listening(directory: Path) -> None:
    """Say that the callback runs; `directory` is Ansible's private directory of the run."""
    (directory / DIRECTORY).mkdir(mode=0o700, exist_ok=True)


def is_listening(directory: Path) -> bool:
    return (directory / DIRECTORY).is_dir()


def notes_path(directory: Path) -> str:
    """Where the notes are. The role looks there for a file with the SHA-256 digest of a host's name."""
    return str(directory / DIRECTORY)


def note(directory: Path, host: str, message: str) -> None:
    _file(directory, host).write_text(message or NO_REASON, encoding="utf-8", errors="replace")


def noted(directory: Path, host: str) -> str | None:
    """Why the host was unreachable in the hook that has ended; None if it was not."""
    for name in (host, EVERY_HOST):
        try:
            return _file(directory, name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            pass
    return None


def forget(directory: Path) -> None:
    """Remove the notes about an earlier hook."""
    for file in (directory / DIRECTORY).glob("*"):
        file.unlink()


def _file(directory: Path, host: str) -> Path:
    # A digest, because the name of a host can have any characters.
    return directory / DIRECTORY / hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()


def unreachable_in(result: Mapping[str, t.Any]) -> Mapping[str, t.Any] | None:
    """The part of a task's result with an unreachable host, also in one turn of a loop; None without one."""
    if result.get("unreachable") and "results" not in result:
        return result
    turns = result.get("results")
    for turn in turns if isinstance(turns, (list, tuple)) else ():
        if isinstance(turn, Mapping) and turn.get("unreachable"):
            return turn
    return result if result.get("unreachable") else None


def is_in_hook(task: t.Any) -> bool:
    return HOOK in task.get_vars()


def is_tolerated(task: t.Any) -> bool:
    """Whether the user's file itself has ignore_unreachable for the task, or for a block or an include around it."""
    node = task
    while node is not None and HOOK not in (getattr(node._parent, "vars", None) or {}):
        if getattr(_as_written(node), "_ignore_unreachable", None) is True:
            return True
        node = node._parent
    return False


def _as_written(node: t.Any) -> t.Any:
    """A block, or a task without the values that Ansible has copied to it from its blocks; None if it is not found."""
    places = [getattr(node._parent, name, None) or [] for name in ("block", "rescue", "always")]
    # Only tasks have an action.
    unchanged = None if hasattr(node, "action") else node
    return next((one for place in places for one in place if one._uuid == node._uuid), unchanged)
