# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The user of this playbook, for the journal of a host."""

from __future__ import annotations

import getpass
import os
import platform
import typing as t

from ansible.plugins.action import ActionBase


def operator() -> dict[str, str]:
    """The user and the name of the controller: the key `operator` of `via_controller`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        user = str(os.getuid())
    return {"user": user, "node": platform.node()}


def execute(action: ActionBase, task_vars: dict, wrap_async: bool = False, **controller: t.Any) -> dict:
    """Run an action's module with `controller` as its option `via_controller`, and hide that option in the output.

    A value from the playbook is dropped.
    """
    arguments = dict(action._task.args, via_controller=controller)
    result = action._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async)
    result.get("invocation", {}).get("module_args", {}).pop("via_controller", None)
    return result
