# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of patch_rollback: the host is told who asks, and nobody else is."""

from __future__ import annotations

from unittest import mock

import pytest

from ansible_collections.kernel.livepatch.plugins.action import patch_rollback
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import host_action
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest


@pytest.fixture
def action(monkeypatch):
    """Build an action for a task with these keywords, on a host that answers with its options."""
    def build(**keywords):
        monkeypatch.setattr(host_action, "operator", lambda: {"user": "alice", "node": "control1"})
        task = mock.Mock(action="kernel.livepatch.patch_rollback", **dict(
            {"args": {"to": "original"}, "async_val": 0, "check_mode": False}, **keywords))
        connection = mock.Mock(has_native_async=False)
        module = patch_rollback.ActionModule(task, connection, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        module._execute_module = mock.Mock(side_effect=lambda module_args, **_keywords: honest(
            "patch_rollback", changed=True, invocation={"module_args": dict(module_args)}))
        return module
    return build


def test_the_host_is_told_who_asks_and_the_result_does_not_show_it(action):
    module = action()
    result = module.run(task_vars={})
    assert module._execute_module.call_args.kwargs == {
        "module_args": {"to": "original", "via_controller": {"operator": {"user": "alice", "node": "control1"}}},
        "task_vars": {}}
    assert (result["changed"], result["invocation"]) == (True, {"module_args": {"to": "original"}})


def test_it_does_not_run_in_the_background_because_the_result_would_not_be_checked(action):
    module = action(async_val=60)
    result = module.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "bad-option")
    assert "Remove async and poll" in result["msg"]
    assert module._execute_module.call_count == 0


def test_a_result_without_what_was_called_is_passed_on(action):
    module = action()
    module._execute_module = mock.Mock(return_value={"failed": True, "msg": "unreachable"})
    assert module.run(task_vars={})["failed"] is True
