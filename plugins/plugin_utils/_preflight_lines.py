# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a preflight summary as lines for a person."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary_lines import (
    counted,
    failure_line,
    finding_line,
    unanswered_line,
)

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
        lines.extend(finding_line(group["level"], group) for group in cohort["findings"])
        lines.extend(
            finding_line("no way back:" if group["level"] == "blocker" else "way back:", group)
            for group in cohort["rollback"])
    lines.extend(failure_line("could not be checked", group) for group in summary["unchecked"])
    lines.extend(failure_line("lost, unreachable", group) for group in summary["lost"])
    return [*lines, *unanswered_line(summary["unanswered"]), _sum(summary)]


def _counted(counts: Mapping[str, int]) -> str:
    return counted(counts, WORDS, "nothing to check")


def _sum(summary: Mapping[str, t.Any]) -> str:
    line = _counted(summary["counts"])
    uncovered = summary["counts"]["uncovered"]
    return f"{line}; uncovered is no failure: no build for that kernel" if uncovered else line
