# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of patch_build: background, lost connections, and what a playbook must not fill in."""

from __future__ import annotations

import threading
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.kernel.livepatch.plugins.action import patch_build
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building import action as action_module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building import runner
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.orphan import THREAD
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.scripted_build_host import answer


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when something sleeps, or by hand."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
    for module in (action_module.time, runner.time):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
        monkeypatch.setattr(module, "sleep", sleep)
    monkeypatch.setattr(runner.Runner.__init__, "__defaults__", (lambda: now[0], sleep))
    return now


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(action_module, "say", lines.append)
    return lines


@pytest.fixture
def action(tmp_path, build_module, monkeypatch, clock, shown):
    """action(answers, async_val=0, poll=10, **options): the action of a task on a host with these answers."""
    content = build_module("kpatch_build", '-DNAME="livepatch_fix"', "-DREPLACE=1").read_bytes()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(action_module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "tmp"))
    (tmp_path / "fix.patch").write_text("--- a/x.c\n")

    def make(answers, async_val=0, poll=10, check_mode=False, **options):
        arguments = {"src": "fix.patch", "bundle": str(tmp_path / "patches"), "kernel": {"release": "6.1"}, **options}
        task = mock.Mock(
            action="kernel.livepatch.patch_build", args=arguments, async_val=async_val, poll=poll,
            check_mode=check_mode, diff=False)
        connection = mock.Mock()
        connection._shell.join_path = lambda *parts: "/".join(parts)
        made = patch_build.ActionModule(task, connection, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        made._execute_module = mock.Mock(side_effect=[
            dict(one) if isinstance(one, dict) else one for one in answers])
        made._find_needle = lambda _kind, name: str(tmp_path / name)
        made._make_tmp_path = mock.Mock(return_value="/root/tmp")
        made._transfer_file = mock.Mock()
        made._fixup_perms2 = mock.Mock()
        made._read_remote_file = lambda _path, _variables: content
        made.built = answer("built", content)
        return made
    return make


def steps(made):
    return [call.kwargs["module_args"]["via_controller"]["step"] for call in made._execute_module.call_args_list]


RUNNING = answer("running")


def test_a_task_waits_for_the_end_of_its_build(action, shown):
    made = action([RUNNING] * 3)
    made._execute_module.side_effect = [RUNNING, RUNNING, made.built]
    result = made.run(task_vars={})
    assert (result["failed"], result["changed"], result["state"]) == (False, True, "built")
    assert steps(made) == ["start", "look", "look"]
    assert shown == ["6.1.0-56-amd64: kpatch-build: building, 4 min"]


def test_a_worker_that_waits_for_a_build_watches_for_the_end_of_its_run(action):
    made, watched = action([]), []

    def look(**_arguments):
        watched.append([thread.name for thread in threading.enumerate()].count(THREAD))
        return RUNNING if len(watched) < 3 else made.built
    made._execute_module.side_effect = look
    made.run(task_vars={})
    assert watched == [1, 1, 1]


def test_the_sources_are_sent_once(action):
    made = action([RUNNING])
    made._execute_module.side_effect = [RUNNING, made.built]
    made.run(task_vars={})
    assert made._transfer_file.call_count == 1


def test_sources_on_the_build_host_are_not_sent(action):
    made = action([RUNNING], remote_src=True)
    made._execute_module.side_effect = [made.built]
    made.run(task_vars={})
    assert made._transfer_file.call_count == 0
    assert made._execute_module.call_args.kwargs["module_args"]["via_controller"] == {"step": "start", "known": []}


def test_without_poll_a_task_starts_a_build_and_returns(action):
    made = action([RUNNING], async_val=3600, poll=0)
    result = made.run(task_vars={})
    assert (result["failed"], result["changed"], result["state"]) == (False, True, "running")
    assert result["job"] and result["file"] is None
    assert (steps(made), made._task.async_val) == (["start"], 0)  # or Ansible would poll a job of its own


def test_a_build_that_takes_longer_than_async_goes_on_and_fails_the_task(action, clock):
    made = action([RUNNING] * 100, async_val=10, poll=5)
    result = made.run(task_vars={})
    assert (result["failed"], result["code"], result["state"]) == (True, "build-unfinished", "running")
    assert "within 10 s" in result["msg"] and clock[0] == 10
    assert made._task.async_val == 0


def test_a_lost_connection_is_tried_again(action, shown):
    made = action([])
    made._execute_module.side_effect = [RUNNING, *[AnsibleConnectionFailure("no route")] * 3, made.built]
    result = made.run(task_vars={})
    assert result["state"] == "built" and steps(made) == ["start", *["look"] * 4]
    assert made._connection.reset.call_count == 3
    assert any("the connection to the build host is lost" in line for line in shown)


def test_a_build_host_that_stays_away_is_unreachable(action, clock):
    made = action([])
    made._execute_module.side_effect = [RUNNING, *[AnsibleConnectionFailure("no route")] * 1000]
    with pytest.raises(AnsibleConnectionFailure):
        made.run(task_vars={})
    assert action_module.LOST_SECONDS <= clock[0] < 2 * action_module.LOST_SECONDS


def test_a_build_host_that_is_not_reached_at_first_is_unreachable_at_once(action, clock):
    made = action([AnsibleConnectionFailure("no route")])
    with pytest.raises(AnsibleConnectionFailure):
        made.run(task_vars={})
    assert clock[0] == 0


def test_what_a_playbook_puts_in_place_of_the_controller_is_dropped(action):
    made = action([RUNNING], via_controller={"step": "look", "job": "x"})
    made._execute_module.side_effect = [made.built]
    assert made.run(task_vars={})["state"] == "built"
    assert steps(made) == ["start"]


@pytest.mark.parametrize("options", [{"src": ""}, {"src": ["", "x"]}, {"src": " "}, {"bundle": ""}, {"bundle": " "}])
def test_an_empty_source_or_bundle_is_refused(action, options):
    made = action([], **options)
    result = made.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "bad-option")


def test_a_bundle_that_cannot_be_used_is_refused_before_the_host_is_asked(action, tmp_path):
    (tmp_path / "patches").write_text("x")
    made = action([])
    result = made.run(task_vars={})
    assert (result["code"], made._execute_module.call_count) == ("bundle-unreadable", 0)


def test_a_failed_build_returns_its_log(action):
    made = action([])
    made._execute_module.side_effect = [RUNNING, {
        **answer("running"), "failed": True, "code": "build-compile-error", "msg": "It does not compile.",
        "log": ["x.c:1: error"], "log_path": "/jobs/x/log"}]
    result = made.run(task_vars={})
    assert (result["failed"], result["code"], result["log"], result["log_path"]) == (
        True, "build-compile-error", ["x.c:1: error"], "/jobs/x/log")
