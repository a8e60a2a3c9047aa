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
    return Action(*[MagicMock() for _argument in range(6)])


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
