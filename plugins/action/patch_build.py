# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.build_options import BUILD_OPTIONS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.action import BuildAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction


class ActionModule(BoundedAction, BuildAction):
    """The controller's half of the module of this name."""

    def _run_on_host(self, task_vars: dict) -> dict:
        return self._run_builds([self._with_arguments(dict(BUILD_OPTIONS))], 1, task_vars)[0]
