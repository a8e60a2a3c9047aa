# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Counts the hosts of a wave while they load: "120 of 500 hosts loaded, 1 failed".

Ansible runs each host in a process of its own, and none of them knows the others. So each adds one byte for its outcome
to a file in the private temporary directory of this run, and whoever shows the count reads that file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.waiting import SHOW_SECONDS, say

LOADED, FAILED, OTHER = b"+", b"-", b"."
_NOT_FOR_A_NAME = re.compile("[^0-9A-Za-z-]")


class LoadCount:
    """The count of one task over `hosts` hosts; `key` is the same for all of them and for no other task or wave.

    At most one line each SHOW_SECONDS is shown by all processes together. `tick` is a clock that they share. Where the
    files cannot be written, nothing is counted: no load fails because of that.
    """

    def __init__(
            self, directory: Path, key: str, hosts: int, show: Callable[[str], None] = say,
            tick: Callable[[], float] = time.monotonic) -> None:
        name = _NOT_FOR_A_NAME.sub("_", key)
        self._outcomes = directory / f"livepatch-loads-{name}"
        self._shown = directory / f"livepatch-loads-{name}.shown"
        self._hosts = hosts
        self._show = show
        self._tick = tick

    def record(self, outcome: bytes) -> None:
        """Add the outcome of one host, and show the count if it is time, or if it is the last one."""
        with contextlib.suppress(OSError):
            with open(self._outcomes, "ab", buffering=0, opener=_private) as file:
                file.write(outcome)
            if self._takes_turn(self._outcomes.stat().st_size >= self._hosts > 1):
                self._show(self.line())

    def prefix(self) -> str | None:
        """The begin of a line about one host; None if another process has shown a line just now."""
        try:
            return f"{self.line()}; " if self._takes_turn(False) else None
        except OSError:
            return ""

    def line(self) -> str:
        """The count in words."""
        outcomes = self._outcomes.read_bytes() if self._outcomes.exists() else b""
        other = outcomes.count(OTHER)
        return (f"{outcomes.count(LOADED)} of {self._hosts} hosts loaded, {outcomes.count(FAILED)} failed"
                + (f", {other} without a build" if other else ""))

    def _takes_turn(self, is_last: bool) -> bool:
        """Whether this process shows a line now; once it was the last line, none follows."""
        with open(self._shown, "a+b", buffering=0, opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before, now = file.read(), self._tick()
            if before == b"last" or (before and not is_last and now - float(before) < SHOW_SECONDS):
                return False
            file.truncate(0)
            file.write(b"last" if is_last else repr(now).encode())
            return True


def outcome_of(result: t.Mapping[str, t.Any]) -> bytes:
    """The outcome of a load by its checked result."""
    if result.get("failed"):
        return FAILED
    return OTHER if (result.get("patch") or {}).get("state") == "no_build" else LOADED


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
