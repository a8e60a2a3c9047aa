# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.states import host_facts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.host_action import HostAction


class ActionModule(BoundedAction, HostAction):
    """The controller's half of the module of this name.

    It makes the facts from the checked result: a host sets no facts.
    """

    def _run_on_host(self, task_vars: dict) -> dict:
        result = super()._run_on_host(task_vars)
        if boolean(self._task.args.get("facts", False), strict=False) and not result["failed"]:
            result["ansible_facts"] = {"livepatch": host_facts(result["livepatch"])}
        return result
