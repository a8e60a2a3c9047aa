# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The acceptance of a patch takes two calls of the module, the second over a new connection."""

from __future__ import annotations

from ansible.plugins.connection import ConnectionBase

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import merge


def reset_connection(connection: ConnectionBase) -> None:
    """Make the next call use a new connection, to prove that the host still accepts connections."""
    if getattr(connection.reset, "__func__", None) is ConnectionBase.reset:  # nothing outlives a close
        connection.close()
    else:
        connection.reset()


def merge_results(load: dict, acceptance: dict) -> dict:
    """The result of a task from the checked results of its two calls."""
    result = dict(acceptance, changed=bool(load.get("changed") or acceptance.get("changed")))
    result["findings"] = merge(load.get("findings") or [], acceptance.get("findings") or [])
    result["baseline"] = load.get("baseline")  # the host before it was changed
    if result.get("failed"):
        return result
    result["blockers"] = merge(load.get("blockers") or [], acceptance.get("blockers") or [])
    result["transaction"] = load.get("transaction") or acceptance.get("transaction")
    first = {key: load["patch"][key] for key in ("previous_state", "replaces", "transition_seconds")}
    result["patch"] = dict(acceptance["patch"], **first)
    if "diff" in load and "diff" in acceptance:
        result["diff"] = dict(acceptance["diff"], before=load["diff"].get("before", ""))
    return result
