# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The head of a report: the outcome, the states of the hosts, and what to do next."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import (
    UNCERTAIN_STATES,
    UNKNOWN_STATE,
    clock,
    moment,
    state_word,
    state_words,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts, number_of

Record = Mapping[str, t.Any]

# Shown when no state is uncertain. A rollout does not know the patches of a host that was never queried.
CERTAIN = {
    "rollout": "The result of every change is known.",
    "status": "The state of every host is known.",
    "rollback": "The result of every change is known.",
    "preflight": "Every host was checked.",
}


class Verdict(t.NamedTuple):
    """The head of a report; `tone` as in StateLabel, and sentences."""

    tone: str
    sign: str
    what: str
    stands: Sequence[str]
    todo: Sequence[str]


def verdict(record: Record) -> Verdict:
    hosts = by_state(record)
    tone = _tone(record, hosts)
    functions = {
        "rollout": (_rollout, _todo_after_rollout), "status": (_status, _todo_after_status),
        "rollback": (_rollback, _todo_after_rollback), "preflight": (_preflight, _todo_after_preflight)}
    what, todo = functions[record["kind"]]
    return Verdict(
        tone, {"good": "✓", "calm": "○", "warn": "!", "bad": "✗"}[tone], what(record, hosts),
        _host_states(record, hosts), todo(record, hosts) or ["Nothing has to be done."])


def by_state(record: Record) -> dict[str, list[str]]:
    """The hosts of each state, in the order of the states; states without hosts are omitted."""
    found: dict[str, list[str]] = {state: [] for state in state_words(record)}
    for name, host in record["hosts"].items():
        found.setdefault(str(host.get("state")), []).append(name)
    return {state: names for state, names in found.items() if names}


def failed_hosts(record: Record) -> list[str]:
    return [name for name, host in record["hosts"].items() if host.get("failure")]


def _tone(record: Record, hosts: Mapping[str, Sequence[str]]) -> str:
    if record.get("outcome") == "running":
        return "warn"
    if record.get("outcome") == "planned":
        return "warn" if failed_hosts(record) else "calm"
    if record["kind"] == "rollout" and not record.get("breach") and _waiting(record) and not failed_hosts(record):
        return "warn"
    if record.get("breach") or not record.get("ok"):
        return "bad"
    if record["kind"] == "preflight" and set(hosts) == {"no_build"}:
        return "warn"
    tones = {state_word(record, host).tone for host in record["hosts"].values()}
    return "warn" if tones & {"warn", "bad"} or record.get("drifted") else "good"


def _rollout(record: Record, hosts: Mapping[str, Sequence[str]]) -> str:
    covered = [name for name, host in record["hosts"].items() if host.get("state") != "no_build"]
    waves, outcome, failed = record.get("waves") or [], record.get("outcome"), failed_hosts(record)
    if not covered:
        return "Nothing to roll out: there is no build for any of the hosts."
    if outcome == "planned":
        to_do, done = len(hosts.get("pending", ())), len(hosts.get("accepted", ())) + len(hosts.get("enabled", ()))
        parts = [
            f"{number_of(to_do, 'host')} would be patched in {number_of(len(waves), 'wave')}",
            *([f"{done} already have the patch"] if done else []),
            *([f"{len(failed)} would fail or could not be checked"] if failed else [])]
        return f"A plan, nothing was changed: {', '.join(parts)}."
    if record.get("ok"):
        wanted = (record.get("options") or {}).get("state", "accepted")
        all_of_them = (
            f"all {len(covered)} hosts with a build have" if len(covered) > 1 else "the one host with a build has")
        return f"Complete: {all_of_them} the patch {wanted} and verified."
    where = _stopped_wave(waves)
    breach = record.get("breach")
    if breach:
        at = where if breach.get("wave") else " before the first wave"
        return f"Stopped{at}: {breach.get('why') or 'Failure budget exceeded'}."
    if outcome == "running":
        return f"Still running{where}: the report shows the state at the time of writing."
    waiting = _waiting(record)
    if waiting:
        number = f"{waiting.get('number')} of {len(waves)} ({waiting.get('title')})"
        if waiting.get("waits_for", "approval") == "approval":
            return f"Stopped before wave {number}, which needs an approval."
        return f"Stopped before wave {number}: {waiting.get('why')}."
    if outcome == "stopped":
        return f"Stopped{where}: not every wave reached its gate."
    return f"Over, but {len(failed)} of {number_of(len(covered), 'host')} with a build failed."


