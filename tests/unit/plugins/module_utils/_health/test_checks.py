# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks: programs that are really run, units of a simulated systemd, and addresses of a server in this test."""

import base64
import gc
import os
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.checks import check_health
from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import health_checks
from ansible_collections.kernel.livepatch.plugins.module_utils._health.url import fetch
from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import failure
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)


def result(host, **check):
    one, = check_health(host, health_checks([check]), fetch)
    return one


def really(**check):
    """A check on the machine that the test runs on: whether it is well, and its message."""
    one = result(Host(), **check)
    return one["ok"], one["message"]


# Commands

@pytest.mark.parametrize("command, ok, message", [
    ("true", True, "It ended with status 0."),
    (["true"], True, "It ended with status 0."),
    ("sh -c 'echo one; echo two words; echo; exit 3'", False, "It ended with status 3: two words"),
    (["sh", "-c", "kill -9 $$"], False, "It was ended by signal 9."),
    ("/nowhere/at-all", False, "No such file or directory."),
    ("echo $HOME '*'", True, "It ended with status 0: $HOME *"),
    ("sh -c 'read line || echo no input'", True, "It ended with status 0: no input"),
    (["printf", r"\033[2Jx"], True, "It ended with status 0: ?[2Jx"),
])
def test_a_command(command, ok, message):
    well, said = really(command=command)
    # Python 3.6 adds the path to what the system says.
    assert (well, said.replace(": '/nowhere/at-all'", "")) == (ok, message)


def test_a_command_whose_time_is_over_is_killed_with_all_that_it_started(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # The child writes if it lives on, also while something waits for the command's own end.
        assert really(command=["sh", "-c", f"(sleep 30; echo alive) >{pipe} & sleep 60"], timeout=1) == (
            False, "It did not end within 1 s and was stopped.")
        os.set_blocking(descriptor, True)
        assert os.read(descriptor, 10) == b""
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("status", [0, 3])
def test_a_child_that_keeps_the_output_open_is_not_waited_for(status):
    assert really(command=["sh", "-c", f"echo up; sleep 60 & exit {status}"], timeout=60) == (
        status == 0, f"It ended with status {status}: up")


def test_a_child_that_prints_without_end_is_not_waited_for_longer_either():
    assert really(command=["sh", "-c", "yes & exit 0"], timeout=1)[0] is False


def test_a_command_that_prints_without_end_does_not_fill_the_memory():
    ok, message = really(command="yes", timeout=1)
    assert (ok, message) == (False, "It did not end within 1 s and was stopped.")
    ok, message = really(command=["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"], timeout=60)
    assert (ok, len(message)) == (True, 300)
    status, output = Host().run(["/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"], 60)
    assert (status, len(output)) == (0, 1 << 16)


# Units

@pytest.fixture
def systemd(kernel):
    """A simulated systemd; systemd.shown is what `systemctl show` prints."""
    simulated = SimulatedSystemd(kernel)
    simulated.shown = {}
    kernel.answer = lambda words: (0, "\n".join(f"{key}={value}" for key, value in simulated.shown.items()))
    return simulated


@pytest.mark.parametrize("states, ok, message", [
    (("loaded", "active", "running", "success"), True,
     "The unit is active (running), and its last result was success."),
    (("loaded", "reloading", "reload", "success"), True, "The unit is reloading"),
    (("loaded", "activating", "auto-restart", "exit-code"), False,
     "The unit is activating (auto-restart), and its last result was exit-code."),
    (("loaded", "failed", "failed", "exit-code"), False, "The unit is failed"),
    (("loaded", "inactive", "dead", "success"), False, "The unit is inactive (dead)"),
    (("not-found", "inactive", "dead", "success"), False, "The unit is not-found."),
    (("masked", "inactive", "dead", "success"), False, "The unit is masked."),
])
def test_a_unit(kernel, systemd, states, ok, message):
    systemd.shown = dict(zip(("LoadState", "ActiveState", "SubState", "Result"), states))
    one = result(kernel, unit="nginx.service")
    assert (one["ok"], one["name"], one["kind"]) == (ok, "unit nginx.service", "unit")
    assert one["message"].startswith(message)
    assert kernel.commands == [
        ["/usr/bin/systemctl", "show", "--property=LoadState,ActiveState,SubState,Result", "nginx.service"]]


@pytest.mark.parametrize("shown, why", [
    ("", "no output"), ("LoadState=loaded\n", "no output"), ("Failed to connect to bus: Host is down",) * 2,
    ("Unit name a@@b.service is neither a valid invocation ID nor unit name.",) * 2])
def test_a_systemd_that_shows_no_state_is_not_well(kernel, systemd, shown, why):
    kernel.answer = lambda words: (1, shown)
    one = result(kernel, unit="nginx")
    assert (one["ok"], one["message"]) == (False, f"systemctl does not show the state of the unit: {why}")


def test_a_host_without_systemd(kernel):
    one = result(kernel, unit="nginx.service")
    assert (one["ok"], kernel.commands) == (False, [])
    assert one["message"].startswith("This host has no systemd")


# Addresses

SLOW_BYTES = 600
LOGINS = {}  # what the server was last sent as a login, by path


class Server(BaseHTTPRequestHandler):
    sent = 0

    def do_GET(self):
        if self.path == "/slow":  # a byte now and then, so that no socket times out
            Server.sent = 0
            with suppress(BrokenPipeError, ConnectionResetError):
                while Server.sent < SLOW_BYTES:
                    self.wfile.write(b"H")
                    Server.sent += 1
                    time.sleep(0.1)
            return
        if self.path == "/nonsense":
            self.wfile.write(b"\x00\xff\n")
            return
        status = {"/well": 200, "/moved": 302, "/elsewhere": 302, "/busy": 503, "/%C3%BC?q=%C5%82%20b": 200}.get(
            self.path, 404)
        LOGINS[self.path] = self.headers.get("Authorization")
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/well" if self.path == "/moved" else "file:///etc/passwd")
        self.end_headers()

    def log_message(self, *_words):
        pass


@pytest.fixture(scope="module")
def address():
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path, ok, message", [
    ("/well", True, "The server answers 200 OK."),
    ("/moved", True, "The server answers 200 OK."),
    ("/busy", False, "The server answers 503 Service Unavailable."),
    ("/nowhere", False, "The server answers 404 Not Found."),
    ("/nonsense", False, ""),
    ("/elsewhere", False, "The server answers 302"),
    ("/well#part", True, "The server answers 200 OK."), ("/\u00fc?q=\u0142%20b", True, "The server answers 200 OK."),
])
def test_an_address(address, path, ok, message):
    result = really(url=address + path)
    assert result[0] is ok
    assert result[1].startswith(message) and result[1]


