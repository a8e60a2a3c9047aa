# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""From the answers of all hosts to patch_info to one summary of what runs where."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import cohort_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.grouping import (
    by_code,
    by_failure,
    by_verdict,
    cohort_dict,
    cohorts_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    Finding,
    are_findings,
    are_named,
    failure_of,
    failure_sentence,
    findings_sentence,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, Values
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import (
    count_line,
    failure_line,
    finding_line,
    join_limited,
    no_result_line,
)

# What can be said of a host, by the least settled of its patches; the last three gave no result.
VERDICTS = (
    "accepted", "enabled", "on_trial", "in_transition", "unpatched", "unsupported", "unchecked", "unreachable",
    "no_result")
QUERIED = VERDICTS[:6]
# The states of a patch in patch_info, and in a summary, the most settled first; a quarantined one is in no kernel.
PATCH_STATES = ("accepted", "enabled", "disabled", "enabling", "disabling")
STATES = ("accepted", "enabled", "on trial", "enabling", "disabling", "disabled", "quarantined")
VERDICT_OF_STATE = {
    "accepted": "accepted", "enabled": "enabled", "on trial": "on_trial", "enabling": "in_transition",
    "disabling": "in_transition"}
IN_EFFECT = ("accepted", "enabled", "on trial")
NO_DRIFT = "The drift of the host is unknown without root. Run the task with become: true."
WORDS = {
    "accepted": "accepted",
    "enabled": "enabled",
    "on_trial": "on trial",
    "in_transition": "in transition",
    "unpatched": "without a live patch",
    "unsupported": "cannot be live patched",
    "unchecked": "could not be asked",
    "unreachable": "unreachable",
    "no_result": "without a result",
}
# The line of the state says it already, and how many seconds are left.
CODES_IN_STATE_LINE = ("on-trial",)


