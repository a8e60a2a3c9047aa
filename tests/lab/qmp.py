# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client for QEMU's control protocol (QMP) over a socket pair, so that no path leads to the machine's monitor."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .children import end_of
from .errors import LabError
from .patience import Patience

# QEMU answers at once where the host is not busy, so that this is for one that hangs.
REPLY_TIMEOUT = 600.0


class Monitor:
    """The lab's end of the pair; QEMU inherits the other one."""

    def __init__(self, log: Path) -> None:
        """`log` is where QEMU's own output goes, for the messages of errors."""
        self._log = log
        self._events: set[str] = set()
        self._socket, self.remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(REPLY_TIMEOUT)
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def connect(self) -> None:
        """Shake hands, once QEMU has started; raises LabError `qemu-gone` when it has ended instead."""
        self.remote.close()
        self._receive()
        self.execute("qmp_capabilities")

    def execute(self, command: str, arguments: dict[str, object] | None = None, descriptor: int | None = None) -> Any:
        """Return what the command returns; an open descriptor can go with it.

        Raises LabError `qemu-refused`, `qemu-gone` or `qemu-silent`.
        """
        self._events.clear()
        message = json.dumps({"execute": command, "arguments": arguments or {}}).encode()
        try:
            socket.send_fds(self._socket, [message], [] if descriptor is None else [descriptor])
        except OSError as error:
            raise LabError("qemu-gone", f"QEMU ended before `{command}`; {end_of(self._log)}") from error
        while True:
            reply = self._receive()
            if "error" in reply:
                raise LabError("qemu-refused", f"QEMU refused `{command}`: {reply['error']['desc']}.")
            if "return" in reply:
                return reply["return"]

    def wait_for_event(self, name: str) -> None:
        """Return when QEMU has reported the event since the last command was sent; raises as `execute` does."""
        while name not in self._events:
            self._receive()

    def wait_until(self, condition: Callable[[], bool], what: str, patience: Patience) -> None:
        """Ask until the condition holds; raises LabError `qemu-timeout`."""
        while not condition():
            if patience.is_over():
                raise LabError("qemu-timeout", f"QEMU did not finish in {patience.seconds:.0f} s: {what}.")
            time.sleep(0.02)

    def close(self) -> None:
        """Close both ends that are still open."""
        self.remote.close()
        self._lines.close()
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise LabError("qemu-silent", f"QEMU did not answer within {REPLY_TIMEOUT:.0f} s.") from None
        except ConnectionResetError:
            line = ""
        if not line:
            raise LabError("qemu-gone", f"QEMU ended; {end_of(self._log)}")
        message = json.loads(line)
        if "event" in message:
            self._events.add(message["event"])
        return message
