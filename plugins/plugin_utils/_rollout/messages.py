# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The progress messages and the summary of a rollout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import NOT_ANSWERING
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import by_failure
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.gate import hosts_not_ours
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.hooks import left_lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import hosts_of_wave
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import failure_line, join_hosts, number_of

WORDS = {
    "accepted": "accepted", "enabled": "enabled", "on_trial": "on trial", "waiting": "in transition",
    "reverting": "reverting automatically", "rolled_back": "rolled back", "unchanged": "unchanged",
    "pending": "not patched", "no_build": "without a build", "unknown": "in an unknown state",
}
ON_BREACH = {
    "rollback_wave": "the wave is rolled back", "rollback_all": "all waves are rolled back",
    "hold": "the rollout stops, and hosts on trial revert automatically",
}
AFTER_BREACH = {
    "rollback_wave": "Rolling back the wave", "rollback_all": "Rolling back all waves",
    "hold": "Rolling back no host, hosts on trial revert automatically",
}
WAVES_WAIT = {
    "approval": "waits for approval", "window": "waits for the window", "trials": "waits for trials of other hosts",
    "halt": "waits for the end of the halt", "shards": "waits for other shards"}
# Other reasons say when to run again.
GO_ON = {"halt": "Remove it and run again", "shards": "Start all shards again with a new livepatch_shard_dir"}
WAVES = {"skipped": "skipped", "open": "unfinished"}
MOST_ALIKE = 3  # waves of one name with lines of their own
PLANNED = {"pending": "would be patched", "unchanged": "cannot be patched"}


def plan_lines(record: Record) -> list[str]:
    """The plan: the waves, and the hosts in no wave."""
    options = record["options"]
    names = ", ".join(patch["name"] for patch in record["patches"])
    done = [name for name, host in record["hosts"].items() if host["done"]]
    ways = "all at once" if record["alone"] else f"in {number_of(len(record['waves']), 'wave')}"
    lines = [f"{names} for {number_of(len(record['hosts']), 'host')}, {ways}:"]
    for waves in _alike(record["waves"]):
        lines += [_planned_wave(record, wave) for wave in waves[:MOST_ALIKE]]
        more = waves[MOST_ALIKE:]
        if more:
            hosts = sum(len(wave["hosts"]) for wave in more)
            lines.append(f"  {_numbers(more)} ({more[0]['name']}): {number_of(hosts, 'host')}")
    if done:
        lines.append(f"  {options['state']} already: {join_hosts(done)}")
    no_build = [name for name, host in record["hosts"].items() if host["state"] == "no_build"]
    if no_build:
        kernels = "its kernel" if len(no_build) == 1 else "their kernels"
        lines.append(f"  without a build for {kernels}, not a failure: {join_hosts(no_build)}")
    lines += [f"  {line}" for line in _failures(record["hosts"], "cannot be patched")]
    lines.append(
        f"  {'all are' if record['alone'] else 'each wave is'} watched for {options['soak']} s, on trial for "
        f"{options['trial']} s, then {options['state']}; {_when_some_fail(record)}")
    if record["trial_raised"]:
        requested = options["asked_trial"]
        lines.append(f"  the trial is longer than the requested {requested} s, because a wave takes longer")
    lines += [f"  {note}" for note in record["notes"]]
    if record["breach"]:
        lines.append(f"nothing is started: {record['breach']['why']}")
    return lines


def _when_some_fail(record: Record) -> str:
    if record["alone"]:
        return "a host that fails is rolled back, and the others continue"
    hosts, then = record["options"]["budget"]["hosts"], ON_BREACH[record["options"]["on_breach"]]
    return f"{_budget_text(hosts)}, and when more fail, {then}" if hosts else f"when a host fails, {then}"


def _budget_text(hosts: int) -> str:
    return f"the failure budget is {number_of(hosts, 'host')}"


def shard_notes(record: Record, covered: int, budget: int) -> list[str]:
    """What a plan says of a shard; `covered` and `budget` are those of the whole fleet."""
    shard, own = record["shard"], record["options"]["budget"]["hosts"]
    mine = sum(host["state"] != "no_build" for host in record["hosts"].values())
    return [
        f"Shard {shard['number']} of {shard['of']}: {mine} of {number_of(covered, 'host')} with a build. Waves are "
        f"those of all shards. Of the failure budget of {number_of(budget, 'host')}, {own} can fail here."]


def _planned_wave(record: Record, wave: Record) -> str:
    approval = ", waits for approval" if wave.get("approval") else ""
    passed = f", {wave['why']}" if wave["state"] == "passed" else ""
    names = [
        f"{name} ({record['hosts'][name]['cohort']})" for name in wave["hosts"]] if wave["title"] == "canary" else (
        wave["hosts"])
    hosts = len(names)
    title = number_of(hosts, "host") if record["alone"] else f"wave {wave['number']}{_wave_suffix(wave, hosts)}"
    return f"  {title}{approval}{passed}{': ' if names else ''}{join_hosts(names)}"


