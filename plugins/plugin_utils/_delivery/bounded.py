# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""A task that asks a host, within its bound: that of a rollout's step, or the keyword `timeout`.

The task is ended by a signal in the worker process. Afterwards Ansible removes the temporary files of the task on the
host, without a bound: a host that stands still would stop the worker there, and with it the run.
"""

from __future__ import annotations

import contextlib
import signal
import typing as t
from collections.abc import Iterator

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.task_options import read_task
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import FAILURES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import HOST_SILENT

CLEANUP_SECONDS = 60  # to remove temporary files
# Of the exception that Ansible raises. It is defined elsewhere in each version of ansible-core, and always private.
_ENDED_BY_ANSIBLE = "TaskTimeoutError"


class _CleanupEnded(BaseException):
    """No Exception: what Ansible runs below must not handle it."""


class _TaskEnded(BaseException):
    """As above, for the task itself."""


class BoundedAction(ActionBase):
    """The first base of an action plugin for hosts. A host that exceeds the bound has failed with `host-silent`.

    The host of a task of a rollout is skipped if it has no part in it. A condition in the task would cost a template.
    """

    _silent = False

    def run(self, tmp: str | None = None, task_vars: dict | None = None) -> dict:
        task = read_task(self._task.args, task_vars or {})
        if task.skipped:
            return {"changed": False, "skipped": True}
        self._task.args = task.arguments
        try:
            with _bound(task.bound, _TaskEnded):
                return super().run(tmp, task_vars)
        except BaseException as error:
            if not isinstance(error, _TaskEnded) and type(error).__name__ != _ENDED_BY_ANSIBLE:
                raise
            self._silent = True
            return {"failed": True, "changed": False, "code": HOST_SILENT, "msg": FAILURES[HOST_SILENT]}

    def cleanup(self, force: bool = False) -> None:
        """Remove temporary files on the host; on a silent host they stay."""
        if self._silent:
            return
        try:
            with _bound(CLEANUP_SECONDS, _CleanupEnded):
                super().cleanup(force)
        except _CleanupEnded:
            Display().warning("The host did not answer when temporary files were removed, so they may still be there.")


@contextlib.contextmanager
def _bound(seconds: int, error: type[BaseException]) -> Iterator[None]:
    """Raise an error in the block after some seconds; 0 for no bound."""
    def end(_signal: int, _frame: t.Any) -> None:
        raise error

    if not seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
