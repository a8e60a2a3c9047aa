# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One summary of the live patches of all hosts, from their patch_info results."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import IDENTITY, Choice, choose_builds
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.builds import build_labels, identity_key
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import KINDS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    by_code,
    by_failure,
    by_verdict,
    cohort_dict,
    cohorts_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import worst_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_CODE,
    failure_of,
    failure_sentence,
    text_from,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import LONGEST_NAME
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.cves import cohort_coverage, coverage_lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.holds import actor_of, hold_lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.host_status import (
    QUERIED,
    STATES,
    VERDICTS,
    HostStatus,
    verdict_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, Values
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import (
    count_line,
    failure_line,
    finding_line,
    join_hosts,
    no_result_line,
    number_of,
)

MOST_TASKS, MOST_CODES = 50, 100  # of one host
WORDS = {
    "accepted": "accepted",
    "enabled": "enabled",
    "on_trial": "on trial",
    "in_transition": "in transition",
    "unpatched": "without a live patch",
    "unsupported": "cannot be live patched",
    "unchecked": "query failed",
    "unreachable": "unreachable",
    "no_result": "without a result",
}
# The line of the state has it already, with the remaining seconds.
CODES_IN_STATE_LINE = ("on-trial",)


def summarize_status(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None, builds: Sequence[Mapping[str, t.Any]] | None = None,
        fail_on_drift: bool = False) -> dict[str, t.Any]:
    """The summary that the filter `status_summary` documents.

    `answers`: the patch_info result of each host, also of failed and unreachable hosts; empty for a host without a
    result. `builds`: descriptions of patch files, None without livepatch_src. No result of a host makes this fail.
    """
    verdicts = {host: verdict_of(answer) for host, answer in answers.items()}
    hosts = by_verdict(verdicts, VERDICTS)
    seen = {host: HostStatus(answers[host]["livepatch"]) for host, verdict in verdicts.items() if verdict in QUERIED}
    problems = {
        host: failure_sentence(failure_of(answers[host])) for host in [*hosts["unchecked"], *hosts["unreachable"]]}
    if fail_on_drift:
        complaints = {host: status.complaint() for host, status in seen.items()}
        problems.update({host: complaint for host, complaint in complaints.items() if complaint})
    choices = None if builds is None else _choices(seen, builds)
    cohorts = _cohorts(seen, verdicts, cohort_names(cohort_by), hostvars or {}, choices)
    no_build = [
        host for cohort in cohorts for host in cohort["hosts"] if choices and _has_build(choices[host]) is False]
    summary = {
        "ok": not problems and not hosts["no_result"],
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "cohorts": cohorts,
        "drifted": [host for host, status in seen.items() if status.warnings()],
        "reboot": [host for host, status in seen.items() if status.cves["reboot"]],
        "no_build": None if builds is None else no_build,
        "unchecked": by_failure({host: failure_of(answers[host]) for host in hosts["unchecked"]}),
        "unreachable": by_failure({host: failure_of(answers[host]) for host in hosts["unreachable"]}),
        "no_result": hosts["no_result"],
        "problems": problems,
    }
    facts = {
        host: _facts(verdict, seen.get(host), choices.get(host) if choices else None)
        for host, verdict in verdicts.items()}
    artifact = {"ok": summary["ok"], "counts": summary["counts"], "problems": problems, "hosts": facts}
    return dict(summary, artifact=artifact, lines=status_lines(summary))


def _choices(seen: Mapping[str, HostStatus], builds: Sequence[Mapping[str, t.Any]]) -> dict[str, Choice]:
    """The builds for each host."""
    known: dict[tuple[str | None, ...], Choice] = {}
    found = {}
    for host, status in seen.items():
        kernel = (*status.kernel, status.kernel_build)
        if kernel not in known:
            known[kernel] = choose_builds(builds, *kernel)
        found[host] = known[kernel]
    return found


def _has_build(choice: Choice) -> bool | None:
    """Whether there is a build for a host; None if that depends on the build-id that its kernel does not show."""
    return True if choice.builds else None if choice.undecided else False


def _cohorts(
        seen: Mapping[str, HostStatus], verdicts: Mapping[str, str], names: Sequence[str],
        hostvars: Mapping[str, t.Any], choices: Mapping[str, Choice] | None) -> list[dict[str, t.Any]]:
    """Each cohort of the hosts with a result: its patches, their hosts, and the drift."""
    cohorts = []
    kernels, kernel_builds = ({host: getattr(status, key) for host, status in seen.items()}
                              for key in ("kernel", "kernel_build"))
    for cohort, hosts in cohorts_of(kernels, names, hostvars, kernel_builds):
        members = {host: seen[host] for host in hosts}
        cohorts.append({
            **cohort_dict(cohort), "hosts": hosts,
            "counts": {verdict: sum(verdicts[host] == verdict for host in hosts) for verdict in QUERIED},
            "patches": _patches(members),
            "trials": [_trial(host, status.trial) for host, status in members.items() if status.trial],
            "transitions": [
                _transition(host, status.transition) for host, status in members.items() if status.transition],
            "changing": [_change(host, status.changing) for host, status in members.items() if status.changing],
            "leased": [{"host": host, **status.lease} for host, status in members.items() if status.lease],
            "hooks_due": [{"host": host, **status.hook} for host, status in members.items() if status.hook],
            "unpatched": [host for host in hosts if verdicts[host] == "unpatched"],
            "unsupported": [
                {"host": host, "interface": seen[host].interface} for host in hosts if verdicts[host] == "unsupported"],
            "untold": [host for host, status in members.items() if status.drift is None],
            "drift": by_code({host: status.drift or [] for host, status in members.items()}),
            **cohort_coverage({host: status.cves for host, status in members.items()}),
            **_compare(members, choices),
        })
    return cohorts


def _patches(members: Mapping[str, HostStatus]) -> list[dict[str, t.Any]]:
    """Each build of each patch in each state, with its hosts."""
    found: dict[tuple[t.Any, ...], list[str]] = {}
    for host, status in members.items():
        for patch in [*status.patches, *status.quarantined]:
            name, *others = identity_key(patch)
            found.setdefault((name, STATES.index(patch["state"]), *others), []).append(host)
    return [
        {"name": name, "state": STATES[state], "hosts": hosts,
         **{key: text or None for key, text in zip(IDENTITY[1:], others, strict=True)}}
        for (name, state, *others), hosts in sorted(found.items())]


def _compare(members: Mapping[str, HostStatus], choices: Mapping[str, Choice] | None) -> dict[str, t.Any]:
    """The part of a cohort that compares its hosts with the builds for them."""
    if choices is None:
        return {"builds": None, "missing": [], "other_build": [], "unproven": [], "no_build": [], "undecided": []}
    kinds: dict[str, dict[str, list[str]]] = {kind: {} for kind in KINDS}
    for host, status in members.items():
        for build in choices[host].builds if status.interface != "none" else ():
            kind = status.coverage(build)
            kinds[kind].setdefault(build["name"], []).append(host)
            if kind == "other_build":
                kinds["missing"].setdefault(build["name"], []).append(host)
    named = {
        kind: [{"name": name, "hosts": hosts} for name, hosts in sorted(found.items())]
        for kind, found in kinds.items()}
    return {
        "builds": sorted({build["name"] for host in members for build in choices[host].builds}),
        **{kind: named[kind] for kind in ("missing", "other_build", "unproven")},
        "no_build": [host for host in members if _has_build(choices[host]) is False],
        "undecided": [host for host in members if choices[host].undecided],
    }


def _trial(host: str, trial: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"host": host, "name": printable(trial["name"]), "seconds_left": trial["seconds_left"]}


def _transition(host: str, transition: Mapping[str, t.Any]) -> dict[str, t.Any]:
    blockers = transition.get("blockers")
    tasks = [task.get("comm") for task in blockers if isinstance(task, Mapping)] if isinstance(blockers, list) else []
    return {
        "host": host, "name": text_from(transition.get("name"), LONGEST_NAME),
        "held_by": [text_from(task, LONGEST_NAME) for task in tasks[:MOST_TASKS]]}


def _change(host: str, changing: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "host": host, "since": text_from(changing.get("since"), LONGEST_NAME), "who": actor_of(changing.get("who"))}


def _facts(verdict: str, status: HostStatus | None, choice: Choice | None) -> dict[str, t.Any]:
    """The facts of one host for later jobs; small, because there can be thousands of hosts."""
    facts: dict[str, t.Any] = {"verdict": verdict}
    if status:
        facts.update(
            kernel=printable(status.kernel[0]), arch=printable(status.kernel[1]),
            patches=[{key: patch[key] for key in (*IDENTITY, "state")} for patch in status.patches],
            quarantined=[patch["name"] for patch in status.quarantined],
            effective_kernel=status.cves["effective_kernel"], reboot=status.cves["reboot"] is not None,
            lease=status.lease, hook=status.hook,
            drift=None if status.drift is None else list(dict.fromkeys(
                truncate(one["code"], LONGEST_CODE) for one in worst_of(status.drift, MOST_CODES))))
    if choice:
        kinds = [status.coverage(build) for build in choice.builds] if status else []
        facts.update(covered=_has_build(choice), coverage=max(kinds, key=KINDS.index, default=None))
    return facts


def fails_on_drift(value: t.Any) -> bool:
    """Read livepatch_fail_on_drift, a boolean or its text; raises AnsibleFilterError."""
    try:
        return Values({f"{PREFIX}fail_on_drift": value}).flag("fail_on_drift")
    except TaskError as error:
        raise AnsibleFilterError(f"{error.code}: {error.message}") from None


def status_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """One paragraph for each cohort, then the hosts without a result, then the counts."""
    lines = [line for cohort in summary["cohorts"] for line in _cohort_lines(cohort)]
    lines.extend(failure_line("query failed", group) for group in summary["unchecked"])
    lines.extend(failure_line("unreachable", group) for group in summary["unreachable"])
    return [*lines, *no_result_line(summary["no_result"]), _sum(summary)]


def _cohort_lines(cohort: Mapping[str, t.Any]) -> list[str]:
    no_build = "; no build for this kernel" if cohort["hosts"] == cohort["no_build"] else ""
    lines = [f"{cohort['title']}: {count_line(cohort['counts'], WORDS, 'nothing')}{no_build}"]
    details, labels = _details(cohort), build_labels(cohort["patches"])
    for patch in cohort["patches"]:
        hosts = [host + details.get((host, patch["name"], patch["state"]), "") for host in patch["hosts"]]
        lines.append(f"  {patch['name']}{labels[identity_key(patch)]} {patch['state']} on {join_hosts(hosts)}")
    if cohort["unpatched"]:
        lines.append(f"  no live patch on {join_hosts(cohort['unpatched'])}")
    lines.extend(_comparison_lines(cohort))
    lines.extend(coverage_lines(cohort))
    if cohort["unsupported"]:
        hosts = [f"{one['host']} (interface {one['interface']})" for one in cohort["unsupported"]]
        lines.append(f"  cannot be live patched by this collection: {join_hosts(hosts)}")
    if cohort["changing"]:
        hosts = [f"{one['host']} (by {one['who']}, since {one['since']})" for one in cohort["changing"]]
        lines.append(f"  being changed at this moment: {join_hosts(hosts)}")
    lines.extend(hold_lines("lease", cohort["leased"]))
    lines.extend(hold_lines("hook", cohort["hooks_due"]))
    drift = [group for group in cohort["drift"] if group["code"] not in CODES_IN_STATE_LINE]
    lines.extend(finding_line(group["level"], group) for group in drift)
    if cohort["untold"]:
        lines.append(
            f"  unknown without root on {join_hosts(cohort['untold'])}: accepted, on trial and quarantined patches, "
            "and drift")
    return lines


def _comparison_lines(cohort: Mapping[str, t.Any]) -> list[str]:
    others = {(one["name"], host) for one in cohort["other_build"] for host in one["hosts"]}
    lines = []
    for one in cohort["missing"]:
        hosts = [host + (" (another build)" if (one["name"], host) in others else "") for host in one["hosts"]]
        lines.append(f"  not enabled, although there is a build: {one['name']} on {join_hosts(hosts)}")
    lines.extend(
        f"  enabled by name, but a build-id is missing, so the build is unknown: {one['name']} on "
        f"{join_hosts(one['hosts'])}" for one in cohort["unproven"])
    if cohort["undecided"]:
        lines.append(
            "  the build depends on the build-id of the kernel, and it is unknown on "
            f"{join_hosts(cohort['undecided'])}")
    return lines


def _details(cohort: Mapping[str, t.Any]) -> dict[tuple[str, str, str], str]:
    """The text behind a host's name, by host, patch and state."""
    details = {
        (one["host"], one["name"], "on trial"): f" (reverts in {one['seconds_left']} s)" for one in cohort["trials"]}
    for one in cohort["transitions"]:
        held = f" (held by {join_hosts(one['held_by'])})" if one["held_by"] else ""
        details.update({(one["host"], one["name"], state): held for state in ("enabling", "disabling")})
    return details


def _sum(summary: Mapping[str, t.Any]) -> str:
    parts = [count_line(summary["counts"], WORDS, "no hosts")]
    if summary["drifted"]:
        drifted = summary["drifted"]
        what = "1 host has" if len(drifted) == 1 else f"{len(drifted)} hosts have"
        parts.append(f"{what} drifted: {join_hosts(drifted)}")
    if summary["reboot"]:
        parts.append(f"{number_of(len(summary['reboot']), 'host')} to reboot into a fixed kernel")
    no_build: Sequence[str] = summary["no_build"] or ()
    if no_build:
        parts.append(f"{len(no_build)} without a build, not a failure")
    return "; ".join(parts)
