# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the action plugin of a module for a host that follows a script."""

from __future__ import annotations

from unittest import mock

import pytest


@pytest.fixture
def action(tmp_path, monkeypatch):
    """Build an action for some options on a host that answers with `answers`, in turn."""
    from ansible_collections.kernel.livepatch.plugins.action.patch import ActionModule
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import action as action_module
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery import host_action
    from ansible_collections.kernel.livepatch.tests.unit.plugins.action.scripted_host import OPERATOR, ScriptedCache

    def build(options, answers, cache=None, name="patch"):
        monkeypatch.setattr(host_action, "operator", lambda: OPERATOR)
        monkeypatch.setattr(action_module, "ParseCache", lambda _directory: cache or ScriptedCache(tmp_path))
        task = mock.Mock(action=f"kernel.livepatch.{name}", args=options, async_val=0, check_mode=False, diff=False)
        connection = mock.Mock()
        connection._shell.join_path = lambda *parts: "/".join(parts)
        module = ActionModule(task, connection, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        module._execute_module = mock.Mock(side_effect=answers)
        module._find_needle = lambda _kind, name: str(tmp_path / name)
        module._make_tmp_path = mock.Mock(return_value="/root/tmp")
        module._transfer_file = mock.Mock()
        module._fixup_perms2 = mock.Mock()
        return module
    return build