def _waiting(record: Record) -> Record | None:
    """The wave that waits for approval, the window, trials of other hosts or the end of a halt."""
    return next((wave for wave in record.get("waves") or () if wave.get("state") == "waits"), None)


def _stopped_wave(waves: Sequence[Record]) -> str:
    """The wave that did not pass, as a part of a sentence; empty when all passed."""
    stood = [wave for wave in waves if wave.get("state") in ("open", "failed", "waits")]
    return f" in wave {stood[0].get('number')} of {len(waves)} ({stood[0].get('title')})" if stood else ""


def _status(record: Record, hosts: Mapping[str, Sequence[str]]) -> str:
    total, silent, drifted = len(record["hosts"]), _hosts_without_result(hosts), record.get("drifted") or []
    if not total:
        return "There was no host to query."
    wrong = [f"{len(silent)} could not be queried"] if silent else []
    wrong += [f"{len(drifted)} {'has' if len(drifted) == 1 else 'have'} drifted"] if drifted else []
    if wrong:
        return f"Of {number_of(total, 'host')}, {' and '.join(wrong)}."
    return f"{number_of(total, 'host')} queried, no drift."


def _hosts_without_result(hosts: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for state in ("unchecked", "unreachable", "no_result") for name in hosts.get(state, ())]


def _rollback(record: Record, hosts: Mapping[str, Sequence[str]]) -> str:
    total, bad = len(record["hosts"]), _hosts_not_rolled_back(hosts)
    if not total:
        return "There was no host to roll back."
    if record.get("check_mode"):
        parts = [f"{len(hosts.get('planned', ()))} of {number_of(total, 'host')} would be rolled back"]
        parts += [f"{len(bad)} would fail or could not be checked"] if bad else []
        return f"A plan, nothing was changed: {', '.join(parts)}."
    if bad:
        are = "is" if len(bad) == 1 else "are"
        return f"{len(bad)} of {number_of(total, 'host')} {are} not in the requested state."
    return f"{number_of(total, 'host')} in the requested state, verified."


def _hosts_not_rolled_back(hosts: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for state in ("in_transition", "failed", "unreachable", "no_result") for name in hosts.get(state, ())]


def _preflight(record: Record, hosts: Mapping[str, Sequence[str]]) -> str:
    total, silent = len(record["hosts"]), _hosts_without_result(hosts)
    covered = total - len(hosts.get("no_build", ()))
    if not total:
        return "There was no host to check."
    if not covered:
        return "There is no build for any of the hosts."
    wrong = [f"{len(hosts['blocked'])} blocked"] if hosts.get("blocked") else []
    wrong += [f"{len(silent)} not checked"] if silent else []
    if wrong:
        return f"The patch would not work everywhere: of {number_of(total, 'host')}, {' and '.join(wrong)}."
    where = f"all {covered} hosts" if covered > 1 else "the one host"
    return f"The patch would work on {where} with a build."


def _label(record: Record, state: str) -> t.Any:
    return state_words(record).get(state, UNKNOWN_STATE)


def _host_states(record: Record, hosts: Mapping[str, Sequence[str]]) -> list[str]:
    """The host states: one sentence for each state, the uncertain ones first."""
    order = {"bad": 0, "warn": 1, "good": 2, "calm": 3}
    words = sorted(((_label(record, state), state) for state in hosts), key=lambda one: order[one[0].tone])
    sure = hosts and record.get("outcome") not in ("running", "planned") and not set(UNCERTAIN_STATES) & set(hosts)
    lines = [CERTAIN[record["kind"]]] if sure else []
    for word, state in words:
        names = hosts[state]
        until = _last_trial(record, names) if state in ("on_trial", "reverting") else None
        by = f", the last by {until}" if until else ""
        lines.append(f"{len(names)} {word.words}: {word.means}{by} ({join_hosts(names)}).")
    return lines


def _last_trial(record: Record, names: Sequence[str]) -> str | None:
    ends = [record["hosts"][name].get("trial_ends") for name in names]
    times = [(seconds, end) for end in ends if (seconds := moment(end)) is not None]
    return clock(max(times)[1], day=True) if times else None