@pytest.mark.parametrize("host, asked", [
    ("b\u00fccher.invalid:81", ("xn--bcher-kva.invalid", 81)), ("\u0142.invalid", ("xn--tfa.invalid", 80)),
    ("[::1]:9", ("::1", 9))])
def test_a_name_of_any_language_is_looked_up_as_dns_has_it(monkeypatch, host, asked):
    def connect(address, *_more, **_named):
        raise ConnectionRefusedError(111, f"refused by {address}")
    monkeypatch.setattr(socket, "create_connection", connect)
    assert really(url=f"http://{host}/") == (False, f"refused by {asked}.")


def test_a_login_is_sent_to_the_first_server_alone(address):
    with_login = address.replace("http://", "http://alice:p%40ss@")
    assert really(url=f"{with_login}/moved")[0] is True
    assert LOGINS["/moved"] == "Basic " + base64.b64encode(b"alice:p@ss").decode()
    assert LOGINS["/well"] is None


def test_no_proxy_is_asked(address, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert really(url=f"{address}/well")[0] is True


def test_an_address_that_nobody_answers_at():
    assert really(url="http://127.0.0.1:1/", timeout=2) == (False, "Connection refused.")


def test_a_server_that_is_silent_is_left():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        assert really(url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=1) == (
            False, "It did not end within 1 s and was stopped.")


def test_a_server_that_never_ends_is_left(address):
    assert really(url=f"{address}/slow", timeout=1) == (False, "It did not end within 1 s and was stopped.")
    # The server does one thing at a time: when it answers again, it has noticed that the other end is gone.
    assert really(url=f"{address}/well", timeout=300)[0] is True
    assert 0 < Server.sent < SLOW_BYTES


# Options

@pytest.mark.parametrize("check, words", [
    ({}, "health_checks (1.) has nothing to check. Give one of command, url, unit."),
    ({"command": "true", "unit": "x"}, "has command and unit. Give one of"),
    ({"command": "'"}, "has the command \"'\". Give a program and its arguments"),
    ({"command": ""}, "has the command ''"),
    ({"command": []}, "has the command []"),
    ({"command": ["true", "\0"]}, "has the command"),
    ({"url": "ftp://example.org/"}, "has the url 'ftp://example.org/'. Give an address"),
    ({"url": "file:///etc/passwd"}, "Give an address"),
    ({"url": "http://"}, "Give an address"),
    ({"url": "http://x:y/"}, "Give an address"),
    ({"unit": "ssh*"}, "Give the name of a systemd unit"),
    ({"unit": "--all"}, "Give the name of a systemd unit"),
    ({"unit": "a b"}, "Give the name of a systemd unit"),
    *(({"unit": template}, f"has the unit '{template}'. Give the name of a systemd unit such as nginx.service or get")
      for template in ("getty@", "getty@.service", "mnt@.mount")),
    ({"unit": "x", "timeout": 0}, "has the timeout 0. Give 1 to 300 seconds."),
    ({"unit": "x", "timeout": 301}, "has the timeout 301"),
    ({"tasks": "mine.yml"}, "has tasks, but tasks run on the controller. Give them to"),
])
def test_what_makes_no_sense_is_refused(check, words):
    error = failure(health_checks, [check])
    assert error.code == "bad-option"
    assert words in error.message


@pytest.mark.parametrize("check, name", [
    ({"command": ["a", "b c"]}, "a b c"),
    ({"url": "https://alice:secret@example.org:8443/health?token=secret#x"}, "https://example.org:8443/health"),
    ({"unit": "nginx.service"}, "unit nginx.service"),
    ({"unit": " getty@tty1 "}, "unit getty@tty1"), ({"unit": "a@.b.service"}, "unit a@.b.service"),
    ({"unit": "nginx.service", "name": "web\033"}, "web?"),
    ({"command": "x" * 500}, "x" * 77 + "..."),
])
def test_a_check_has_a_name(check, name):
    assert health_checks([check])[0]["name"] == name


def test_checks_are_done_one_after_another(kernel):
    kernel.answer = lambda words: kernel.sleep(2) or (0, words[0])
    results = check_health(kernel, health_checks([{"command": "a"}, {"command": "b"}]), fetch)
    assert [(one["name"], one["seconds"], one["message"]) for one in results] == [
        ("a", 2, "It ended with status 0: a"), ("b", 2, "It ended with status 0: b")]


def test_no_descriptor_and_no_child_is_left():
    really(command="true")
    gc.collect()  # what earlier tests have left
    before = len(os.listdir("/proc/self/fd"))
    really(command="true")
    really(command="sleep 60", timeout=1)
    assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
