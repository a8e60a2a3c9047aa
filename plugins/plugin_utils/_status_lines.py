# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a summary of what runs where as lines for a person."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary_lines import (
    counted,
    failure_line,
    finding_line,
    some,
    unanswered_line,
)

WORDS = {
    "accepted": "accepted",
    "enabled": "enabled",
    "on_trial": "on trial",
    "in_transition": "in transition",
    "unpatched": "without a live patch",
    "unsupported": "that cannot be live patched",
    "unchecked": "that could not be asked",
    "lost": "lost",
    "unanswered": "without an answer",
}
# The line of the state says it already, and how many seconds are left.
TOLD_BY_STATE = ("on-trial",)


def status_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """One paragraph for each cohort, then the hosts that belong to none, then the sum."""
    lines = [line for cohort in summary["cohorts"] for line in _cohort_lines(cohort)]
    lines.extend(failure_line("could not be asked", group) for group in summary["unchecked"])
    lines.extend(failure_line("lost, unreachable", group) for group in summary["lost"])
    return [*lines, *unanswered_line(summary["unanswered"]), _sum(summary)]


def _cohort_lines(cohort: Mapping[str, t.Any]) -> list[str]:
    uncovered = "; uncovered: no build for this kernel" if cohort["builds"] == [] else ""
    lines = [f"{cohort['title']}: {counted(cohort['counts'], WORDS, 'nothing')}{uncovered}"]
    details = _details(cohort)
    for patch in cohort["patches"]:
        hosts = [host + details.get((host, patch["name"], patch["state"]), "") for host in patch["hosts"]]
        lines.append(f"  {patch['name']}{_build(patch, cohort)} {patch['state']} on {some(hosts)}")
    if cohort["unpatched"]:
        lines.append(f"  no live patch on {some(cohort['unpatched'])}")
    lines.extend(
        f"  not in effect, though there is a build: {missing['name']} on {some(missing['hosts'])}"
        for missing in cohort["missing"])
    if cohort["unsupported"]:
        hosts = [f"{one['host']} (interface {one['interface']})" for one in cohort["unsupported"]]
        lines.append(f"  cannot be live patched by this collection: {some(hosts)}")
    if cohort["changing"]:
        hosts = [f"{one['host']} (by {one['who']}, since {one['since']})" for one in cohort["changing"]]
        lines.append(f"  being changed at this moment: {some(hosts)}")
    lines.extend(finding_line(group["level"], group) for group in cohort["drift"] if group["code"] not in TOLD_BY_STATE)
    if cohort["untold"]:
        lines.append(
            f"  not known on {some(cohort['untold'])}: what is accepted, on trial or quarantined, and what is not as "
            "it should be; that takes root")
    return lines


def _build(patch: Mapping[str, t.Any], cohort: Mapping[str, t.Any]) -> str:
    """Which build it is, where there are several in the cohort; the first letters of the build-id are enough."""
    builds = {one["build_id"] for one in cohort["patches"] if one["name"] == patch["name"]}
    return f" (build {(patch['build_id'] or 'unknown')[:8]})" if len(builds) > 1 else ""


def _details(cohort: Mapping[str, t.Any]) -> dict[tuple[str, str, str], str]:
    """What is said of a host behind its name, by host, patch and state."""
    details = {
        (one["host"], one["name"], "on trial"): f" (goes back in {one['seconds_left']} s)" for one in cohort["trials"]}
    for one in cohort["transitions"]:
        held = f" (held by {some(one['held_by'])})" if one["held_by"] else ""
        details.update({(one["host"], one["name"], state): held for state in ("enabling", "disabling")})
    return details


def _sum(summary: Mapping[str, t.Any]) -> str:
    parts = [counted(summary["counts"], WORDS, "nothing to ask")]
    if summary["drifted"]:
        drifted = summary["drifted"]
        what = "1 host is not as it" if len(drifted) == 1 else f"{len(drifted)} hosts are not as they"
        parts.append(f"{what} should be: {some(drifted)}")
    uncovered: Sequence[str] = summary["uncovered"] or ()
    if uncovered:
        parts.append(f"{len(uncovered)} uncovered, which is no failure: no build for that kernel")
    return "; ".join(parts)