def _todo_after_rollout(record: Record, hosts: Mapping[str, Sequence[str]]) -> list[str]:
    todo = []
    if hosts.get("unknown"):
        todo.append(f"First check {join_hosts(hosts['unknown'])} with the playbook kernel.livepatch.status.")
    if hosts.get("waiting"):
        todo.append(
            f"Restart the tasks that hold the transition on {join_hosts(hosts['waiting'])} (see below), or wait.")
    back = hosts.get("reverting")
    if back:
        until = _last_trial(record, back)
        todo.append(
            f"Check{' after ' + until if until else ' later'} with the playbook kernel.livepatch.status that "
            f"{join_hosts(back)} {'has' if len(back) == 1 else 'have'} reverted.")
    failed = failed_hosts(record)
    if failed:
        todo.append(
            f"Fix the failures on {join_hosts(failed)} (see below), then run the rollout again. It continues from "
            "there.")
    elif record.get("outcome") == "planned" and hosts.get("pending"):
        todo.append("Review the waves, then run it without --check.")
    waiting = _waiting(record)
    if waiting:
        todo.append(_todo_for_waiting(record, waiting))
    if record.get("outcome") == "running":
        todo.append("If that run has ended, run it again. It continues from there.")
    if hosts.get("on_trial") and not failed:
        todo.append("Run it again before the trials end. Otherwise those hosts revert.")
    elif record.get("outcome") in ("stopped", "complete") and not (record.get("ok") or failed or waiting):
        todo.append("Fix the cause, then run it again. It continues from there.")
    if hosts.get("enabled") and record.get("ok"):
        todo.append("Accept the patch before a host reboots. Otherwise the host boots without it.")
    return todo + _todo_no_build(record, hosts.get("no_build") or [])


def _todo_for_waiting(record: Record, wave: Record) -> str:
    """How to start a wave that waits; the head says for what, and for the window and for trials until when."""
    number, waits_for = wave.get("number"), wave.get("waits_for", "approval")
    if waits_for == "approval":
        approved = ",".join(map(str, [*((record.get("options") or {}).get("approved") or []), number]))
        return f"Approve wave {number}: run it again with -e livepatch_approved={approved}."
    if waits_for == "halt":
        return f"Remove the halt file, then run it again. It continues with wave {number}."
    if waits_for == "shards":
        return "Start all shards again with a new livepatch_shard_dir. They continue from there."
    return f"Run it again at the time above. It continues with wave {number}."


def _todo_no_build(record: Record, names: Sequence[str]) -> list[str]:
    kernels = sorted({str(record["hosts"][name].get("kernel")) for name in names})
    if not names:
        return []
    hosts = number_of(len(names), "host")
    return [f"Build the patch for {join_hosts(kernels)}: {hosts} without a build, still vulnerable."]


def _todo_after_status(record: Record, hosts: Mapping[str, Sequence[str]]) -> list[str]:
    todo = []
    silent = _hosts_without_result(hosts)
    if silent:
        todo.append(f"Fix the errors of {join_hosts(silent)} (see below), then run it again.")
    drifted = record.get("drifted") or []
    if drifted:
        todo.append(f"Fix the drift on {join_hosts(drifted)} (see below).")
    if hosts.get("on_trial"):
        todo.append(
            f"Accept the patch on {join_hosts(hosts['on_trial'])} before the trial ends. Otherwise the host reverts.")
    advised = [name for name, host in record["hosts"].items() if (host.get("coverage") or {}).get("reboot")]
    if advised:
        todo.append(f"Reboot {join_hosts(advised)} into a fixed kernel, for what no live patch closes (see below).")
    return todo + _todo_no_build(record, record.get("no_build") or [])


def _todo_after_preflight(record: Record, hosts: Mapping[str, Sequence[str]]) -> list[str]:
    todo = []
    if hosts.get("blocked"):
        todo.append(f"Fix the blockers of {join_hosts(hosts['blocked'])} (see below), then run it again.")
    silent = _hosts_without_result(hosts)
    if silent:
        todo.append(f"Fix the errors of {join_hosts(silent)} (see below), then run it again.")
    return todo + _todo_no_build(record, hosts.get("no_build") or [])


def _todo_after_rollback(record: Record, hosts: Mapping[str, Sequence[str]]) -> list[str]:
    bad = _hosts_not_rolled_back(hosts)
    if bad:
        return [
            f"Fix the failures on {join_hosts(bad)} (see below), then run it again. Finished hosts stay unchanged."]
    return ["Run it without --check."] if record.get("check_mode") and hosts.get("planned") else []
