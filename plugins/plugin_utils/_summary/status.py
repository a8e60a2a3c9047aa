# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One summary of the live patches of all hosts, from their patch_info results."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    by_code,
    by_failure,
    by_verdict,
    cohort_dict,
    cohorts_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_CODE,
    Finding,
    are_findings,
    are_named,
    failure_of,
    failure_sentence,
    findings_sentence,
    is_name,
    is_small,
    missing_result,
    text_from,
    worst_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import LONGEST_NAME
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, Values
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import (
    count_line,
    failure_line,
    finding_line,
    join_hosts,
    no_result_line,
)

# The verdicts of a host, by its least stable patch. The last three have no result.
VERDICTS = (
    "accepted", "enabled", "on_trial", "in_transition", "unpatched", "unsupported", "unchecked", "unreachable",
    "no_result")
QUERIED = VERDICTS[:6]
# The states of a patch in patch_info, and in a summary, the most stable first.
PATCH_STATES = ("accepted", "enabled", "disabled", "enabling", "disabling")
STATES = ("accepted", "enabled", "on trial", "enabling", "disabling", "disabled", "quarantined")
VERDICT_OF_STATE = {
    "accepted": "accepted", "enabled": "enabled", "on trial": "on_trial", "enabling": "in_transition",
    "disabling": "in_transition"}
IN_EFFECT = ("accepted", "enabled", "on trial")
MOST_TASKS, MOST_CODES = 50, 100  # of one host
NO_DRIFT = "The drift of the host is unknown without root. Run the task with become: true."
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
    cohorts = _cohorts(seen, verdicts, cohort_names(cohort_by), hostvars or {}, builds)
    no_build = [host for cohort in cohorts if cohort["builds"] == [] for host in cohort["hosts"]]
    summary = {
        "ok": not problems and not hosts["no_result"],
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "cohorts": cohorts,
        "drifted": [host for host, status in seen.items() if status.warnings()],
        "no_build": None if builds is None else no_build,
        "unchecked": by_failure({host: failure_of(answers[host]) for host in hosts["unchecked"]}),
        "unreachable": by_failure({host: failure_of(answers[host]) for host in hosts["unreachable"]}),
        "no_result": hosts["no_result"],
        "problems": problems,
    }
    facts = {
        host: _facts(verdict, seen.get(host), None if builds is None or host not in seen else host not in no_build)
        for host, verdict in verdicts.items()}
    artifact = {"ok": summary["ok"], "counts": summary["counts"], "problems": problems, "hosts": facts}
    return dict(summary, artifact=artifact, lines=status_lines(summary))


def verdict_of(answer: t.Any) -> str:
    """The verdict for a host's result, one of VERDICTS."""
    verdict = missing_result(answer)
    if verdict:
        return verdict
    if not _is_well_formed(answer.get("livepatch")):
        return "unchecked"
    status = HostStatus(answer["livepatch"])
    if status.interface != "livepatch":
        return "unsupported"
    least_settled = max((STATES.index(patch["state"]) for patch in status.patches if patch["state"] != "disabled"),
                        default=None)
    return "unpatched" if least_settled is None else VERDICT_OF_STATE[STATES[least_settled]]


def _is_well_formed(info: t.Any) -> bool:
    kernel = info.get("kernel") if isinstance(info, Mapping) else None
    if not isinstance(kernel, Mapping):
        return False
    trial, drift = info.get("trial"), info.get("drift")
    return (
        all(is_name(text) for text in (kernel.get("release"), kernel.get("arch"), info.get("interface")))
        and are_named(info.get("patches")) and all(patch.get("state") in PATCH_STATES for patch in info["patches"])
        and (drift is None or are_findings(drift))
        and (info.get("quarantined") is None or are_named(info["quarantined"]))
        and (trial is None or (are_named([trial]) and is_small(trial.get("seconds_left"))))
        and all(info.get(key) is None or isinstance(info[key], Mapping) for key in ("transition", "changing")))


