# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import unread_sources
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.playbooks import PLAYBOOKS, read_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.controller_action import ControllerAction


class ActionModule(ControllerAction):
    """Reads the options of a playbook on the controller, once, before the playbook asks any host."""

    SPEC: t.ClassVar[dict[str, t.Any]] = {"argument_spec": {
        "playbook": {"type": "str", "required": True, "choices": list(PLAYBOOKS)},
        "variables": {"type": "dict", "default": {}},
    }}

    def work(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        options = read_options(
            arguments["playbook"], arguments["variables"], variables, self._resolve,
            lambda: unread_sources(variables["hostvars"]))
        return {"changed": False, **options}

    def _resolve(self, value: t.Any) -> t.Any:
        try:
            return self._templar.template(value)
        except AnsibleError:
            return None
