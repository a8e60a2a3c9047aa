# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.playbooks import PLAYBOOKS, read_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError


class ActionModule(ActionBase):
    """Reads the options of a playbook on the controller, once, before the playbook asks any host."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        _all, arguments = self.validate_argument_spec({
            "playbook": {"type": "str", "required": True, "choices": list(PLAYBOOKS)},
            "variables": {"type": "dict", "default": {}},
        })
        try:
            options = read_options(arguments["playbook"], arguments["variables"], task_vars or {}, self._resolve)
            result.update(changed=False, **options)
        except (PatchFileError, TaskError) as error:
            result.update(failed=True, msg=error.message, code=error.code)
        return result

    def _resolve(self, value: t.Any) -> t.Any:
        try:
            return self._templar.template(value)
        except AnsibleError:
            return None
