# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes each task's result as a line of JSON to the file named in OUTCOMES: a test sees what a playbook sees.

With the number of a process in LOOK_AT, also the CPU seconds that it had during the task: a virtual machine's are the
work of the task on it, also on a busy host.
"""

from __future__ import annotations

import json
import os
import time

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: outcomes
type: aggregate
short_description: task results as lines of JSON
description: For the suite only.
"""


def cpu_seconds():
    """Of the process in LOOK_AT, or 0."""
    if not os.environ.get("LOOK_AT"):
        return 0.0
    with open(f"/proc/{os.environ['LOOK_AT']}/stat", encoding="utf-8") as stream:
        user, system = stream.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "outcomes"

    _began = 0.0
    _cpu = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._began = time.monotonic()
        self._cpu = cpu_seconds()

    def _write(self, result):
        entry = {"task": result._task.get_name(), "host": result._host.get_name(), "result": result._result,
                 "seconds": time.monotonic() - self._began, "cpu": cpu_seconds() - self._cpu}
        with open(os.environ["OUTCOMES"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, cls=AnsibleJSONEncoder) + "\n")

    def v2_runner_on_ok(self, result):
        self._write(result)

    def v2_runner_on_unreachable(self, result):
        self._write(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result)
