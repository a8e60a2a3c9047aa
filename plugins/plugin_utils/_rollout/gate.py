# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The gate: whether a rollout continues, and which hosts are accepted or rolled back."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import (
    STATES_WITH_PATCH,
    TASK_SKIPPED,
    Record,
    fail,
    failed_hosts,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import failure_sentence
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import hosts_of_wave, watched_hosts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import RollbackVerdict
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

AT_PLAN = 0
NO_AFTER = "livepatch_after did not end on every host of the wave"
NO_GATE = "the wave ended before its gate, for example by a task of your own"


def judge_budget(record: Record, wave: int) -> bool:
    """Record a breach, once, when more hosts have failed than allowed. Returns whether there is a breach."""
    failed = failed_hosts(record)
    allowed = record["options"]["budget"]["hosts"]
    if record["breach"] is None and len(failed) > allowed:
        first = record["hosts"][failed[0]]["failure"]
        sentence = failure_sentence((first["code"], first["message"])).rstrip(".")
        # Many hosts can fail for one reason, each with its own words for it.
        alike = [name for name in failed if record["hosts"][name]["failure"]["code"] == first["code"]]
        others = len(failed) - len(alike)
        _stop(record, wave, f"Failure budget exceeded: {len(failed)} failed, {allowed} allowed "
                            f"({join_hosts(alike)}: {sentence}"
                            f"{f'; {others} with another failure' if others else ''})")
    return record["breach"] is not None


def stop_without_gate(record: Record, wave: Record) -> None:
    """Stop at a wave without a gate: its state is unknown."""
    if not judge_budget(record, wave["number"]):
        _stop(record, wave["number"], NO_GATE)


def stop_after_hook(record: Record, wave: Record) -> None:
    """Stop at a wave whose last task file did not end; its patches are well, so no host is rolled back for it."""
    if not judge_after(record, wave["number"]):
        _stop(record, wave["number"], NO_AFTER, "hold")


def judge_after(record: Record, wave: int) -> bool:
    """Record a breach like `judge_budget`. A failed `livepatch_after` says nothing against a patch: no rollback."""
    before = record["breach"]
    if judge_budget(record, wave) and before is None:
        record["breach"]["action"] = "hold"
    return record["breach"] is not None


def stop_for_shard(record: Record, wave: int, why: str, shard: int) -> None:
    """Stop because of another shard: after its breach in a wave, in the same way as this shard would after its own.

    Without the number of a shard, no host has failed, and none is rolled back.
    """
    _stop(record, wave, why, None if shard else "hold")
    record["breach"]["shard"] = shard or None


def _stop(record: Record, wave: int, why: str, action: str | None = None) -> None:
    options = record["options"]
    record["breach"] = {
        "wave": wave, "failed": failed_hosts(record), "budget": options["budget"]["hosts"],
        "action": action or options["on_breach"], "why": why}


def hosts_to_watch(record: Record, wave: Record) -> dict[str, Record]:
    """The hosts of a wave to watch; none after a breach."""
    return {} if record["breach"] else watched_hosts(record, wave)


def hosts_of_phase(record: Record, wave: Record, phase: Record) -> dict[str, Record]:
    """The hosts that take part in a phase (see schedule.py) before the acceptance."""
    hosts = hosts_to_watch(record, wave)
    return {name: hosts[name] for name in hosts_without_watch(hosts)} if phase.get("final") else hosts


def hosts_without_watch(hosts: Mapping[str, Record]) -> list[str]:
    """The hosts that the controller has to look at, because they have no trial, or their transition goes on."""
    return [name for name, host in hosts.items() if not host["watched"] or host["state"] == "waiting"]


def hosts_to_accept(record: Record, wave: Record) -> list[str]:
    """The hosts that have passed the phases before: each of them is asked for the verdict of its watch."""
    return [name for name, host in hosts_to_watch(record, wave).items() if host["state"] == "on_trial"]


def failed_hosts_to_roll_back(record: Record, wave: Record) -> list[str]:
    """Without a breach, the failed hosts of a wave to roll back."""
    if record["breach"]:
        return []
    return _can_roll_back({name: host for name, host in hosts_of_wave(record, wave).items() if host["failure"]})


def hosts_to_roll_back(record: Record) -> list[str]:
    """After a breach, the hosts to roll back."""
    return _can_roll_back(_hosts_of_breach(record))


def hosts_not_ours(record: Record) -> list[str]:
    """After a breach, the hosts with the patch enabled before, without a trial: this run has no load to roll back."""
    return [name for name, host in _hosts_of_breach(record).items()
            if not host["transaction"] and host["state"] in ("accepted", "enabled")]


def _hosts_of_breach(record: Record) -> dict[str, Record]:
    """The hosts affected by a breach."""
    breach = record["breach"]
    if not breach or breach["action"] == "hold":
        return {}
    return {
        name: host for name, host in record["hosts"].items()
        if not host["done"] and (breach["action"] == "rollback_all" or host["wave"] == breach["wave"])}


def _can_roll_back(hosts: Mapping[str, Record]) -> list[str]:
    return [name for name, host in hosts.items() if host["transaction"] and host["state"] in STATES_WITH_PATCH]


def record_rollback(record: Record, verdicts: Mapping[str, RollbackVerdict], now: float) -> None:
    """Record the result of the rollback of each host."""
    for name, one in verdicts.items():
        host = record["hosts"][name]
        if one.verdict in ("rolled_back", "unchanged"):
            host.update(state="rolled_back", back_at=utc_timestamp(now), trial_ends=None, accepted_at=None)
            host["functions"] = [dict(function, state="absent") for function in host["functions"]]
        else:
            # On trial it reverts automatically. Accepted, it stays.
            fail(host, "back", one.failure or TASK_SKIPPED, "reverting" if host["trial_ends"] else "unknown")


def close(record: Record, wave: Record, now: float) -> bool:
    """Record the end of a wave; returns whether the next wave can start."""
    breached = judge_budget(record, wave["number"])
    wave.update(state="failed" if breached else "passed", closed=utc_timestamp(now))
    if breached:
        wave["why"] = record["breach"]["why"]
    return not breached


def end(record: Record, now: float) -> None:
    """Record the end of the rollout: `ok` when every host with a build is in the requested state."""
    wanted = ("accepted",) if record["options"]["state"] == "accepted" else ("enabled", "accepted")
    covered = [host for host in record["hosts"].values() if host["state"] != "no_build"]
    for host in covered:
        if host["state"] == "on_trial" and not host["trial_ends"]:  # as it was found
            host["state"] = "accepted" if host["accepted_at"] else "enabled"
    for wave in record["waves"]:
        if record["check_mode"]:
            wave.update(state="pending", why=None)
        elif wave["state"] == "pending":
            wave.update(state="skipped", why="the rollout stopped before this wave")
    if record["check_mode"]:
        record.update(outcome="planned", ok=not record["failures"] and not record["breach"])
    else:
        done = all(host["state"] in wanted and not host["failure"] for host in covered)
        through = not record["breach"] and all(wave["state"] == "passed" for wave in record["waves"])
        record.update(outcome="complete" if through else "stopped", ok=done and not record["breach"])
    record["ended"] = utc_timestamp(now)
