# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.action import BuildAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.build import summarize_builds


class ActionModule(BuildAction):
    """Builds a patch for several kernels on the host of the task, and sums up. A build that fails fails no other."""

    _supports_async = False

    def _run_on_host(self, task_vars: dict) -> dict:
        arguments = self._with_arguments({
            "builds": {"type": "list", "elements": "dict", "required": True},
            "parallel": {"type": "int", "required": True},
        })
        results = self._run_builds(arguments["builds"], arguments["parallel"], task_vars)
        labels = [build["kernel"]["release"] or build["kernel"]["source"] for build in arguments["builds"]]
        summary = summarize_builds(labels, results)
        return {
            "changed": any(result.get("changed") for result in results), **summary,
            "diff": [result["diff"] for result in results if result.get("diff")]}
