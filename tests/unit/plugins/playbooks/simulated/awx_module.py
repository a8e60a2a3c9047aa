# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for a module of awx.awx; each call is a line of awx.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Keeps the arguments that the module would get."""

    def run(self, tmp=None, task_vars=None):
        name = self._task.action.rpartition(".")[2]
        with Path("awx.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([name, self._task.args], cls=AnsibleJSONEncoder) + "\n")
        return {**super().run(tmp, task_vars), "changed": True}
