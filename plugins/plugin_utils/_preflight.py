# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: from the answers of all hosts to patch_check to one summary by cohort."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._cohorts import Cohort, cohort_names, cohort_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._preflight_lines import summary_lines

# What can be said of a host, best first. The last four are those that a summary is not `ok` with.
VERDICTS = ("compatible", "uncovered", "blocked", "unchecked", "lost", "unanswered")
LEVELS = ("blocker", "warning", "note")
NO_SENSE = {
    "code": "host-not-trusted",
    "msg": "The host's answer makes no sense: find out who is in control of it.",
}


def summarize(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None) -> dict[str, t.Any]:
    """The summary that the filter `preflight_summary` documents.

    `answers`: what each host's patch_check returned, or that it failed or was unreachable; nothing where it did not
    run. Nothing that a host answers makes this fail.
    """
    names = cohort_names(cohort_by)
    verdicts = {host: verdict_of(answer) for host, answer in answers.items()}
    hosts = {verdict: [host for host, found in verdicts.items() if found == verdict] for verdict in VERDICTS}
    summary = {
        "ok": not any(hosts[verdict] for verdict in VERDICTS[2:]),
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "cohorts": _cohorts(answers, verdicts, names, hostvars or {}),
        "unchecked": _by_failure(answers, hosts["unchecked"]),
        "lost": _by_failure(answers, hosts["lost"]),
        "unanswered": hosts["unanswered"],
        "problems": {
            host: _problem(answers[host], verdict) for host, verdict in verdicts.items()
            if verdict in ("blocked", "unchecked", "lost")},
    }
    return dict(summary, lines=summary_lines(summary))


def verdict_of(answer: t.Any) -> str:
    """Which of VERDICTS a host's answer is."""
    if not isinstance(answer, Mapping) or not answer or answer.get("skipped"):
        return "unanswered"
    if answer.get("unreachable"):
        return "lost"
    if answer.get("failed") or not _makes_sense(answer):
        return "unchecked"
    if answer["patch"]["state"] == "uncovered":
        return "uncovered"
    return "compatible" if answer["compatible"] else "blocked"


def _makes_sense(answer: Mapping[str, t.Any]) -> bool:
    patch, findings = answer.get("patch"), answer.get("findings")
    return (
        isinstance(answer.get("compatible"), bool) and isinstance(answer.get("arch"), str)
        and isinstance(patch, Mapping) and isinstance(patch.get("kernel"), str) and "state" in patch
        and isinstance(findings, (list, tuple)) and all(_is_finding(entry) for entry in findings)
        and (answer["compatible"] or patch["state"] == "uncovered" or bool(_blockers(findings))))


def _is_finding(entry: t.Any) -> bool:
    return (
        isinstance(entry, Mapping) and entry.get("level") in LEVELS
        and all(isinstance(entry.get(key), str) for key in ("code", "message")))


def _reasons(answer: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """What stands against the way back, as far as the forecast tells."""
    place: t.Any = answer
    for key in ("forecast", "rollback", "reasons"):
        place = place.get(key) if isinstance(place, Mapping) else None
    return [entry for entry in place if _is_finding(entry)] if isinstance(place, (list, tuple)) else []


def _blockers(findings: Sequence[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    return [entry for entry in findings if entry["level"] == "blocker"]


def _failure(answer: Mapping[str, t.Any]) -> tuple[str | None, str]:
    """The code and the sentence of an answer that is lost or unchecked; what Ansible says by itself has no code."""
    if not (answer.get("unreachable") or answer.get("failed")):
        answer = NO_SENSE
    code = answer.get("code")
    # Since 2.19 Ansible says "Task failed:" before what went wrong.
    message = str(answer.get("msg") or "no reason given").strip().removeprefix("Task failed: ")
    # Where no module ran, as without sudo, Ansible sends the reader to what was printed; the last line of it tells why.
    printed = str(answer.get("module_stderr") or answer.get("module_stdout") or "").split("\n")
    last = next((line.strip() for line in reversed(printed) if line.strip()), None)
    if last and not code:
        message = f"{message.splitlines()[0]} ({last})"
    return (code if isinstance(code, str) else None), message


def _problem(answer: Mapping[str, t.Any], verdict: str) -> str:
    """Why a host is not good, in one sentence."""
    if verdict != "blocked":
        code, message = _failure(answer)
        return f"{code}: {message}" if code else message
    first, *more = _blockers(answer["findings"])
    codes = ", ".join(dict.fromkeys(entry["code"] for entry in more))
    return f"{first['code']}: {first['message']}" + (f" Also: {codes}." if codes else "")


def _cohorts(
        answers: Mapping[str, t.Any], verdicts: Mapping[str, str], names: Sequence[str],
        hostvars: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Each cohort of the hosts that answered, with who is what in it, and what was found in it."""
    members: dict[Cohort, list[str]] = {}
    for host, verdict in verdicts.items():
        if verdict in ("compatible", "uncovered", "blocked"):
            variables = hostvars[host] if names and host in hostvars else {}
            cohort = cohort_of(answers[host]["patch"]["kernel"], answers[host]["arch"], names, variables)
            members.setdefault(cohort, []).append(host)
    return [
        {
            "kernel": cohort.kernel, "arch": cohort.arch, "values": dict(cohort.values), "title": str(cohort),
            **{verdict: [host for host in hosts if verdicts[host] == verdict] for verdict in VERDICTS[:3]},
            "findings": _by_code({host: answers[host]["findings"] for host in hosts}),
            "rollback": _by_code({host: _reasons(answers[host]) for host in hosts}),
        }
        for cohort, hosts in sorted(members.items(), key=lambda entry: entry[0].sort_key)]


def _by_code(findings: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[dict[str, t.Any]]:
    """The findings of hosts, each code once: the worst level first, then what the most hosts have."""
    # Dicts for their order and their speed: one host can answer with many thousands of messages.
    found: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for host, entries in findings.items():
        for entry in entries:
            messages, hosts = found.setdefault((entry["level"], entry["code"]), ({}, {}))
            messages[entry["message"]] = None
            hosts[host] = None
    groups = [
        {"code": code, "level": level, "messages": list(messages), "hosts": list(hosts)}
        for (level, code), (messages, hosts) in found.items()]
    return sorted(
        groups, key=lambda group: (LEVELS.index(group["level"]), -len(group["hosts"]), group["code"]))


def _by_failure(answers: Mapping[str, t.Any], hosts: Sequence[str]) -> list[dict[str, t.Any]]:
    """Hosts that gave no result, by the code of the failure; those without one, which Ansible words, together."""
    found: dict[str | None, dict[str, t.Any]] = {}
    for host in hosts:
        code, message = _failure(answers[host])
        group = found.setdefault(code, {"code": code, "messages": [], "hosts": []})
        group["hosts"].append(host)
        if message not in group["messages"]:
            group["messages"].append(message)
    return sorted(found.values(), key=lambda group: -len(group["hosts"]))
