# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One summary by cohort, from the patch_check results of all hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    MOST_CODES,
    by_code,
    by_failure,
    by_verdict,
    cohort_dict,
    cohorts_of,
    kernel_build_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import worst_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_CODE,
    Finding,
    are_findings,
    failure_of,
    failure_sentence,
    findings_sentence,
    is_finding,
    is_list,
    is_name,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import (
    count_line,
    failure_line,
    finding_line,
    no_result_line,
)

# The verdicts of a host, best first. With one of the last four, a summary is not `ok`.
VERDICTS = ("compatible", "no_build", "blocked", "unchecked", "unreachable", "no_result")
CHECKED = VERDICTS[:3]
WORDS = {
    "compatible": "compatible",
    "no_build": "without a build",
    "blocked": "blocked",
    "unchecked": "not checked",
    "unreachable": "unreachable",
    "no_result": "without a result",
}


def summarize(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None) -> dict[str, t.Any]:
    """The summary that the filter `preflight_summary` documents.

    `answers`: the patch_check result of each host, also of failed and unreachable hosts; empty for a host without a
    result. No result of a host makes this fail.
    """
    names = cohort_names(cohort_by)
    verdicts = {host: verdict_of(answer) for host, answer in answers.items()}
    hosts = by_verdict(verdicts, VERDICTS)
    summary: dict[str, t.Any] = {
        "ok": not any(hosts[verdict] for verdict in VERDICTS[2:]),
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "cohorts": _cohorts(answers, verdicts, names, hostvars or {}),
        "unchecked": by_failure({host: failure_of(answers[host]) for host in hosts["unchecked"]}),
        "unreachable": by_failure({host: failure_of(answers[host]) for host in hosts["unreachable"]}),
        "no_result": hosts["no_result"],
        "problems": {
            host: _problem(answers[host], verdict) for host, verdict in verdicts.items()
            if verdict in ("blocked", "unchecked", "unreachable")},
    }
    artifact = {
        **{key: summary[key] for key in ("ok", "counts", "problems")},
        "hosts": {host: _facts(answers[host], verdict) for host, verdict in verdicts.items()}}
    return dict(summary, artifact=artifact, lines=summary_lines(summary))


def _facts(answer: t.Any, verdict: str) -> dict[str, t.Any]:
    """The facts of one host for later jobs; small, because there can be thousands of hosts."""
    if verdict not in CHECKED:
        return {"verdict": verdict}
    findings = [entry for entry in answer["findings"] if entry["level"] != "note"]
    return {
        "verdict": verdict, "kernel": printable(answer["patch"]["kernel"]), "arch": printable(answer["arch"]),
        "findings": list(dict.fromkeys(truncate(one["code"], LONGEST_CODE) for one in worst_of(findings, MOST_CODES)))}


def verdict_of(answer: t.Any) -> str:
    """The verdict for a host's result, one of VERDICTS."""
    verdict = missing_result(answer)
    if verdict:
        return verdict
    if not _is_well_formed(answer):
        return "unchecked"
    if answer["patch"]["state"] == "no_build":
        return "no_build"
    return "compatible" if answer["compatible"] else "blocked"


def _is_well_formed(answer: Mapping[str, t.Any]) -> bool:
    patch, findings = answer.get("patch"), answer.get("findings")
    return (
        isinstance(answer.get("compatible"), bool) and is_name(answer.get("arch"))
        and isinstance(patch, Mapping) and is_name(patch.get("kernel")) and isinstance(patch.get("state"), str)
        and are_findings(findings)
        and (answer["compatible"] or patch["state"] == "no_build" or bool(blockers_among(findings))))


def _reasons(answer: Mapping[str, t.Any]) -> list[Finding]:
    """The obstacles to a later rollback, from the forecast."""
    place: t.Any = answer
    for key in ("forecast", "rollback", "reasons"):
        place = place.get(key) if isinstance(place, Mapping) else None
    return [entry for entry in place if is_finding(entry)] if is_list(place) else []


def blockers_among(findings: Sequence[Finding]) -> list[Finding]:
    return [entry for entry in findings if entry["level"] == "blocker"]


def _problem(answer: Mapping[str, t.Any], verdict: str) -> str:
    """The error message of a host."""
    return findings_sentence(blockers_among(answer["findings"])) if verdict == "blocked" else failure_sentence(
        failure_of(answer))


def _cohorts(
        answers: Mapping[str, t.Any], verdicts: Mapping[str, str], names: Sequence[str],
        hostvars: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Each cohort of the hosts with a result: the hosts of each verdict, and the findings."""
    kernels = {
        host: (answers[host]["patch"]["kernel"], answers[host]["arch"])
        for host, verdict in verdicts.items() if verdict in CHECKED}
    return [
        {
            **cohort_dict(cohort),
            **{verdict: [host for host in hosts if verdicts[host] == verdict] for verdict in CHECKED},
            "findings": by_code({host: answers[host]["findings"] for host in hosts}),
            "rollback": by_code({host: _reasons(answers[host]) for host in hosts}),
        }
        for cohort, hosts in cohorts_of(
            kernels, names, hostvars, {host: kernel_build_of(answers[host]) for host in kernels})]


def summary_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """One paragraph for each cohort, then the hosts without a result, then the counts."""
    lines = []
    for cohort in summary["cohorts"]:
        counts = {verdict: len(cohort[verdict]) for verdict in ("compatible", "no_build", "blocked")}
        lines.append(f"{cohort['title']}: {_count_line(counts)}")
        lines.extend(finding_line(group["level"], group) for group in cohort["findings"])
        lines.extend(
            finding_line("no rollback:" if group["level"] == "blocker" else "rollback:", group)
            for group in cohort["rollback"])
    lines.extend(failure_line("could not be checked", group) for group in summary["unchecked"])
    lines.extend(failure_line("unreachable", group) for group in summary["unreachable"])
    return [*lines, *no_result_line(summary["no_result"]), _count_line(summary["counts"])]


def _count_line(counts: Mapping[str, int]) -> str:
    return count_line(counts, WORDS, "nothing to check")
