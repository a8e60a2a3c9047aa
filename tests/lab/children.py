# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a lab, tools and machines: tethered to it, logged to files, and ended all at once."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

from .errors import LabError
from .tether import tethered

LOG_LINES_SHOWN = 15


def end_of(log: Path) -> str:
    """Return the last lines of a log for an error's message, since the log goes away with the run."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:] if log.exists() else []
    return "\n".join(["the end of its output:", *lines]) if lines else "it wrote no output"


class Children:
    """The processes that run now. Threads share one object, so that closing the lab ends what any of them waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def start(self, command: list[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a tethered process, its output appended to the log; raises LabError `lab-closed`."""
        with self._lock, open(log, "ab") as output:
            if self._closed:
                raise LabError("lab-closed", f"The lab was closed before it could run {command[0]}; start it again.")
            settings = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT, **options}
            # In a session of its own, so that Ctrl-C reaches the lab alone, which then ends the others.
            child = subprocess.Popen(tethered(command), start_new_session=True, **settings)
            self._running.add(child)
            return child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Return the status that the process ends with."""
        status = child.wait()
        with self._lock:
            self._running.discard(child)
        return status

    def run(self, command: list[str], log: Path, **options: Any) -> None:
        """Run a tool to its end; raises LabError `tool-failed` with the last lines of the log."""
        status = self.wait(self.start(command, log, **options))
        if status != 0:
            raise LabError("tool-failed", f"{command[0]} ended with status {status}; {end_of(log)}")

    def close(self) -> None:
        """Kill what is running and refuse to start more."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.kill()
