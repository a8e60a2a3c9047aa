# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

from ansible import constants, context

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.search import find_source
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.waiting import say
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import unread_sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.steps import STEPS, take_step
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.task_files import check_user_tasks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.controller_action import ControllerAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX


class ActionModule(ControllerAction):
    """Takes one step of a rollout on the controller, for all hosts at once."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {"argument_spec": {
        "step": {"type": "str", "required": True, "choices": list(STEPS)},
        "phase": {"type": "int", "default": 0},
        "alone": {"type": "bool", "default": False},
        "variables": {"type": "dict", "default": {}},
    }}

    def work(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        call = Call(
            variables=variables, given=arguments["variables"], phase=arguments["phase"],
            alone=arguments["alone"], check_mode=self._task.check_mode, directory=Path(constants.DEFAULT_LOCAL_TMP),
            find=lambda source: find_source(self, source, f"{PREFIX}src"), say=say,
            check_tasks=lambda path, option: check_user_tasks(path, option, self._task, self._loader),
            now=time.time, tick=time.monotonic, sleep=time.sleep, limited=bool(context.CLIARGS.get("subset")),
            environment=os.environ, unread=lambda: unread_sources(variables["hostvars"]))
        return take_step(arguments["step"], call)
