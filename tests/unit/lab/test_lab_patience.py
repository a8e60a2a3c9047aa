# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that a busy host does not use up, with simulated clocks, processes and machines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.lab.children import Children
from tests.lab.errors import LabError
from tests.lab.image import Image
from tests.lab.keys import Keys
from tests.lab.machine import Machine
from tests.lab.patience import LONGEST, Patience, delays_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab" / "suite"))


class Host:
    """A simulated host: `now` is its clock, `delays` what the threads of a machine have waited."""

    def __init__(self):
        self.now, self.delays = 1000.0, {1: 50.0, 2: 7.0}

    def patience(self, seconds):
        return Patience(seconds, 1, clock=lambda: self.now, delays=lambda process: dict(self.delays))


@pytest.fixture
def host():
    return Host()


def test_a_limit_ends_on_a_host_that_is_not_busy(host):
    patience = host.patience(60)
    host.now += 60
    assert not patience.is_over()
    host.now += 1
    assert patience.is_over()


def test_seconds_in_which_the_machine_waited_for_a_processor_do_not_count(host):
    patience = host.patience(60)
    host.now, host.delays = host.now + 200, {1: 50.0 + 150, 2: 7.0 + 100}
    assert not patience.is_over()
    host.now += 11
    assert patience.is_over()


def test_what_a_machine_waited_before_its_limit_began_does_not_count(host):
    host.delays = {1: 5000.0}
    patience = host.patience(60)
    host.now += 61
    assert patience.is_over()


def test_a_thread_that_started_since_then_counts(host):
    patience = host.patience(60)
    host.now, host.delays = host.now + 100, {**host.delays, 3: 90.0}
    assert not patience.is_over()


def test_no_limit_lasts_for_ever(host):
    patience = host.patience(60)
    host.now, host.delays = host.now + LONGEST + 1, {1: 50.0 + LONGEST}
    assert patience.is_over()


def test_a_process_that_has_ended_has_not_waited(host):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert delays_of(child.pid) == {}
    assert set(delays_of(os.getpid())) == {int(path.name) for path in Path("/proc/self/task").iterdir()}


def test_a_command_without_an_end_is_ended_when_the_machine_has_had_its_time(tmp_path, monkeypatch):
    machine = Machine("lab1", Image(tmp_path), Keys(tmp_path), tmp_path, Children())
    monkeypatch.setattr(machine, "ssh_command", lambda *arguments: ["sh", "-c", "sleep infinity"])
    monkeypatch.setattr(machine, "patience", lambda seconds: SimpleNamespace(seconds=seconds, is_over=lambda: True))
    with pytest.raises(LabError, match="lab1 did not finish") as caught:
        machine.ssh("true")
    assert caught.value.code == "ssh-timeout"
    machine.destroy()


def test_what_a_command_says_while_the_machine_still_has_time_is_kept_in_full(tmp_path, monkeypatch):
    machine = Machine("lab1", Image(tmp_path), Keys(tmp_path), tmp_path, Children())
    go_on = tmp_path / "go on"
    script = f"echo first; echo second >&2; until test -e '{go_on}'; do sleep 0.1; done; echo third; exit 3"
    monkeypatch.setattr(machine, "ssh_command", lambda *arguments: ["sh", "-c", script])

    def is_over():
        go_on.touch()
        return False
    monkeypatch.setattr(machine, "patience", lambda seconds: SimpleNamespace(seconds=seconds, is_over=is_over))
    done = machine.ssh("true", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "first\nthird\n", "second\n")
    machine.destroy()


def test_a_slow_sshd_is_given_more_time_and_not_asked_more_often(tmp_path, monkeypatch):
    machine = Machine("lab1", Image(tmp_path), Keys(tmp_path), tmp_path, Children())
    machine._process = SimpleNamespace(poll=lambda: None, pid=os.getpid())
    # Nothing in time, refused while it starts, and at last its greeting.
    answers, asked = iter([None, None, False, None, True]), []

    def is_greeted(timeout):
        asked.append(timeout)
        return next(answers)
    monkeypatch.setattr(machine, "_is_greeted", is_greeted)
    machine.wait_for_ssh()
    assert asked == [2.0, 4.0, 8.0, 8.0, 16.0]
    machine._process = None
    machine.destroy()


@pytest.mark.parametrize(("says", "greeted"), [
    (b"SSH-2.0-OpenSSH", True), (b"HTTP", False), (b"", False), (None, None)])
def test_only_the_greeting_of_sshd_counts(tmp_path, says, greeted):
    machine = Machine("lab1", Image(tmp_path), Keys(tmp_path), tmp_path, Children())
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine.ssh_port = server.getsockname()[1]

        def serve():
            connection, _address = server.accept()
            with connection:
                if says is None:
                    connection.recv(1)  # until the other end gives up
                else:
                    connection.sendall(says)
        with ThreadPoolExecutor() as pool:
            serving = pool.submit(serve)
            assert machine._is_greeted(0.2 if says is None else 60) is greeted
            serving.result()
    assert machine._is_greeted(60) is False
    machine.destroy()


class SimulatedMachine:
    """Answers with these statuses in turn; its patience ends with the last of them."""

    name = "lab1"

    def __init__(self, *statuses):
        self.statuses = list(statuses)

    def patience(self, seconds):
        return SimpleNamespace(is_over=lambda: not self.statuses)

    def ssh(self, command, check, timeout):
        return subprocess.CompletedProcess(command, self.statuses.pop(0), "", "")


def test_a_guest_that_was_too_late_on_a_busy_host_is_asked_again():
    from guest import Guest

    machine = SimulatedMachine(124, 124, 0)
    Guest(machine).wait("test -e /run/something")
    assert machine.statuses == []


@pytest.mark.parametrize("statuses", [(124, 124), (1, 0)], ids=["its time is over", "another error"])
def test_a_guest_that_never_gets_there_fails_its_test(statuses):
    from guest import Guest

    with pytest.raises(AssertionError, match="test -e /run/something"):
        Guest(SimulatedMachine(*statuses)).wait("test -e /run/something")
