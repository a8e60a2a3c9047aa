# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life of a host that is waited for. The clock is the tests', and so is each step of the thread."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
from ansible import constants

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import waiting
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.waiting import (
    Waiting,
    read_progress,
    shares_connection,
)

HELD = {
    "name": "fix", "state": "enabling", "seconds": 20, "timeout": 90, "tasks": 5,
    "held_by": [{"pid": 812, "comm": "kworker/0:1"}, {"pid": 9, "comm": "nfsd"}]}
SHARED = "-C -o ControlMaster=auto -o ControlPersist=60s"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def wait():
    """wait(look): the lines of a wait of 30 seconds, with a step every 10."""
    def run(look, **options):
        clock, lines = Clock(), []
        waited = Waiting("web7", "patch", look, show=lines.append, tick=clock, **options)
        for clock.now in (10.0, 20.0, 30.0):
            waited.step()
        return lines
    return run


@pytest.mark.parametrize(("callback", "stream"), [
    ("default", "out"), ("ansible.builtin.minimal", "out"), ("awx_display", "out"), ("community.general.yaml", "out"),
    ("json", "err"), ("ansible.posix.json", "err"), ("ansible.posix.jsonl", "err")])
def test_no_line_is_in_the_json_that_a_program_reads(monkeypatch, capfd, callback, stream):
    monkeypatch.setattr(constants, "DEFAULT_STDOUT_CALLBACK", callback)
    waiting.say("120 of 500 hosts loaded", "1 failed")
    shown = capfd.readouterr()
    lines = {"out": shown.out.splitlines(), "err": shown.err.splitlines()}
    assert lines.pop(stream) == ["==> 120 of 500 hosts loaded", "==> 1 failed"]
    assert list(lines.values()) == [[]]


def test_the_tasks_that_are_left_are_shown_with_those_that_hold_the_transition(wait):
    assert wait(lambda: json.dumps(HELD))[-1] == (
        "web7: enabling fix since 20 s of at most 90 s: 5 tasks left, held by kworker/0:1 (pid 812), nfsd (pid 9) and "
        "3 more")


def test_a_transition_without_a_visible_task_says_what_can_hold_it(wait):
    lines = wait(lambda: json.dumps(dict(HELD, tasks=0, held_by=[], state="disabling")))
    assert lines[-1] == (
        "web7: disabling fix since 20 s of at most 90 s: no visible task left, an idle CPU can hold it")


def test_without_a_look_the_time_is_shown(wait):
    assert wait(None) == [f"web7: waiting for patch since {seconds} s" for seconds in (10, 20, 30)]


def test_a_look_that_fails_is_the_last_one_and_hides_no_line(wait):
    looks = []

    def look():
        looks.append(1)
        raise OSError("broken")
    assert (len(wait(look)), len(looks)) == (3, 1)


def test_a_look_that_hangs_hides_no_line_and_is_the_only_one_until_it_is_back(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0)
    back, looks, lines, clock = threading.Event(), [], [], Clock()

    def look():
        looks.append(threading.current_thread())
        back.wait(60)
        return json.dumps(HELD)
    waited = Waiting("web7", "patch", look, show=lines.append, tick=clock)
    for clock.now in (10.0, 20.0, 30.0):
        waited.step()
    assert lines == [f"web7: waiting for patch since {seconds} s" for seconds in (10, 20, 30)]
    assert len(looks) == 1
    back.set()
    looks[0].join(60)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 60)
    waited.step()
    assert (len(looks), "5 tasks left" in lines[-1]) == (2, True)


@pytest.mark.parametrize("text", [
    "", "cat: no such file", "[]", "[" * 5000, json.dumps(dict(HELD, tasks="many")), json.dumps(dict(HELD, tasks=[1])),
    json.dumps(dict(HELD, held_by=[{"pid": 1}])), json.dumps(dict(HELD, name="x" * 5000)),
    json.dumps(dict(HELD, seconds=3600)), json.dumps(dict(HELD, state="rm -rf"))])
def test_what_a_host_writes_is_not_trusted(text):
    assert read_progress(text, 30) is None


def test_a_name_of_a_task_cannot_write_to_the_terminal(wait):
    lines = wait(lambda: json.dumps(dict(HELD, held_by=[{"pid": 1, "comm": "\x1b[2J\nok: [web8]"}])))
    assert all(line.isprintable() for line in lines)


def test_lines_stop_when_the_task_is_over():
    lines = []
    waited = Waiting("web7", "patch", None, show=lines.append)
    with waited:
        pass
    waited.step()
    assert (lines, waited._thread.is_alive()) == ([], False)


def test_an_error_of_the_task_ends_the_lines_and_is_raised(monkeypatch):
    waited = Waiting("web7", "patch", None, show=lambda _line: None)
    with pytest.raises(ValueError, match="lost"), waited:
        raise ValueError("lost")
    assert not waited._thread.is_alive()


def test_the_thread_shows_a_line_after_each_pause(monkeypatch):
    monkeypatch.setattr(waiting, "SHOW_SECONDS", 0)
    lines = []
    waited = Waiting("web7", "patch", None, show=lambda line: (lines.append(line), waited._over.set()))
    waited.__enter__()
    waited._thread.join(60)
    assert lines == ["web7: waiting for patch since 0 s"]


def test_another_process_s_turn_is_no_line(wait):
    assert wait(None, prefix=lambda: None) == []
    assert wait(None, prefix=lambda: "1 of 2; ")[0] == "1 of 2; web7: waiting for patch since 10 s"


@pytest.mark.parametrize("kind, arguments, shared", [
    ("local", {}, True), ("ansible.builtin.local", {}, True), ("ssh", {"ssh_args": SHARED}, True),
    ("ssh", {"ssh_extra_args": "-oControlPersist=yes", "ssh_args": "-o ControlPersist=5m"}, True),
    ("ssh", {"ssh_args": ""}, False), ("ssh", {"ssh_args": None}, False), ("paramiko", {"ssh_args": SHARED}, False),
    ("ssh", {"ssh_args": f"{SHARED} -o ControlMaster=no"}, False), ("ssh", {"ssh_args": "-o ControlPersist=no"}, False),
])
def test_a_look_needs_a_connection_that_is_shared(kind, arguments, shared):
    connection = SimpleNamespace(transport=kind, get_option=arguments.get)
    assert shares_connection(connection) is shared