def _wave_suffix(wave: Record, hosts: int) -> str:
    number = number_of(hosts, "host")
    return f" ({number})" if wave["title"] == number else f" ({wave['title']}), {number}"


def heading(record: Record, wave: Record) -> str:
    return "all hosts" if record["alone"] else f"wave {wave['number']} of {len(record['waves'])}"


def opening_line(record: Record, wave: Record) -> str:
    hosts = list(hosts_of_wave(record, wave))
    named = f", {number_of(len(hosts), 'host')}" if record["alone"] else _wave_suffix(wave, len(hosts))
    return f"{heading(record, wave)}{named}: {join_hosts(hosts)}"


def progress_line(record: Record, wave: Record, left: int | None = None) -> str:
    """The progress of a wave: how many hosts are patched, wait (and for which task), failed or are unreachable."""
    hosts = hosts_of_wave(record, wave)
    time = "" if left is None else f"{left} s left: "
    return f"{heading(record, wave)}: {time}{', '.join(_progress_parts(wave, hosts)) or 'nothing to do'}"


def trial_line(record: Record, wave: Record, watched: Iterable[Record]) -> str:
    """When the watched hosts revert if the run ends early."""
    ends = max((host["trial_ends"] for host in watched if host["trial_ends"]), default=None)
    return f"{heading(record, wave)}: " + (
        f"on trial; if this run ends before they are {record['options']['state']}, the hosts revert automatically by "
        f"{ends}" if ends else "without a trial, because the patch was enabled before this rollout")


def _progress_parts(wave: Record, hosts: Mapping[str, Record]) -> list[str]:
    on_trial = "patched and healthy" if wave["looks"] else WORDS["on_trial"]
    well = {name: host for name, host in hosts.items() if not host["failure"]}
    waiting = {name: host for name, host in well.items() if host["state"] == "waiting"}
    failed = {name: host for name, host in hosts.items() if host["failure"]}
    unreachable = [name for name, host in failed.items() if host["failure"]["code"] in NOT_ANSWERING]
    others = [name for name in failed if name not in unreachable]
    states = [host["state"] for host in well.values()]
    parts = [f"{states.count(state)} {words}" for state, words in (
        ("on_trial", on_trial), ("accepted", "accepted"), ("enabled", "enabled")) if state in states]
    if waiting:
        names = [_waits_for(name, host) for name, host in waiting.items()]
        parts.append(f"{len(waiting)} waiting ({join_hosts(names)})")
    if others:
        names = [f"{name}: {_failure_code(failed[name])}" for name in others]
        parts.append(f"{len(others)} failed ({join_hosts(names)})")
    if unreachable:
        parts.append(f"{len(unreachable)} unreachable ({join_hosts(unreachable)})")
    return parts


def _waits_for(name: str, host: Record) -> str:
    tasks = list(dict.fromkeys(f"{one['comm']} {one['tid']}" for one in host["blockers"]))
    return f"{name} for {', '.join(tasks[:2])}" if tasks else name


def _failure_code(host: Record) -> str:
    return host["failure"]["code"] or "failed"


def closing_line(record: Record, wave: Record) -> str:
    parts = ", ".join(_progress_parts(wave, hosts_of_wave(record, wave)))
    if wave["state"] == "passed":
        return f"{heading(record, wave)} passed: {parts}"
    breach = record["breach"]
    why = _budget_text(breach["budget"]) if len(breach["failed"]) > breach["budget"] else breach["why"]
    return f"{heading(record, wave)} failed: {parts}; {why}"


def waiting_line(record: Record, wave: Record) -> str:
    """What a wave waits for, and how to go on."""
    if wave["waits_for"] != "approval":
        return (
            f"{heading(record, wave)} ({wave['title']}) waits: {wave['why']}. "
            + GO_ON.get(wave["waits_for"], "Run again then"))
    return (
        f"{heading(record, wave)} ({wave['title']}) waits for approval: {wave['why']}. To approve it, run again with "
        f"-e livepatch_approved={','.join([*record['options']['approved'], str(wave['number'])])}")


def end_lines(record: Record) -> list[str]:
    """The summary: waves, failures by cause, and the number of hosts in each state."""
    lines = [] if record["alone"] else [_result_line(record, waves) for waves in _alike(record["waves"], MOST_ALIKE)]
    lines += _failures(record["hosts"])
    lines += _left_on_trial(record)
    lines += left_lines(record)
    if record["breach"]:
        lines.append(f"stopped: {record['breach']['why']}. {_after_breach(record)}.")
    return [*lines, sum_line(record)]


