# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of QEMU's control protocol, against a simulated QEMU at the other end of its socket pair."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest

from tests.lab.errors import LabError
from tests.lab.patience import Patience
from tests.lab.qmp import Monitor

GREETING = {"QMP": {"version": {}}}


class SimulatedQemu:
    """Answers each command with the next of the given messages, and keeps the commands."""

    def __init__(self, monitor, answers):
        # QEMU has a copy of the descriptor of its own.
        self._socket = socket.socket(fileno=os.dup(monitor.remote.fileno()))
        self._answers = [[GREETING], [{"return": {}}], *answers]
        self.commands = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with self._socket:
            for number, messages in enumerate(self._answers):
                if number > 0:
                    self.commands.append(json.loads(self._socket.recv(4096)))
                self._socket.sendall(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages))

    def join(self):
        self._thread.join(timeout=10)


@pytest.fixture
def qemu(tmp_path):
    """Return a function that connects a monitor to a simulated QEMU with these answers."""
    started = []

    def start(*answers):
        tmp_path.joinpath("log").write_text("out of memory\n")
        monitor = Monitor(tmp_path / "log")
        started.append((monitor, SimulatedQemu(monitor, answers)))
        monitor.connect()
        return started[-1]

    yield start
    for monitor, simulated in started:
        monitor.close()
        simulated.join()


def test_return_value_comes_back_past_events(qemu):
    monitor, simulated = qemu([{"event": "STOP"}, {"return": {"status": "paused"}}])
    assert monitor.execute("query-status", {"key": 1}) == {"status": "paused"}
    simulated.join()
    assert simulated.commands == [
        {"execute": "qmp_capabilities", "arguments": {}}, {"execute": "query-status", "arguments": {"key": 1}},
    ]


def test_error_tells_command_and_reason(qemu):
    monitor, _requests = qemu([{"error": {"class": "GenericError", "desc": "no such device"}}])
    with pytest.raises(LabError, match="`device_del`: no such device") as caught:
        monitor.execute("device_del")
    assert caught.value.code == "qemu-refused"


def test_end_of_qemu_is_told_with_the_end_of_its_log(qemu):
    monitor, _requests = qemu([])
    with pytest.raises(LabError, match="out of memory") as caught:
        monitor.execute("cont")
    assert caught.value.code == "qemu-gone"


@pytest.mark.parametrize("messages", [
    [{"event": "RESET"}, {"return": {}}],
    [{"return": {}}, {"event": "RESET"}],
])
def test_event_is_seen_before_and_after_the_return(qemu, messages):
    monitor, _requests = qemu(messages)
    monitor.execute("system_reset")
    monitor.wait_for_event("RESET")


def test_event_of_an_earlier_command_does_not_count(qemu):
    monitor, _requests = qemu([{"event": "RESET"}, {"return": {}}], [{"return": {}}])
    monitor.execute("system_reset")
    monitor.execute("cont")
    with pytest.raises(LabError) as caught:
        monitor.wait_for_event("RESET")
    assert caught.value.code == "qemu-gone"


def test_condition_that_never_holds_is_given_up(qemu):
    monitor, _requests = qemu()
    with pytest.raises(LabError, match="the state is read") as caught:
        monitor.wait_until(lambda: False, "the state is read", Patience(0, os.getpid()))
    assert caught.value.code == "qemu-timeout"


def test_end_of_qemu_with_a_command_unread_is_told_alike(tmp_path):
    monitor = Monitor(tmp_path / "log")
    monitor.remote.sendall(json.dumps(GREETING).encode() + b"\n" + json.dumps({"return": {}}).encode() + b"\n")
    other_end = socket.socket(fileno=os.dup(monitor.remote.fileno()))
    monitor.connect()
    # Closing with the handshake unread resets the connection.
    other_end.close()
    with pytest.raises(LabError) as caught:
        monitor.wait_for_event("RESET")
    assert caught.value.code == "qemu-gone"
    monitor.close()
