# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a task: `patch`, and the diff of the functions by patch."""

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import claimed_objects
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import replacement


def patch_result(host, name, **known):
    """The `patch` of a result, every key always present."""
    result = {
        "name": name, "state": None, "previous_state": None, "kernel": host.release(), "sha256": None, "build_id": None,
        "objects": [], "replaces": [], "transition_seconds": None,
    }
    unknown = set(known) - set(result)
    if unknown:
        raise KeyError(f"not a key of the patch result: {', '.join(sorted(unknown))}")
    result.update(known)
    return result


def stack_text(patches):
    """The patches in stack order with their state and functions, as lines for a diff."""
    lines = []
    for patch in patches:
        lines.append(f"{patch['name']}: {patch['state']}")
        for entry in patch["objects"]:
            lines.extend(
                f"  {entry['name']}:{function['name']},{function['sympos']}" for function in entry["functions"])
    return "".join(line + "\n" for line in lines) or "no live patch\n"


def stack_diff(host, before, after):
    """A diff in Ansible's format."""
    where = f"live patches of {host.release()}"
    return {"before_header": where, "after_header": where, "before": stack_text(before), "after": stack_text(after)}


def forecast_stack(before, name, state, description):
    """The stack after a change that is not made, for check mode.

    Replaced patches are only forecast if the file tells them.
    """
    others = [patch for patch in before if patch["name"] != name]
    if state != "enabled":
        return others
    replaced = replacement(description, others).replaced
    others = [patch for patch in others if patch["name"] not in replaced]
    return [*others, {"name": name, "state": "enabled", "objects": claimed_objects(description)}]