def _after_breach(record: Record) -> str:
    if not record["breach"]["wave"]:
        return "Nothing was started"
    done = [name for name, host in record["hosts"].items() if host["done"]]
    text = AFTER_BREACH[record["breach"]["action"]]
    if done and record["breach"]["action"] == "rollback_all":
        text += f", except hosts already {record['options']['state']} before this rollout: {join_hosts(done)}"
    untried = hosts_not_ours(record)
    if untried:
        text += f", except hosts with the patch enabled without a trial before this rollout: {join_hosts(untried)}"
    return text


def _alike(waves: Sequence[Record], most: int = 0) -> list[list[Record]]:
    """Waves in groups: neighbours of one name in one state, if there are more than `most`; others are alone."""
    groups = [list(group) for _key, group in groupby(
        waves, lambda wave: (wave["name"], wave["state"], wave["why"], wave["approval"]))]
    return [part for group in groups for part in ([group] if len(group) > most else [[wave] for wave in group])]


def _numbers(waves: Sequence[Record]) -> str:
    first, last = waves[0]["number"], waves[-1]["number"]
    return f"wave {first}" if first == last else f"waves {first} to {last}"


def _result_line(record: Record, waves: Sequence[Record]) -> str:
    title = waves[0]["title"] if len(waves) == 1 else waves[0]["name"]
    return f"{_numbers(waves)} ({title}): {_wave_result(record, waves)}"


def _wave_result(record: Record, waves: Sequence[Record]) -> str:
    wave = waves[0]
    if wave["state"] == "passed" and wave["why"]:
        return f"passed, {wave['why']}"
    states = [record["hosts"][name]["state"] for wave in waves for name in wave["hosts"]]
    texts = _state_texts(record)
    counts = ", ".join(f"{states.count(state)} {words}" for state, words in texts.items() if state in states)
    if record["outcome"] == "planned":
        return counts
    return f"{_wave_state(wave)}: {counts}"


def _wave_state(wave: Record) -> str:
    state: str = wave["state"]
    return WAVES_WAIT[wave["waits_for"]] if state == "waits" else WAVES.get(state, state)


def _state_texts(record: Record) -> dict[str, str]:
    return {**WORDS, **PLANNED} if record["outcome"] == "planned" else WORDS


def _failures(hosts: Mapping[str, Record], kind: str = "failed") -> list[str]:
    failed = {name: host["failure"] for name, host in hosts.items() if host["failure"]}
    groups = by_failure({name: (one["code"], one["message"]) for name, one in failed.items()})
    return [failure_line(kind, group) for group in groups]


def _left_on_trial(record: Record) -> list[str]:
    back = {name: host["trial_ends"] for name, host in record["hosts"].items()
            if host["state"] in ("reverting", "on_trial", "waiting") and host["trial_ends"]}
    if not back:
        return []
    return [f"on trial, reverting automatically by {max(back.values())}: {join_hosts(list(back))}"]


def sum_line(record: Record) -> str:
    counts = record["counts"]
    parts = ", ".join(f"{counts[state]} {words}" for state, words in _state_texts(record).items() if counts.get(state))
    return f"{number_of(len(record['hosts']), 'host')}: {parts or 'nothing to patch'}"


def verdict_sentence(record: Record) -> str:
    """Why a rollout was not successful, for the last task."""
    for wave in record["waves"]:
        if wave["state"] == "waits":
            return f"{waiting_line(record, wave)}."
    if record["breach"]:
        where = f"in wave {record['breach']['wave']}" if record["breach"]["wave"] else "before it began"
        return f"The rollout was stopped {where}. {record['breach']['why']}. {sum_line(record)}."
    if record["outcome"] == "planned":
        return f"Not every host with a build can be patched. {sum_line(record)}."
    return f"Not every host with a build is {record['options']['state']}. {sum_line(record)}."


def problems(record: Record) -> dict[str, str]:
    """The error message of each host that is not in the requested state; hosts without a turn have none."""
    found: dict[str, str] = {}
    untried = hosts_not_ours(record)
    for name, host in record["hosts"].items():
        state = _state_text(host)
        if host["failure"]:
            code, message = host["failure"]["code"], host["failure"]["message"]
            sentence = f"{code}: {message}" if code else message
            found[name] = f"{sentence}{'' if sentence.endswith(('.', '!', '?')) else '.'} This host is {state}."
        elif host["state"] in ("rolled_back", "reverting", "on_trial", "waiting") and not record["ok"]:
            found[name] = f"The rollout was stopped. This host is {state}."
        elif name in untried:
            found[name] = (
                f"The rollout was stopped. This host is {state}, and was before the rollout, so there is no load to "
                "roll back. To remove the patch, use the playbook kernel.livepatch.rollback.")
    return found


def _state_text(host: Record) -> str:
    if host["state"] in ("reverting", "on_trial", "waiting") and host["trial_ends"]:
        maybe = "possibly still on trial" if host["state"] == "reverting" else "on trial"
        return f"{maybe}, and reverts automatically by {host['trial_ends']}"
    if host["state"] == "unknown":
        return "in an unknown state. Check it with the playbook kernel.livepatch.status"
    return WORDS[host["state"]]
