# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hooks
type: notification
short_description: Note unreachable hosts in livepatch_before and livepatch_after
version_added: 0.1.0
author:
  - The kernel.livepatch authors (!UNKNOWN)
description:
  - Notes the hosts that are unreachable in a task of C(livepatch_before) or C(livepatch_after). The role
    C(kernel.livepatch.apply) does not load the patch on such a host. The same applies to hosts that a task is
    delegated to.
  - The playbooks C(kernel.livepatch.rollout) and C(kernel.livepatch.apply) load this plugin automatically.
  - It shows nothing and changes no host.
requirements:
  - With the role in a playbook of your own, set C(callbacks_enabled = kernel.livepatch.hooks) in C(ansible.cfg).
"""

import typing as t
from pathlib import Path

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import unreachable


class CallbackModule(CallbackBase):
    """Notes unreachable hosts in hooks, for the steps of a rollout."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kernel.livepatch.hooks"
    # The playbooks of the collection bring it, and no setting of the user has to name it for them.
    CALLBACK_NEEDS_ENABLED = False

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        unreachable.start_listening(Path(constants.DEFAULT_LOCAL_TMP))

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        _note(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        _note(result)

    # ansible-core 2.16 does not count a loop as unreachable if one of its turns is. Later versions do, and since 2.19
    # Ansible copies each result of a host for a callback that has this method.
    if tuple(map(int, ansible_version.split(".")[:2])) < (2, 17):
        def v2_runner_on_ok(self, result: t.Any) -> None:
            _note(result)


def _note(result: t.Any) -> None:
    # The names without an underscore are those of ansible-core 2.19 and later.
    values = getattr(result, "result", None) or result._result
    lost = unreachable.unreachable_in(values)
    if lost is None:
        return
    task, host = getattr(result, "task", None) or result._task, getattr(result, "host", None) or result._host
    if unreachable.is_in_hook(task) and not unreachable.is_tolerated(task):
        name = unreachable.EVERY_HOST if task.run_once else host.get_name()
        unreachable.note(Path(constants.DEFAULT_LOCAL_TMP), name, f"{task.get_name()}: {lost.get('msg', '')}")
