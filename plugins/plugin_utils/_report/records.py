# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The record of a status, a rollback or a preflight for a report, from the results of the hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.operator import operator
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import IN_EFFECT
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import (
    Record,
    fail,
    new_host,
    new_record,
    patches_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import (
    MOST_FUNCTIONS,
    blockers_of,
    findings_of,
    functions_of,
    text_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import failure_of, is_list
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.cves import coverage_dict
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.host_status import (
    QUERIED,
    HostStatus,
    verdict_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import (
    CHECKED,
    blockers_among,
    summarize,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import verdict_of as verdict_of_check
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import (
    judge_rollback,
    summarize_rollback,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import summarize_status

COHORT_KEYS = ("title", "kernel", "arch", "values", "hosts")
# The state of a patch's functions, by the state of the patch; in other states they run older code.
FUNCTION_STATES = {"accepted": "patched", "enabled": "patched", "enabling": "pending", "disabling": "pending"}


def status_record(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None, cohort_by: str | Sequence[str] | None,
        builds: Sequence[Mapping[str, t.Any]] | None, options: Mapping[str, t.Any], now: float) -> Record:
    """The patch_info results of all hosts as a record; no result of a host makes this fail."""
    summary = summarize_status(answers, hostvars, cohort_by, builds, bool(options.get("fail_on_drift")))
    hosts = {name: _status_host(answer, now) for name, answer in answers.items()}
    for cohort in summary["cohorts"]:
        for name in cohort["hosts"]:
            hosts[name].update(kernel=cohort["kernel"], arch=cohort["arch"], cohort=cohort["title"])
    return _record(
        "status", summary, hosts, dict(options), now, False, patches=patches_of(builds or ()),
        cohorts=[{key: cohort[key] for key in COHORT_KEYS} for cohort in summary["cohorts"]],
        drifted=summary["drifted"], no_build=summary["no_build"])


def rollback_record(
        answers: Mapping[str, t.Any], proofs: Mapping[str, t.Any] | None, check_mode: bool,
        options: Mapping[str, t.Any], now: float) -> Record:
    """The patch_rollback and patch_verify results of all hosts as a record; no result of a host makes this fail."""
    summary = summarize_rollback(answers, proofs, check_mode)
    hosts = {
        name: _rollback_host(answer, (proofs or {}).get(name), check_mode, now) for name, answer in answers.items()}
    return _record("rollback", summary, hosts, dict(options), now, check_mode)


def preflight_record(
        answers: Mapping[str, t.Any], hostvars: Mapping[str, t.Any] | None, cohort_by: str | Sequence[str] | None,
        options: Mapping[str, t.Any], now: float) -> Record:
    """The patch_check results of all hosts as a record; no result of a host makes this fail."""
    summary = summarize(answers, hostvars, cohort_by)
    hosts = {name: _preflight_host(answer) for name, answer in answers.items()}
    cohorts = []
    for cohort in summary["cohorts"]:
        members = [name for verdict in CHECKED for name in cohort[verdict]]
        cohorts.append({key: members if key == "hosts" else cohort[key] for key in COHORT_KEYS})
        for name in members:
            hosts[name].update(kernel=cohort["kernel"], arch=cohort["arch"], cohort=cohort["title"])
    no_build = [name for name, host in hosts.items() if host["state"] == "no_build"]
    return _record("preflight", summary, hosts, dict(options), now, False, cohorts=cohorts, no_build=no_build)


def _record(
        kind: str, summary: Mapping[str, t.Any], hosts: Mapping[str, Record], options: Record, now: float,
        check_mode: bool, **more: t.Any) -> Record:
    record = new_record(options, (), operator(), check_mode, now)
    return dict(
        record, kind=kind, ended=utc_timestamp(now), outcome="complete", ok=summary["ok"], hosts=dict(hosts),
        counts={verdict: count for verdict, count in summary["counts"].items() if count},
        failures=sum(bool(host["failure"]) for host in hosts.values()), lines=summary["lines"], **more)


def _host(verdict: str, answer: t.Any) -> Record:
    """A host with its verdict, and why there is no result."""
    host = new_host()
    host["state"] = verdict
    if verdict in ("unchecked", "unreachable"):
        fail(host, "check", failure_of(answer))
    return host


def _status_host(answer: t.Any, now: float) -> Record:
    verdict = verdict_of(answer)
    host = _host(verdict, answer)
    if verdict not in QUERIED:
        return host
    info = answer["livepatch"]
    status = HostStatus(info)
    functions = {
        (one["object"], one["name"], one["sympos"]): one
        for patch in info["patches"] if patch["state"] in FUNCTION_STATES
        for one in functions_of(patch, FUNCTION_STATES[patch["state"]])}
    running = [patch for patch in status.patches if patch["state"] in IN_EFFECT]
    host.update(
        findings=findings_of({"findings": info.get("drift")}), blockers=blockers_of(info.get("transition") or {}),
        functions=list(functions.values())[:MOST_FUNCTIONS],
        patch=", ".join(patch["name"] for patch in running) or None,
        patches=[*status.patches, *status.quarantined], kernel_build_id=status.kernel_build,
        build_id=running[-1]["build_id"] if running else None, sha256=running[-1]["sha256"] if running else None,
        coverage=coverage_dict(status.cves), lease=status.lease, hook=status.hook)
    if status.trial and 0 <= status.trial["seconds_left"] < 1e9:
        host["trial_ends"] = utc_timestamp(now + status.trial["seconds_left"])
    return host


def _preflight_host(answer: t.Any) -> Record:
    verdict = verdict_of_check(answer)
    host = _host(verdict, answer)
    if verdict not in CHECKED:
        return host
    patch = answer["patch"]
    host.update(
        findings=findings_of(answer), patch=text_of(patch, "name"), build_id=text_of(patch, "build_id"),
        sha256=text_of(patch, "sha256"),
        functions=functions_of(patch, "absent" if patch["state"] not in IN_EFFECT else "patched"))
    if verdict == "blocked":
        # From the whole result: the list in the record is truncated.
        first = findings_of({"findings": blockers_among(answer["findings"])})[0]
        fail(host, "check", (first["code"], first["message"]))
    return host


def _rollback_host(answer: t.Any, proof: t.Any, check_mode: bool, now: float) -> Record:
    host = new_host()
    verdict = judge_rollback(answer, proof, check_mode)
    host["state"] = verdict.verdict
    if verdict.failure:
        fail(host, "back", verdict.failure)
    moves = [
        f"{', '.join(names)} {word}"
        for names, word in ((verdict.removed, "removed"), (verdict.restored, "restored")) if names]
    host.update(patch=", ".join(verdict.enabled) or None, moves="; ".join(moves) or None)
    if isinstance(answer, Mapping):
        host.update(findings=findings_of(answer), blockers=blockers_of(answer))
    if verdict.verdict == "rolled_back":
        host["back_at"] = utc_timestamp(now)
    if isinstance(proof, Mapping) and is_list(proof.get("functions")):
        host["functions"] = _verified_functions(proof["functions"])
    return host


def _verified_functions(functions: Sequence[t.Any]) -> list[Record]:
    """The functions in a patch_verify result, in the shape of a record."""
    found: list[Record] = []
    for one in functions[:MOST_FUNCTIONS]:
        if isinstance(one, Mapping):
            state = "overridden" if one.get("overridden_by") else "patched"
            place = {"name": one.get("object"), "patched": one.get("object_loaded"), "functions": [one]}
            found += functions_of({"objects": [place]}, state)
    return found
