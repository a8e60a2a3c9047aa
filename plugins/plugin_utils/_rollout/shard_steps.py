# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Where the shards of a rollout wait for each other: for the checks, for the plan, before each wave, and at the end.

A shard that waits has no host on trial. One that has ended, or does not answer in time, lets the others end too.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import kernel_build_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import gate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.halt import halt_reason
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.shards import (
    LONGEST_WHY,
    Document,
    Elsewhere,
    ShardFiles,
    checked_document,
    join_shards,
    passed_waves,
    plan_digest,
    same_plan,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.wave_start import other_trials
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import Wave
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

PAUSE, SHOWN = 1, 60  # seconds between two looks at the other shards, and between two lines about them
SHORTEST_TIMEOUT = 3600  # seconds that a shard waits for the others, unless the operator says otherwise
NOWHERE = Elsewhere()
NO_WAVE: Record = {"number": 0}
# What a shard waits for, as a part of a sentence.
CHECKED, PLANNED, ALL_WAVES = "check the hosts", "plan the waves", "end the last wave"


class Delay(t.NamedTuple):
    """Why a shard cannot go on: `breach` of another one in `wave`, `halt`, or `shards` that have ended or are late."""

    kind: str
    why: str
    wave: int = 0
    shard: int = 0


def gather_shards(
        call: Call, record: Record, options: Options, answers: Mapping[str, t.Any], forks: int) -> Elsewhere:
    """Tell the other shards what the checks have found, and wait for theirs. Raises TaskError."""
    if not options.shard:
        return NOWHERE
    files = _files(options)
    record["shard"] = {
        "dir": options.shard_dir, "number": options.shard.number, "of": options.shard.of, "plan": None, "trials": [],
        "timeout": options.shard_timeout, "lost": None}
    builds = {name: kernel_build_of(answers[name]) for name, host in record["hosts"].items() if host["kernel"]}
    files.write_checked(
        checked_document(record["hosts"], builds, record["options"], record["patches"], forks))
    documents: dict[int, Document] = {}

    def has_checked(number: int, _state: Document) -> bool:
        document = documents.get(number) or files.checked(number)
        if document:
            documents[number] = document
        return document is not None
    delay = _wait(call, record, files, has_checked, CHECKED)
    if delay:
        raise TaskError("shard-missing", f"{delay.why}. No host was changed. {_start_again()}.")
    documents[files.shard.number] = files.checked(files.shard.number) or {}
    return join_shards(documents, files.shard)


def agree_on_plan(call: Call, record: Record, waves: Sequence[Wave]) -> bool:
    """Compare the plans of all shards; returns whether this rollout goes on. Raises TaskError if they differ."""
    if "shard" not in record:
        return not record["breach"]
    record["shard"]["plan"] = digest = plan_digest(waves)
    files = tell_shards(call, record)
    if record["shard"]["lost"]:
        raise TaskError("shard-dir-unusable", record["shard"]["lost"])
    if record["breach"]:
        return False
    delay = _wait(call, record, files, lambda _number, state: state["plan"] is not None, PLANNED)
    same_plan(digest, files.states())
    if delay:
        _stop(record, delay)
        tell_shards(call, record)
    return not record["breach"]


def wait_for_waves(call: Call, record: Record, wave: Record) -> Delay | None:
    """Wait until every shard has passed all waves before this one; returns why this wave cannot start."""
    if "shard" not in record:
        return None
    files, before = _files_of(record), wave["number"] - 1
    goal = f"end wave {before}"
    try:
        delay = _wait_told(
            call, record, files, lambda _number, state: state["passed"] >= before, goal, halts=True)
        record["shard"]["trials"] = [
            trial for state in files.states().values() if state for trial in state["trials"]
            if trial["wave"] != wave["number"]]
    except TaskError as error:
        return _lost(error.message)
    return delay


def wait_for_end(call: Call, record: Record) -> bool:
    """After the last wave: wait for the other shards, so that all can be rolled back. Returns whether to stop."""
    if "shard" not in record or record["breach"] or call.check_mode or (
            any(wave["state"] != "passed" for wave in record["waves"])):
        return False
    last = len(record["waves"])
    try:
        delay = _wait_told(
            call, record, _files_of(record), lambda _number, state: state["passed"] >= last, ALL_WAVES)
    except TaskError as error:
        delay = _lost(error.message)
    if delay:
        stop_for_shard(call, record, delay)
    return delay is not None


def stop_for_shard(call: Call, record: Record, delay: Delay) -> None:
    """Stop this rollout because of another shard, and tell the others."""
    _stop(record, delay)
    tell_shards(call, record)


def tell_shards(call: Call, record: Record, ended: str | None = None) -> ShardFiles:
    """Tell the other shards how far this one is; `ended`: why it takes no more part.

    A directory that fails raises nothing, because this shard still has to roll back and to report. It is in `lost` of
    the record's shard, and no other wave starts.
    """
    files, breach = _files_of(record), record["breach"]
    try:
        files.write(
            plan=record["shard"]["plan"], passed=passed_waves(record["waves"]), ended=ended,
            breach=breach and {
                "wave": breach["wave"], "shard": breach.get("shard") or files.shard.number,
                "why": truncate(breach["why"], LONGEST_WHY)},
            trials=[
                {"host": name, "wave": record["hosts"][name]["wave"] or 0, "ends": end,
                 "domains": [record["domains"][place]["name"] for place in record["hosts"][name]["domains"]]}
                for name, end in other_trials(record, NO_WAVE, call.now())])
    except TaskError as error:
        record["shard"]["lost"] = error.message
        call.say(f"shard {files.shard.number} of {files.shard.of} could not tell the others: {error.message}")
    return files


def leave_shards(options: Options, why: str) -> None:
    """Tell the other shards that this one has failed before its plan, if it can."""
    if options.shard:
        with suppress(TaskError):  # the reason itself is in the result of the task
            _files(options).write(ended=truncate(why, LONGEST_WHY))


def _files(options: Options) -> ShardFiles:
    return ShardFiles(str(options.shard_dir), t.cast(Shard, options.shard))


def _files_of(record: Record) -> ShardFiles:
    shard = record["shard"]
    return ShardFiles(shard["dir"], Shard(shard["number"], shard["of"]))


def _stop(record: Record, delay: Delay) -> None:
    gate.stop_for_shard(record, delay.wave, delay.why, delay.shard)


def _wait_told(call: Call, record: Record, *arguments: t.Any, **options: t.Any) -> Delay | None:
    """As _wait, if the others know how far this shard is."""
    lost = record["shard"]["lost"]
    return _lost(lost) if lost else _wait(call, record, *arguments, **options)


def _lost(why: str) -> Delay:
    return Delay("shards", why.rstrip("."))


def _wait(
        call: Call, record: Record, files: ShardFiles, is_ready: Callable[[int, Document], bool],
        goal: str, halts: bool = False) -> Delay | None:
    """Wait until each other shard is ready; returns why that does not happen, None if it did."""
    of, begun = files.shard.of, call.tick()
    timeout = record["shard"]["timeout"] or max(SHORTEST_TIMEOUT, 2 * (record["options"]["trial"] or 0))
    due = begun
    while True:
        states = files.states()
        delay = _breach_elsewhere(states, of)
        late = [number for number, state in states.items() if not (state and is_ready(number, state))]
        if delay or not late:
            return delay
        for number, state in states.items():
            if number in late and state and state["ended"]:
                return Delay("shards", f"Shard {number} of {of} has ended: {printable(state['ended'])}")
        halted = halt_reason(record["options"]["halt_file"]) if halts else None
        if halted:
            return Delay("halt", halted)
        if call.tick() - begun >= timeout:
            return Delay("shards", f"{_named(late)} of {of} did not {goal} in {timeout} s")
        if call.tick() >= due:
            call.say(f"shard {files.shard.number} of {of} waits for {_named(late).lower()} to {goal}")
            due = call.tick() + SHOWN
        call.sleep(PAUSE)


def _breach_elsewhere(states: Mapping[int, Document | None], of: int) -> Delay | None:
    breach = next((state["breach"] for state in states.values() if state and state["breach"]), None)
    if not breach:
        return None
    number = int(breach["shard"])
    why = printable(breach["why"])
    return Delay("breach", f"Shard {number} of {of} has stopped: {why}", int(breach["wave"]), number)


def _named(numbers: Sequence[int]) -> str:
    return f"Shard{'s' if len(numbers) > 1 else ''} {join_hosts([str(number) for number in numbers])}"


def _start_again() -> str:
    return f"Start all shards again with a new {PREFIX}shard_dir"