class HostStatus:
    """The parts of a patch_info result for a summary; texts are printable."""

    def __init__(self, info: Mapping[str, t.Any]) -> None:
        self.kernel = (info["kernel"]["release"], info["kernel"]["arch"])
        self.interface = printable(info["interface"])
        self.trial: Mapping[str, t.Any] | None = info.get("trial")
        self.transition: Mapping[str, t.Any] | None = info.get("transition")
        self.changing: Mapping[str, t.Any] | None = info.get("changing")
        self.drift: Sequence[Finding] | None = info.get("drift")
        self.patches = [self._patch(patch) for patch in info["patches"]]
        self.quarantined = [self._patch(dict(entry, state="quarantined")) for entry in info.get("quarantined") or []]

    def _patch(self, patch: Mapping[str, t.Any]) -> dict[str, t.Any]:
        on_trial = self.trial and patch["state"] == "enabled" and patch["name"] == self.trial["name"]
        build_id = patch.get("build_id")
        return {
            "name": printable(patch["name"]), "state": "on trial" if on_trial else patch["state"],
            "build_id": truncate(build_id, LONGEST_NAME) if isinstance(build_id, str) else None}

    def warnings(self) -> list[Finding]:
        return [entry for entry in self.drift or [] if entry["level"] != "note"]

    def complaint(self) -> str | None:
        """The drift of the host in one message; None without drift."""
        if self.drift is None:
            return NO_DRIFT
        return findings_sentence(self.warnings()) if self.warnings() else None

    def runs(self, build: Mapping[str, t.Any]) -> bool:
        """Whether this build is in effect; compares names when one of the two has no build-id."""
        return any(
            patch["name"] == build["name"] and patch["state"] in IN_EFFECT
            and (None in (patch["build_id"], build["build_id"]) or patch["build_id"] == build["build_id"])
            for patch in self.patches)


def _cohorts(
        seen: Mapping[str, HostStatus], verdicts: Mapping[str, str], names: Sequence[str],
        hostvars: Mapping[str, t.Any], builds: Sequence[Mapping[str, t.Any]] | None) -> list[dict[str, t.Any]]:
    """Each cohort of the hosts with a result: its patches, their hosts, and the drift."""
    cohorts = []
    for cohort, hosts in cohorts_of({host: status.kernel for host, status in seen.items()}, names, hostvars):
        members = {host: seen[host] for host in hosts}
        matching = None if builds is None else [
            build for build in builds if (build["release"], build["arch"]) == (cohort.kernel, cohort.arch)]
        cohorts.append({
            **cohort_dict(cohort), "hosts": hosts,
            "counts": {verdict: sum(verdicts[host] == verdict for host in hosts) for verdict in QUERIED},
            "patches": _patches(members),
            "trials": [_trial(host, status.trial) for host, status in members.items() if status.trial],
            "transitions": [
                _transition(host, status.transition) for host, status in members.items() if status.transition],
            "changing": [_change(host, status.changing) for host, status in members.items() if status.changing],
            "unpatched": [host for host in hosts if verdicts[host] == "unpatched"],
            "unsupported": [
                {"host": host, "interface": seen[host].interface} for host in hosts if verdicts[host] == "unsupported"],
            "untold": [host for host, status in members.items() if status.drift is None],
            "drift": by_code({host: status.drift or [] for host, status in members.items()}),
            "builds": matching and [build["name"] for build in matching],
            "missing": [missing for missing in (_missing(build, members) for build in matching or []) if missing],
        })
    return cohorts


