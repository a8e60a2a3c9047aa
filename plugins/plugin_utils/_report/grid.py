# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""A report's grid of hosts by patched functions."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.builds import build_labels, identity_key
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import IN_EFFECT
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import FUNCTIONS, clock, state_word

Record = Mapping[str, t.Any]
Function = tuple[str, str, int]  # object, name, number among functions of that name
Pattern = tuple[tuple[Function, str], ...]  # all functions of a host with their states

# More columns are unreadable.
MOST_COLUMNS = 24
# With more hosts, the groups are folded.
MOST_UNFOLDED = 200
WORST_FIRST = ("overridden", "unseen", "pending", "absent", "patched")
IN_NO_WAVE = 1 << 30  # after every wave
# Hosts in these states may have changed since the last result.
STATES_NOT_SEEN = ("reverting", "unknown")


class Column(t.NamedTuple):
    """Functions of an object with the same states on all hosts."""

    object: str
    title: str
    functions: Sequence[Function]


class Row(t.NamedTuple):
    """A host; `cells` has a state of FUNCTIONS for each column, None for a function that is not in its build."""

    name: str
    number: int
    word: t.Any
    patch: str | None
    took: t.Any
    at: str | None
    cells: Sequence[str | None]
    why: str | None
    failed: bool


class Group(t.NamedTuple):
    """A group of hosts, and the number of hosts in each state."""

    title: str
    counts: Sequence[tuple[t.Any, int]]
    failed: int
    rows: Sequence[Row]


class Grid(t.NamedTuple):
    """The whole fleet."""

    groups: Sequence[Group]
    columns: Sequence[Column]
    objects: Sequence[tuple[str, int]]
    unfolded: bool
    names_patches: bool
    has_times: bool


def grid(record: Record) -> Grid:
    patterns = {name: _pattern(host) for name, host in record["hosts"].items()}
    columns, cells = _columns(set(patterns.values()), patterns)
    labels = _patch_labels(record)
    names_patches = len(set(labels.values()) - {None}) > 1
    members: dict[tuple[t.Any, ...], list[Row]] = {}
    waves = {wave.get("number"): (place, wave) for place, wave in enumerate(record.get("waves") or ())}
    for number, (name, host) in enumerate(record["hosts"].items()):
        row = _row(record, name, number, dict(host, patch=labels[name]), cells[patterns[name]])
        members.setdefault(_place(record, host, waves), []).append(row)
    groups = [_group(place[-1], rows) for place, rows in sorted(members.items())]
    objects: list[tuple[str, int]] = []
    for column in columns:
        if objects and objects[-1][0] == column.object:
            objects[-1] = (column.object, objects[-1][1] + 1)
        else:
            objects.append((column.object, 1))
    has_times = any(row.at or row.took is not None for rows in members.values() for row in rows)
    return Grid(groups, columns, objects, len(record["hosts"]) <= MOST_UNFOLDED, names_patches, has_times)


def _patch_labels(record: Record) -> dict[str, str | None]:
    """The patches of each host, with what tells their builds apart in the cohort of the host."""
    running = {name: _running(host) for name, host in record["hosts"].items()}
    builds: dict[str | None, dict[tuple[str, ...], Record]] = {}
    for name, patches in running.items():
        cohort = record["hosts"][name].get("cohort")
        builds.setdefault(cohort, {}).update({identity_key(patch): patch for patch in patches})
    labels = {
        (cohort, key): f"{key[0]}{label}"
        for cohort, found in builds.items() for key, label in build_labels(found.values()).items()}
    return {
        name: ", ".join(labels[record["hosts"][name].get("cohort"), identity_key(patch)] for patch in patches) or None
        for name, patches in running.items()}


def _running(host: Record) -> list[Record]:
    """The patches in effect. A status has them all, and a rollout only its own."""
    if "patches" in host:
        return [patch for patch in host["patches"] if patch["state"] in IN_EFFECT]
    return [dict(host, name=host["patch"])] if host.get("patch") else []


