# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import execute, operator


class ActionModule(ActionBase):
    """Runs the module with the user's name for the journal of the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        in_background = bool(self._task.async_val and not self._connection.has_native_async)
        result.update(execute(self, task_vars or {}, wrap_async=in_background, operator=operator()))
        return result
