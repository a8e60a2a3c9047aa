# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes each task's result as a line of JSON to the file named in OUTCOMES: a test sees what a playbook sees."""

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


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "outcomes"

    _began = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._began = time.monotonic()

    def _write(self, result):
        entry = {"task": result._task.get_name(), "host": result._host.get_name(), "result": result._result,
                 "seconds": time.monotonic() - self._began}
        with open(os.environ["OUTCOMES"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, cls=AnsibleJSONEncoder) + "\n")

    def v2_runner_on_ok(self, result):
        self._write(result)

    def v2_runner_on_unreachable(self, result):
        self._write(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._write(result)
