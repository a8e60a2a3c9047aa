# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call that keeps a patch at the end of a rollout's wave, with a host that follows a script."""

from __future__ import annotations

from unittest import mock

import pytest

from ansible_collections.kernel.livepatch.plugins.action.patch import ActionModule
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest

KEPT = honest("patch", changed=True, patch=dict(
    honest("patch")["patch"], state="accepted", previous_state="enabled"), findings=[])


@pytest.mark.parametrize("fresh", [True, "yes"])
@pytest.mark.parametrize("state", ["accepted", "enabled"])
def test_it_is_one_call_over_a_new_connection_and_never_loads(fresh, state):
    options = {"name": "fix", "state": state, "via_controller": {"fresh": fresh}}
    task = mock.Mock(action="kernel.livepatch.patch", args=options, async_val=0, check_mode=False, diff=False)
    module = ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    module._execute_module = mock.Mock(side_effect=[dict(KEPT)])
    calls = mock.Mock()
    calls.attach_mock(module._execute_module, "module")
    calls.attach_mock(module._connection.reset, "reset")
    assert module.run(task_vars={})["patch"] == KEPT["patch"]
    assert [name for name, _words, _options in calls.mock_calls] == ["reset", "module"]
    assert module._execute_module.call_args.kwargs["module_args"]["via_controller"]["fresh"] is True