def _patches(members: Mapping[str, HostStatus]) -> list[dict[str, t.Any]]:
    """Each build of each patch in each state, with its hosts."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for host, status in members.items():
        for patch in [*status.patches, *status.quarantined]:
            key = (patch["name"], STATES.index(patch["state"]), patch["build_id"] or "")
            found.setdefault(key, []).append(host)
    return [
        {"name": name, "state": STATES[state], "build_id": build_id or None, "hosts": hosts}
        for (name, state, build_id), hosts in sorted(found.items())]


def _missing(build: Mapping[str, t.Any], members: Mapping[str, HostStatus]) -> dict[str, t.Any] | None:
    hosts = [host for host, status in members.items() if status.interface == "livepatch" and not status.runs(build)]
    return {"name": build["name"], "hosts": hosts} if hosts else None


def _trial(host: str, trial: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"host": host, "name": printable(trial["name"]), "seconds_left": trial["seconds_left"]}


def _transition(host: str, transition: Mapping[str, t.Any]) -> dict[str, t.Any]:
    blockers = transition.get("blockers")
    tasks = [task.get("comm") for task in blockers if isinstance(task, Mapping)] if isinstance(blockers, list) else []
    return {
        "host": host, "name": text_from(transition.get("name"), LONGEST_NAME),
        "held_by": [text_from(task, LONGEST_NAME) for task in tasks[:MOST_TASKS]]}


def _change(host: str, changing: Mapping[str, t.Any]) -> dict[str, t.Any]:
    who = changing.get("who")
    actor = {key: who.get(key) for key in ("controller_user", "controller_node")} if isinstance(who, Mapping) else {}
    user, node = (
        text_from(actor.get(key) or "", LONGEST_NAME) for key in ("controller_user", "controller_node"))
    return {
        "host": host, "since": text_from(changing.get("since"), LONGEST_NAME),
        "who": f"{user or 'an unknown user'} on {node}" if node else user or "the host itself"}


def _facts(verdict: str, status: HostStatus | None, covered: bool | None) -> dict[str, t.Any]:
    """The facts of one host for later jobs; small, because there can be thousands of hosts."""
    facts: dict[str, t.Any] = {"verdict": verdict}
    if status:
        facts.update(
            kernel=printable(status.kernel[0]), arch=printable(status.kernel[1]),
            patches=[{"name": patch["name"], "state": patch["state"]} for patch in status.patches],
            quarantined=[patch["name"] for patch in status.quarantined],
            drift=None if status.drift is None else list(dict.fromkeys(
                truncate(one["code"], LONGEST_CODE) for one in worst_of(status.drift, MOST_CODES))))
    if covered is not None:
        facts["covered"] = covered
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
    no_build = "; no build for this kernel" if cohort["builds"] == [] else ""
    lines = [f"{cohort['title']}: {count_line(cohort['counts'], WORDS, 'nothing')}{no_build}"]
    details = _details(cohort)
    for patch in cohort["patches"]:
        hosts = [host + details.get((host, patch["name"], patch["state"]), "") for host in patch["hosts"]]
        lines.append(f"  {patch['name']}{_build(patch, cohort)} {patch['state']} on {join_hosts(hosts)}")
    if cohort["unpatched"]:
        lines.append(f"  no live patch on {join_hosts(cohort['unpatched'])}")
    lines.extend(
        f"  not enabled, although there is a build: {missing['name']} on {join_hosts(missing['hosts'])}"
        for missing in cohort["missing"])
    if cohort["unsupported"]:
        hosts = [f"{one['host']} (interface {one['interface']})" for one in cohort["unsupported"]]
        lines.append(f"  cannot be live patched by this collection: {join_hosts(hosts)}")
    if cohort["changing"]:
        hosts = [f"{one['host']} (by {one['who']}, since {one['since']})" for one in cohort["changing"]]
        lines.append(f"  being changed at this moment: {join_hosts(hosts)}")
    drift = [group for group in cohort["drift"] if group["code"] not in CODES_IN_STATE_LINE]
    lines.extend(finding_line(group["level"], group) for group in drift)
    if cohort["untold"]:
        lines.append(
            f"  unknown without root on {join_hosts(cohort['untold'])}: accepted, on trial and quarantined patches, "
            "and drift")
    return lines


def _build(patch: Mapping[str, t.Any], cohort: Mapping[str, t.Any]) -> str:
    """The start of the build-id, when the cohort has several builds of the patch."""
    builds = {one["build_id"] for one in cohort["patches"] if one["name"] == patch["name"]}
    return f" (build {(patch['build_id'] or 'unknown')[:8]})" if len(builds) > 1 else ""


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
    no_build: Sequence[str] = summary["no_build"] or ()
    if no_build:
        parts.append(f"{len(no_build)} without a build, not a failure")
    return "; ".join(parts)
