# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What became of the hosts of a stopped rollout, in one sentence."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

Record = Mapping[str, t.Any]

WHERE = {"rollback_wave": "of this wave", "rollback_all": "of this wave and of all earlier waves"}
NOT_PATCHED = ("unchanged", "pending", "no_build")  # states
HAD_PATCH = ("accepted", "enabled")  # states that a host can have from an earlier rollout too


def breach_result(record: Record) -> str:
    """Whether the hosts were rolled back, by their states and not by what was wanted; empty without a breach."""
    breach = record.get("breach")
    if not breach:
        return ""
    where = WHERE.get(str(breach.get("action")))
    if where is None:
        return "No host was to be rolled back."
    if record.get("outcome") == "running":
        return f"The hosts {where} are to be rolled back."
    states = _patched_hosts(record, breach, breach["action"] == "rollback_all")
    left = [name for name, state in states.items() if state != "rolled_back"]
    back = len(states) - len(left)
    if not states:
        return f"No host {where} was patched."
    if left:
        return (
            f"{back} of {len(states)} patched {'host' if len(states) == 1 else 'hosts'} {where} "
            f"{'was' if back == 1 else 'were'} rolled back, and not {join_hosts(left)}.")
    return f"The one patched host {where} was rolled back." if back == 1 else (
        f"All {back} patched hosts {where} were rolled back.")


def _patched_hosts(record: Record, breach: Record, with_earlier: bool) -> dict[str, str]:
    """The states of the hosts that this rollout has patched, or perhaps has, in the waves that are rolled back."""
    waves = [
        wave for wave in record.get("waves") or ()
        if wave.get("opened") and (with_earlier or wave.get("number") == breach.get("wave"))]
    hosts = {name: record["hosts"][name] for wave in waves for name in wave["hosts"] if name in record["hosts"]}
    states = {
        name: str(host.get("state")) for name, host in hosts.items()
        if host.get("loaded_at") or host.get("state") not in HAD_PATCH}
    return {name: state for name, state in states.items() if state not in NOT_PATCHED}
