# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for a module in tests of playbooks without hosts; answers.json says who answers what."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction


class SimulatedHost(ActionBase):
    """Returns the host's answer for the module, and how it was called.

    `unreachable` is as a lost connection, `hangs` as a dead one.
    """

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        module = self._task.action.rpartition(".")[2]
        answer = json.loads(Path("answers.json").read_text())[task_vars["inventory_hostname"]][module]
        if answer == "unreachable":
            raise AnsibleConnectionFailure("Connection refused")
        if answer == "hangs":
            return {**result, **hang()}
        called = {"called_with": dict(self._task.args), "called_in_check_mode": self._task.check_mode}
        return {**result, "changed": False, **called, **answer}


def hang():
    """Stand still for ever; the bound of the task is over at once, and a task without one fails."""
    if not signal.getitimer(signal.ITIMER_REAL)[0]:
        return {"failed": True, "code": "no-bound", "msg": "This task would wait for ever."}
    signal.raise_signal(signal.SIGALRM)
    return {"failed": True, "code": "no-end", "msg": "The end of the bound did not end the task."}


class ActionModule(BoundedAction, SimulatedHost):
    """As each module of the collection has it."""
