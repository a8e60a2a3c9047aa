# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a summary of a rollback as lines for a person."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary_lines import (
    counted,
    failure_line,
    finding_line,
    some,
    unanswered_line,
)

WORDS = {
    "rolled_back": "rolled back",
    "planned": "would be rolled back",
    "unchanged": "unchanged",
    "left_going": "left going",
    "failed": "failed",
    "lost": "lost",
    "unanswered": "without an answer",
}


def rollback_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """The hosts that are where they should be by what was done on them, then the others, then the sum."""
    lines = [_arrived_line(group) for group in summary["arrived"]]
    lines.extend(finding_line(group["level"], group) for group in summary["findings"])
    lines.extend(failure_line("left going", group) for group in summary["left_going"])
    lines.extend(failure_line("failed", group) for group in summary["failed"])
    lines.extend(failure_line("lost, unreachable", group) for group in summary["lost"])
    return [*lines, *unanswered_line(summary["unanswered"]), counted(summary["counts"], WORDS, "nothing to roll back")]


def _arrived_line(group: Mapping[str, t.Any]) -> str:
    moves = [f"{' and '.join(group[key])} {word}" for key, word in (("out", "out"), ("back", "back in")) if group[key]]
    names, planned = group["enabled"], group["verdict"] == "planned"
    what = "would be enabled then" if planned else f"{'are' if len(names) > 1 else 'is'} enabled{' now' * bool(moves)}"
    done = "; ".join([", ".join(moves)] * bool(moves) + [f"{' and '.join(names) or 'no live patch'} {what}"])
    return f"{WORDS[group['verdict']]}: {some(group['hosts'])}: {done}"