def summarize_status(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None = None,
        cohort_by: str | Sequence[str] | None = None, builds: Sequence[Mapping[str, t.Any]] | None = None,
        fail_on_drift: bool = False) -> dict[str, t.Any]:
    """The summary that the filter `status_summary` documents.

    `answers`: what each host's patch_info returned, or that it failed or was unreachable; nothing where it did not run.
    `builds`: descriptions of patch files, None where nobody asked about any. Nothing that a host answers makes this
    fail.
    """
    verdicts = {host: verdict_of(answer) for host, answer in answers.items()}
    hosts = by_verdict(verdicts, VERDICTS)
    seen = {host: HostStatus(answers[host]["livepatch"]) for host, verdict in verdicts.items() if verdict in QUERIED}
    problems = {
        host: failure_sentence(failure_of(answers[host])) for host in [*hosts["unchecked"], *hosts["unreachable"]]}
    if fail_on_drift:
        problems.update({host: known.complaint() for host, known in seen.items() if known.complaint()})
    cohorts = _cohorts(seen, verdicts, cohort_names(cohort_by), hostvars or {}, builds)
    no_build = [host for cohort in cohorts if cohort["builds"] == [] for host in cohort["hosts"]]
    summary = {
        "ok": not problems and not hosts["no_result"],
        "hosts": len(verdicts),
        "counts": {verdict: len(hosts[verdict]) for verdict in VERDICTS},
        "cohorts": cohorts,
        "drifted": [host for host, known in seen.items() if known.warnings()],
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
    """Which of VERDICTS a host's answer is."""
    verdict = missing_result(answer)
    if verdict:
        return verdict
    if not _makes_sense(answer.get("livepatch")):
        return "unchecked"
    known = HostStatus(answer["livepatch"])
    if known.interface != "livepatch":
        return "unsupported"
    least_settled = max((STATES.index(patch["state"]) for patch in known.patches if patch["state"] != "disabled"),
                        default=None)
    return "unpatched" if least_settled is None else VERDICT_OF_STATE[STATES[least_settled]]


def _makes_sense(told: t.Any) -> bool:
    kernel = told.get("kernel") if isinstance(told, Mapping) else None
    if not isinstance(kernel, Mapping):
        return False
    trial, drift = told.get("trial"), told.get("drift")
    return (
        all(isinstance(text, str) for text in (kernel.get("release"), kernel.get("arch"), told.get("interface")))
        and are_named(told.get("patches")) and all(patch.get("state") in PATCH_STATES for patch in told["patches"])
        and (drift is None or are_findings(drift))
        and (told.get("quarantined") is None or are_named(told["quarantined"]))
        and (trial is None or (are_named([trial]) and isinstance(trial.get("seconds_left"), int)))
        and all(told.get(key) is None or isinstance(told[key], Mapping) for key in ("transition", "changing")))


class HostStatus:
    """What patch_info tells of one host, as far as a summary has it; texts are fit to be shown."""

    def __init__(self, told: Mapping[str, t.Any]) -> None:
        self.kernel = (told["kernel"]["release"], told["kernel"]["arch"])
        self.interface = printable(told["interface"])
        self.trial: Mapping[str, t.Any] | None = told.get("trial")
        self.transition: Mapping[str, t.Any] | None = told.get("transition")
        self.changing: Mapping[str, t.Any] | None = told.get("changing")
        self.drift: Sequence[Finding] | None = told.get("drift")
        self.patches = [self._patch(patch) for patch in told["patches"]]
        self.quarantined = [self._patch(dict(entry, state="quarantined")) for entry in told.get("quarantined") or []]

    def _patch(self, patch: Mapping[str, t.Any]) -> dict[str, t.Any]:
        on_trial = self.trial and patch["state"] == "enabled" and patch["name"] == self.trial["name"]
        build_id = patch.get("build_id")
        return {
            "name": printable(patch["name"]), "state": "on trial" if on_trial else patch["state"],
            "build_id": printable(build_id) if isinstance(build_id, str) else None}

    def warnings(self) -> list[Finding]:
        return [entry for entry in self.drift or [] if entry["level"] != "note"]

    def complaint(self) -> str | None:
        """Why the host is not as it should be, in one sentence."""
        if self.drift is None:
            return NO_DRIFT
        return findings_sentence(self.warnings()) if self.warnings() else None

    def runs(self, build: Mapping[str, t.Any]) -> bool:
        """Whether this build is in effect; where one of the two has no build-id, the name decides."""
        return any(
            patch["name"] == build["name"] and patch["state"] in IN_EFFECT
            and (None in (patch["build_id"], build["build_id"]) or patch["build_id"] == build["build_id"])
            for patch in self.patches)


def _cohorts(
        seen: Mapping[str, HostStatus], verdicts: Mapping[str, str], names: Sequence[str],
        hostvars: Mapping[str, t.Any], builds: Sequence[Mapping[str, t.Any]] | None) -> list[dict[str, t.Any]]:
    """Each cohort of the hosts that answered: what runs in it, where, and what is not as it should be."""
    cohorts = []
    for cohort, hosts in cohorts_of({host: known.kernel for host, known in seen.items()}, names, hostvars):
        members = {host: seen[host] for host in hosts}
        matching = None if builds is None else [
            build for build in builds if (build["release"], build["arch"]) == (cohort.kernel, cohort.arch)]
        cohorts.append({
            **cohort_dict(cohort), "hosts": hosts,
            "counts": {verdict: sum(verdicts[host] == verdict for host in hosts) for verdict in QUERIED},
            "patches": _patches(members),
            "trials": [_trial(host, known) for host, known in members.items() if known.trial],
            "transitions": [_transition(host, known) for host, known in members.items() if known.transition],
            "changing": [_change(host, known) for host, known in members.items() if known.changing],
            "unpatched": [host for host in hosts if verdicts[host] == "unpatched"],
            "unsupported": [
                {"host": host, "interface": seen[host].interface} for host in hosts if verdicts[host] == "unsupported"],
            "untold": [host for host, known in members.items() if known.drift is None],
            "drift": by_code({host: known.drift or [] for host, known in members.items()}),
            "builds": matching and [build["name"] for build in matching],
            "missing": [missing for missing in (_missing(build, members) for build in matching or []) if missing],
        })
    return cohorts


def _patches(members: Mapping[str, HostStatus]) -> list[dict[str, t.Any]]:
    """Each build of each patch in each state, with its hosts."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for host, known in members.items():
        for patch in [*known.patches, *known.quarantined]:
            key = (patch["name"], STATES.index(patch["state"]), patch["build_id"] or "")
            found.setdefault(key, []).append(host)
    return [
        {"name": name, "state": STATES[state], "build_id": build_id or None, "hosts": hosts}
        for (name, state, build_id), hosts in sorted(found.items())]


def _missing(build: Mapping[str, t.Any], members: Mapping[str, HostStatus]) -> dict[str, t.Any] | None:
    hosts = [host for host, known in members.items() if known.interface == "livepatch" and not known.runs(build)]
    return {"name": build["name"], "hosts": hosts} if hosts else None


def _trial(host: str, known: HostStatus) -> dict[str, t.Any]:
    return {"host": host, "name": printable(known.trial["name"]), "seconds_left": known.trial["seconds_left"]}


def _transition(host: str, known: HostStatus) -> dict[str, t.Any]:
    blockers = known.transition.get("blockers")
    tasks = [task.get("comm") for task in blockers if isinstance(task, Mapping)] if isinstance(blockers, list) else []
    return {
        "host": host, "name": printable(str(known.transition.get("name"))),
        "held_by": [printable(str(task)) for task in tasks]}


def _change(host: str, known: HostStatus) -> dict[str, t.Any]:
    who = known.changing.get("who")
    told = {key: who.get(key) for key in ("controller_user", "controller_node")} if isinstance(who, Mapping) else {}
    user, node = (printable(str(told.get(key) or "")) for key in ("controller_user", "controller_node"))
    return {
        "host": host, "since": printable(str(known.changing.get("since"))),
        "who": f"{user or 'an unknown user'} on {node}" if node else user or "the host itself"}


def _facts(verdict: str, known: HostStatus | None, covered: bool | None) -> dict[str, t.Any]:
    """What a later job may want to know of one host; small, because there can be thousands."""
    facts: dict[str, t.Any] = {"verdict": verdict}
    if known:
        facts.update(
            kernel=printable(known.kernel[0]), arch=printable(known.kernel[1]),
            patches=[{"name": patch["name"], "state": patch["state"]} for patch in known.patches],
            quarantined=[patch["name"] for patch in known.quarantined],
            drift=None if known.drift is None else list(dict.fromkeys(printable(one["code"]) for one in known.drift)))
    if covered is not None:
        facts["covered"] = covered
    return facts


def fails_on_drift(value: t.Any) -> bool:
    """The variable of that name, as its own type or as text; raises AnsibleFilterError."""
    try:
        return Values({f"{PREFIX}fail_on_drift": value}).flag("fail_on_drift")
    except TaskError as error:
        raise AnsibleFilterError(f"{error.code}: {error.message}") from None


def status_lines(summary: Mapping[str, t.Any]) -> list[str]:
    """One paragraph for each cohort, then the hosts that belong to none, then the sum."""
    lines = [line for cohort in summary["cohorts"] for line in _cohort_lines(cohort)]
    lines.extend(failure_line("could not be asked", group) for group in summary["unchecked"])
    lines.extend(failure_line("unreachable", group) for group in summary["unreachable"])
    return [*lines, *no_result_line(summary["no_result"]), _sum(summary)]


def _cohort_lines(cohort: Mapping[str, t.Any]) -> list[str]:
    no_build = "; no build for this kernel" if cohort["builds"] == [] else ""
    lines = [f"{cohort['title']}: {count_line(cohort['counts'], WORDS, 'nothing')}{no_build}"]
    details = _details(cohort)
    for patch in cohort["patches"]:
        hosts = [host + details.get((host, patch["name"], patch["state"]), "") for host in patch["hosts"]]
        lines.append(f"  {patch['name']}{_build(patch, cohort)} {patch['state']} on {join_limited(hosts)}")
    if cohort["unpatched"]:
        lines.append(f"  no live patch on {join_limited(cohort['unpatched'])}")
    lines.extend(
        f"  not enabled, although there is a build: {missing['name']} on {join_limited(missing['hosts'])}"
        for missing in cohort["missing"])
    if cohort["unsupported"]:
        hosts = [f"{one['host']} (interface {one['interface']})" for one in cohort["unsupported"]]
        lines.append(f"  cannot be live patched by this collection: {join_limited(hosts)}")
    if cohort["changing"]:
        hosts = [f"{one['host']} (by {one['who']}, since {one['since']})" for one in cohort["changing"]]
        lines.append(f"  being changed at this moment: {join_limited(hosts)}")
    drift = [group for group in cohort["drift"] if group["code"] not in CODES_IN_STATE_LINE]
    lines.extend(finding_line(group["level"], group) for group in drift)
    if cohort["untold"]:
        lines.append(
            f"  not known on {join_limited(cohort['untold'])}, which takes root: accepted, on trial and quarantined "
            "patches, and drift")
    return lines


def _build(patch: Mapping[str, t.Any], cohort: Mapping[str, t.Any]) -> str:
    """Which build it is, where there are several in the cohort; the first letters of the build-id are enough."""
    builds = {one["build_id"] for one in cohort["patches"] if one["name"] == patch["name"]}
    return f" (build {(patch['build_id'] or 'unknown')[:8]})" if len(builds) > 1 else ""


def _details(cohort: Mapping[str, t.Any]) -> dict[tuple[str, str, str], str]:
    """What is said of a host behind its name, by host, patch and state."""
    details = {
        (one["host"], one["name"], "on trial"): f" (reverts in {one['seconds_left']} s)" for one in cohort["trials"]}
    for one in cohort["transitions"]:
        held = f" (held by {join_limited(one['held_by'])})" if one["held_by"] else ""
        details.update({(one["host"], one["name"], state): held for state in ("enabling", "disabling")})
    return details


def _sum(summary: Mapping[str, t.Any]) -> str:
    parts = [count_line(summary["counts"], WORDS, "nothing to ask")]
    if summary["drifted"]:
        drifted = summary["drifted"]
        what = "1 host has" if len(drifted) == 1 else f"{len(drifted)} hosts have"
        parts.append(f"{what} drifted: {join_limited(drifted)}")
    no_build: Sequence[str] = summary["no_build"] or ()
    if no_build:
        parts.append(f"{len(no_build)} without a build, not a failure")
    return "; ".join(parts)
