# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of a module that a playbook of this collection sets all at once.

Ansible compiles each template of a task again in the process of each host: ten templates took a third of the task's
time, and three still a fifth. So a rollout has none in its tasks for every host. `via_controller` names the task, and
the result of the last step has its options: NAME_task, timeouts.NAME, and the hosts in NAME.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import to_plain

STEP = "__livepatch_step"  # the registered result of the last step of a rollout


class StepTask(t.NamedTuple):
    """A task of a rollout on one host: its arguments, its bound in seconds, and whether the host has no part in it."""

    arguments: dict[str, t.Any]
    bound: int = 0
    skipped: bool = False


def read_task(arguments: Mapping[str, t.Any], variables: Mapping[str, t.Any]) -> StepTask:
    """The task for a host, with the `via_controller` of the last step if the task names one of its tasks.

    `patch_of` in that names a registered result, of which the option `name` is the name of the patch.
    """
    given = arguments.get("via_controller")
    name = given.get("task") if isinstance(given, Mapping) else None
    if not isinstance(name, str):
        return StepTask(dict(arguments))
    step = variables[STEP]
    hosts = step.get(name)
    if hosts is not None and variables["inventory_hostname"] not in hosts:
        return StepTask(dict(arguments), skipped=True)
    options = dict(step[f"{name}_task"])
    result = options.pop("patch_of", None)
    named = {"name": variables[result]["patch"]["name"]} if result else {}
    return StepTask({**arguments, **named, "via_controller": options}, step["timeouts"][name])


def with_options(arguments: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The arguments of a task, with `options` of `via_controller` as arguments; those of the task itself go first."""
    given = arguments.get("via_controller")
    if not isinstance(given, Mapping) or not isinstance(given.get("options"), Mapping):
        return dict(arguments)
    internal = to_plain({key: given[key] for key in given if key != "options"})
    return {**to_plain(given["options"]), **arguments, "via_controller": internal}
