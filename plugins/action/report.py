# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import check_report_dir, write_report
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError


class ActionModule(ActionBase):
    """Writes the files of a report on the controller, once for all hosts."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        _all, arguments = self.validate_argument_spec({
            "dir": {"type": "str", "required": True},
            "record": {"type": "dict"},
        })
        try:
            if arguments["record"] is None:
                result.update(changed=False, dir=str(check_report_dir(arguments["dir"])))
            else:
                paths = write_report(arguments["record"], arguments["dir"])
                result.update(changed=True, **paths)
        except TaskError as error:
            result.update(failed=True, msg=error.message, code=error.code)
        return result
