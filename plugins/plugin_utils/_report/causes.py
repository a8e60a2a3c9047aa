# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""A report's failures and findings by their causes, hosts in detail, and what the patches cover where."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import STATES, STEPS, state_word

Record = Mapping[str, t.Any]

PLANNED = STATES["plan"]["pending"]
LEVELS = ("failure", "blocker", "warning", "note")
MOST_CAUSES = 60
MOST_MESSAGES = 4
MOST_HOSTS_IN_DETAIL = 100
MOST_IN_DETAIL = 20


class Cause(t.NamedTuple):
    """What went wrong, or was found, in the same way on some hosts; `messages` has each sentence with its hosts."""

    level: str
    code: str
    step: str
    hosts: Sequence[str]
    messages: Sequence[tuple[str, Sequence[str]]]
    more: int


class Detail(t.NamedTuple):
    """A host of which there is more to tell than a row of the grid has."""

    name: str
    number: int
    host: Record
    word: t.Any
    step: str


class Coverage(t.NamedTuple):
    """A patch with its CVEs: where it runs and stays, where it runs for now, and where it does not, by the reason."""

    name: str
    summary: str | None
    advisory: str | None
    cves: Sequence[str]
    covered: Sequence[str]
    for_now: Sequence[str]
    missing: Sequence[tuple[t.Any, Sequence[str], bool]]  # the last: whether that is all that was planned


def causes(record: Record) -> list[Cause]:
    """Failures first, then findings by their level; of each level, what the most hosts have."""
    found: dict[tuple[str, str, str], dict[str, dict[str, None]]] = {}
    for name, host in record["hosts"].items():
        failure = host.get("failure")
        entries = [("failure", failure.get("code"), failure.get("step"), failure.get("message"))] if failure else []
        told = {(failure.get("code"), failure.get("message"))} if failure else set()
        # What made a host fail is a finding of it too, and is told once.
        entries += [
            (entry.get("level"), entry.get("code"), "", entry.get("message")) for entry in host.get("findings") or ()
            if (entry.get("code"), entry.get("message")) not in told]
        for level, code, step, message in entries:
            key = (str(level), str(code or ""), _step(record, step))
            found.setdefault(key, {}).setdefault(str(message), {})[name] = None
    grouped = [_cause(*key, messages) for key, messages in found.items()]
    return sorted(
        grouped, key=lambda one: (LEVELS.index(one.level) if one.level in LEVELS else 9, -len(one.hosts), one.code))


def _step(record: Record, step: t.Any) -> str:
    """When in a rollout a host failed; the other kinds of record have one step each."""
    return STEPS.get(str(step), "") if record["kind"] == "rollout" else ""


def _cause(level: str, code: str, step: str, messages: Mapping[str, Mapping[str, None]]) -> Cause:
    hosts = dict.fromkeys(name for names in messages.values() for name in names)
    frequent = sorted(messages.items(), key=lambda entry: -len(entry[1]))
    shown = [(message, list(names)) for message, names in frequent[:MOST_MESSAGES]]
    return Cause(level, code, step, list(hosts), shown, len(frequent) - len(shown))


def details(record: Record) -> tuple[list[Detail], int]:
    """The hosts with a failure, tasks that hold their transition or a health check that failed, and how many more."""
    found = [
        Detail(name, number, host, state_word(record, host),
               _step(record, (host.get("failure") or {}).get("step")))
        for number, (name, host) in enumerate(record["hosts"].items())
        if host.get("failure") or host.get("blockers") or any(not one.get("ok") for one in host.get("health") or ())]
    return found[:MOST_HOSTS_IN_DETAIL], max(0, len(found) - MOST_HOSTS_IN_DETAIL)


def coverage(record: Record) -> list[Coverage]:
    """For each patch of the record where it runs and where not, those of one reason together."""
    found = []
    for patch in record.get("patches") or ():
        covered, for_now = [], []
        missing: dict[t.Any, list[str]] = {}
        for name, host in record["hosts"].items():
            word = state_word(record, host)
            how = _how(patch, host)
            if how == "covered":
                covered.append(name)
            elif how == "for now":
                for_now.append(name)
            else:
                missing.setdefault(word, []).append(name)
        found.append(Coverage(
            patch["name"], patch.get("summary"), _link(patch.get("advisory")), patch.get("cves") or [], covered,
            for_now, [
                (word, hosts, word is PLANNED) for word, hosts in sorted(
                    missing.items(), key=lambda entry: -len(entry[1]))]))
    return found


def _how(patch: Record, host: Record) -> str:
    """Whether the patch runs on a host: a record of status names all that run there, one of a rollout its own one."""
    if "patches" in host:
        states = [one.get("state") for one in host["patches"] if one.get("name") == patch["name"]]
    else:
        states = [host.get("state")] if host.get("patch") == patch["name"] else []
    if any(state in ("accepted", "enabled") for state in states):
        return "covered"
    return "for now" if any(state in ("on_trial", "on trial") for state in states) else "missing"


def _link(advisory: t.Any) -> str | None:
    return advisory if isinstance(advisory, str) and advisory.startswith(("https://", "http://")) else None