def _pattern(host: Record) -> Pattern:
    def state(one: Record) -> str:
        shown = str(one.get("state"))
        return "unseen" if shown == "patched" and host.get("state") in STATES_NOT_SEEN else shown
    return tuple(
        ((str(one.get("object")), str(one.get("name")), _number(one.get("sympos"))), state(one))
        for one in host.get("functions") or ())


def _number(sympos: t.Any) -> int:
    return sympos if isinstance(sympos, int) else 0


def _columns(
        found: set[Pattern], patterns: Mapping[str, Pattern]) -> tuple[list[Column], dict[Pattern, list[str | None]]]:
    """The columns, and the cells of each pattern; with too many functions, those with the same states share one."""
    ordered = list(dict.fromkeys(patterns.values()))
    states = {pattern: dict(pattern) for pattern in found}
    functions = sorted({function for pattern in found for function, _state in pattern},
                       key=lambda one: (one[0] != "vmlinux", one))
    columns = [Column(one[0], _function_title(one), [one]) for one in functions]
    if len(columns) > MOST_COLUMNS:
        alike: dict[t.Any, list[Function]] = {}
        for one in functions:
            alike.setdefault((one[0], *(states[pattern].get(one) for pattern in ordered)), []).append(one)
        columns = _merge_columns(alike)
    if len(columns) > MOST_COLUMNS:
        by_object: dict[t.Any, list[Function]] = {}
        for one in functions:
            by_object.setdefault((one[0],), []).append(one)
        columns = _merge_columns(by_object)[:MOST_COLUMNS]
    return columns, {
        pattern: [_worst([states[pattern].get(one) for one in column.functions]) for column in columns]
        for pattern in ordered}


def _merge_columns(groups: Mapping[t.Any, list[Function]]) -> list[Column]:
    return [
        Column(key[0], _function_title(members[0]) if len(members) == 1 else f"{len(members)} functions", members)
        for key, members in groups.items()]


def _function_title(function: Function) -> str:
    return f"{function[1]} ({function[2]})" if function[2] > 1 else function[1]


def _worst(states: Sequence[str | None]) -> str | None:
    known = [state for state in states if state is not None]
    return min(known, key=lambda state: WORST_FIRST.index(state) if state in FUNCTIONS else -1, default=None)


def _row(record: Record, name: str, number: int, host: Record, cells: Sequence[str | None]) -> Row:
    failure = host.get("failure")
    found = [entry for entry in host.get("findings") or () if entry.get("level") != "note"]
    why = (failure.get("code") or "failed") if failure else ", ".join(
        dict.fromkeys(str(entry.get("code")) for entry in found)) or None
    at = next((host[key] for key in ("back_at", "accepted_at", "loaded_at") if host.get(key)), None)
    return Row(
        name, number, state_word(record, host), host.get("patch"), host.get("transition_seconds"),
        clock(at), cells, why, bool(failure))


def _place(record: Record, host: Record, waves: Mapping[t.Any, tuple[int, Record]]) -> tuple[t.Any, ...]:
    """The group of a host, in the order of groups, with its title as the last: its wave, if any, and its cohort.

    Waves by number, then hosts in no wave; cohorts by title, unknown ones first.
    """
    if record["kind"] == "rollback":
        return (IN_NO_WAVE, True, state_word(record, host).words)
    cohort = host.get("cohort") or "kernel not known"
    place, wave = waves.get(host.get("wave"), (IN_NO_WAVE, None))
    title = cohort if not waves else (
        f"{'Wave ' + str(wave['number']) + ', ' + wave['title'] if wave else 'In no wave'} · {cohort}")
    return (place, "kernel not known" not in title, title)


def _group(title: str, rows: Sequence[Row]) -> Group:
    counts: dict[t.Any, int] = {}
    for row in rows:
        counts[row.word] = counts.get(row.word, 0) + 1
    # A state that means failure is counted above.
    failed = sum(row.failed for row in rows if row.word.tone != "bad")
    ordered = sorted(rows, key=lambda row: (not row.failed, row.word.tone not in ("bad", "warn"), not row.why))
    return Group(title, sorted(counts.items(), key=lambda one: -one[1]), failed, ordered)
