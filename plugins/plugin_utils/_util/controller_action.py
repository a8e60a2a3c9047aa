# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What the actions share that work on the controller only, once for all hosts."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.orphan import EndsWithRun


class ControllerAction(ActionBase):
    """An action without a host: SPEC has its arguments and the rules for them, `work` returns its result."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    SPEC: t.ClassVar[dict[str, t.Any]] = {}
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        result = super().run(tmp, task_vars)
        _all, arguments = self.validate_argument_spec(**self.SPEC)
        try:
            with EndsWithRun():
                result.update(self.work(arguments, task_vars or {}))
        except (PatchFileError, TaskError) as error:
            result.update(failed=True, msg=error.message, code=error.code)
        return result

    def work(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the result; raises PatchFileError and TaskError for a failure that the operator can correct."""
        raise NotImplementedError
