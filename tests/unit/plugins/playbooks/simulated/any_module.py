# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for a module in tests of playbooks without hosts; answers.json says who answers what."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Returns the host's answer for the module, and how it was called; `unreachable` as a lost connection does."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        module = self._task.action.rpartition(".")[2]
        answer = json.loads(Path("answers.json").read_text())[task_vars["inventory_hostname"]][module]
        if answer == "unreachable":
            raise AnsibleConnectionFailure("Connection refused")
        called = {"called_with": dict(self._task.args), "called_in_check_mode": self._task.check_mode}
        return {**result, "changed": False, **called, **answer}
