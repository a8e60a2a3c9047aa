# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The parts of the lines of every summary."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util import text
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, printable

MOST_NAMES = 3


def join_hosts(hosts: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    return join_limited(hosts, MOST_NAMES)


def number_of(count: int, word: str) -> str:
    """A count in words, as on a host: "1 task", "2 tasks"."""
    return text.number_of(count, word)


def format_duration(seconds: int) -> str:
    """Seconds in words: 40 s, 4 min, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def format_lines(lines: Sequence[str]) -> Iterator[str]:
    """Mark lines for the output of the run, to tell them from the lines of tasks."""
    return (f"==> {printable(line)}" for line in lines)


def count_line(counts: Mapping[str, int], words: Mapping[str, str], nothing: str) -> str:
    """The number of hosts, in total and of each verdict; `words` are the texts of the verdicts."""
    parts = [f"{count} {words[verdict]}" for verdict, count in counts.items() if count]
    return f"{number_of(sum(counts.values()), 'host')}: {', '.join(parts) or nothing}"


def finding_line(kind: str, group: Mapping[str, t.Any]) -> str:
    return f"  {kind} {group['code']} on {join_hosts(group['hosts'])}: {_why(group)}"


def failure_line(kind: str, group: Mapping[str, t.Any]) -> str:
    code = f"{group['code']}: " if group["code"] else ""
    return f"{kind}: {join_hosts(group['hosts'])}: {code}{_why(group)}"


def no_result_line(hosts: Sequence[str]) -> list[str]:
    return [f"without a result, skipped or unreachable before: {join_hosts(hosts)}"] if hosts else []


def _why(group: Mapping[str, t.Any]) -> str:
    # In Ansible's messages, the place in the playbook follows after an empty line.
    message = " ".join(group["messages"][0].split("\n\n")[0].split())
    more = len(group["messages"]) - 1 + group.get("messages_left_out", 0)
    return message + (f" (and {number_of(more, 'other message')})" if more else "")
