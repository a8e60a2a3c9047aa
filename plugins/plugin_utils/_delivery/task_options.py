# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of a module that a playbook of this collection sets all at once.

Ansible compiles each template of a task again in the process of each host: ten templates took a third of the task's
time. So a rollout has one template, and the options are the value `options` in it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain


def with_options(arguments: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The arguments of a task, with `options` of `via_controller` as arguments; those of the task itself go first."""
    given = arguments.get("via_controller")
    if not isinstance(given, Mapping) or not isinstance(given.get("options"), Mapping):
        return dict(arguments)
    internal = to_plain({key: given[key] for key in given if key != "options"})
    return {**to_plain(given["options"]), **arguments, "via_controller": internal}
