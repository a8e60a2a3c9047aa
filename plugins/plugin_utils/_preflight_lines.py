# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a preflight summary as lines for a person."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

MOST_NAMES = 3

WORDS = {
    "compatible": "compatible",
    "uncovered": "uncovered",
    "blocked": "blocked",
    "unchecked": "not checked",
    "lost": "lost",
    "unanswered": "without an answer",
}


def summary_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """One paragraph for each cohort, then the hosts that belong to none, then the sum."""
    lines = []
    for cohort in summary["cohorts"]:
        counts = {verdict: len(cohort[verdict]) for verdict in ("compatible", "uncovered", "blocked")}
        lines.append(f"{cohort['title']}: {_counted(counts)}")
        lines.extend(_finding_line(group["level"], group) for group in cohort["findings"])
        lines.extend(
            _finding_line("no way back:" if group["level"] == "blocker" else "way back:", group)
            for group in cohort["rollback"])
    lines.extend(_failure_line("could not be checked", group) for group in summary["unchecked"])
    lines.extend(_failure_line("lost, unreachable", group) for group in summary["lost"])
    if summary["unanswered"]:
        lines.append(f"without an answer, not asked or lost before: {some(summary['unanswered'])}")
    return [*lines, _sum(summary)]


def some(hosts: Sequence[str]) -> str:
    """A few names of hosts, and how many more there are."""
    shown = ", ".join(hosts[:MOST_NAMES])
    more = len(hosts) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _counted(counts: Mapping[str, int]) -> str:
    parts = [f"{count} {WORDS[verdict]}" for verdict, count in counts.items() if count]
    total = sum(counts.values())
    return f"{total} host{'' if total == 1 else 's'}: {', '.join(parts) or 'nothing to check'}"


def _finding_line(kind: str, group: Mapping[str, t.Any]) -> str:
    return f"  {kind} {group['code']} on {some(group['hosts'])}: {_why(group)}"


def _failure_line(kind: str, group: Mapping[str, t.Any]) -> str:
    code = f"{group['code']}: " if group["code"] else ""
    return f"{kind}: {some(group['hosts'])}: {code}{_why(group)}"


def _why(group: Mapping[str, t.Any]) -> str:
    # What Ansible says goes on with the place in the playbook after an empty line.
    message = " ".join(group["messages"][0].split("\n\n")[0].split())
    more = len(group["messages"]) - 1
    return message + (f" (and {more} other message{'' if more == 1 else 's'})" if more else "")


def _sum(summary: Mapping[str, t.Any]) -> str:
    line = _counted(summary["counts"])
    uncovered = summary["counts"]["uncovered"]
    return f"{line}; uncovered is no failure: no build for that kernel" if uncovered else line
