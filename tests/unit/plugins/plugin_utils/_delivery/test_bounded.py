# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that is ended by its bound has failed with a code, and its end waits for no host. The host is simulated."""

from __future__ import annotations

import signal
from unittest.mock import MagicMock

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction


class TaskTimeoutError(BaseException):
    """As ansible-core raises it when the bound is over."""


class SimulatedHost(ActionBase):
    """Raises what the test says in its task, and stands still or not when its files are removed."""

    ends, hangs, removed = None, False, 0

    def run(self, tmp=None, task_vars=None):
        return self._end(self.ends)

    @staticmethod
    def _end(error):
        if error:
            raise error
        return {"changed": False}

    def cleanup(self, force=False):
        self.removed += 1
        if self.hangs:
            assert signal.getitimer(signal.ITIMER_REAL)[0], "this would wait for ever"
            signal.raise_signal(signal.SIGALRM)
            raise AssertionError("the end of the bound did not end it")


@pytest.fixture
def action():
    class Action(BoundedAction, SimulatedHost):
        pass
    simulated = Action(*[MagicMock() for _argument in range(6)])
    simulated._task.args = {}
    return simulated


STEP = {
    "load": ["web1"], "accept": ["web1"], "load_task": {"run": "r1", "options": {"src": "fix.ko"}},
    "accept_task": {"run": "r1", "patch_of": "loaded"}, "check_task": {"options": {"src": "fix.ko"}},
    "timeouts": {"load": 30, "accept": 20, "check": 10}}


def of_rollout(action, task, host="web1", **arguments):
    """The result of a task of a rollout on a host."""
    action._task.args = {"via_controller": {"task": task}, **arguments}
    return action.run(task_vars={
        "inventory_hostname": host, "__livepatch_step": STEP, "loaded": {"patch": {"name": "fix"}}})


@pytest.mark.parametrize(("task", "expected"), [
    ("load", {"via_controller": STEP["load_task"]}),
    ("accept", {"via_controller": {"run": "r1"}, "name": "fix"}),
    ("check", {"via_controller": STEP["check_task"], "report_only": True})])
def test_a_task_of_a_rollout_has_the_options_of_the_last_step(action, task, expected):
    more = {"report_only": True} if task == "check" else {}
    assert of_rollout(action, task, **more) == {"changed": False}
    assert action._task.args == expected


@pytest.mark.parametrize("task", ["load", "accept"])
def test_a_host_without_a_part_in_a_task_of_a_rollout_is_skipped(action, task):
    action.ends = AssertionError("it was asked")
    assert of_rollout(action, task, "web2") == {"changed": False, "skipped": True}


@pytest.mark.parametrize("task", ["load", "accept", "check"])
def test_a_host_that_stands_still_in_a_task_of_a_rollout_has_failed(action, task):
    bounds = []

    def hang(_error):
        bounds.append(round(signal.getitimer(signal.ITIMER_REAL)[0]))
        signal.raise_signal(signal.SIGALRM)
    action._end = hang
    before = signal.getsignal(signal.SIGALRM)
    assert of_rollout(action, task)["code"] == "host-silent"
    assert bounds == [STEP["timeouts"][task]]
    assert (signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)) == (0, before)
    action.cleanup()
    assert action.removed == 0


@pytest.mark.parametrize("given", [None, {}, {"task": None}, {"task": 1}, "task=load", {"run": "r1"}])
def test_a_task_of_a_users_playbook_has_its_own_options(action, given):
    action._task.args = {"src": "fix.ko", "via_controller": given}
    assert action.run(task_vars={}) == {"changed": False}
    assert action._task.args == {"src": "fix.ko", "via_controller": given}


def test_the_end_of_the_bound_is_a_failure_and_the_host_is_asked_nothing_more(action):
    action.ends = TaskTimeoutError()
    result = action.run()
    action.cleanup()
    assert (result["failed"], result["code"], action.removed) == (True, "host-silent", 0)
    assert "kernel.livepatch.status" in result["msg"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError()])
def test_other_errors_are_not_touched(action, error):
    action.ends = error
    with pytest.raises(type(error)):
        action.run()
    action.cleanup()
    assert action.removed == 1


@pytest.mark.parametrize("hangs", [False, True])
def test_files_are_removed_within_a_bound_of_their_own(action, hangs):
    action.hangs = hangs
    before = signal.getsignal(signal.SIGALRM)
    assert action.run() == {"changed": False}
    action.cleanup()
    assert action.removed == 1
    assert (signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)) == (0, before)
