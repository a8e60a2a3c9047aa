# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What a host does in one run of the playbook pull, and what came of it.

A patch takes several runs: one loads it on trial, and a later one accepts it when its soak is over. Between them the
host watches itself. If no run comes, or none can read the release, the trial ends, and the host reverts.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import TOLERATED
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PULL_RUN
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.bounds import task_bounds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.options import PullOptions
from ansible_collections.kernel.livepatch.plugins.plugin_utils._pull.release import ReleaseFile
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import number_of_seconds, text_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    Failure,
    failure_of,
    failure_sentence,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import checks_of_hosts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.preflight import verdict_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.rollback import (
    IN_REQUESTED_STATE,
    judge_rollback,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import bad_option
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import format_duration

LOAD, ACCEPT, REVERT, NOTHING = "load", "accept", "revert", "none"
# The states of a host after a run, with their texts.
WORDS = {
    "accepted": "accepted", "on_trial": "on trial", "reverted": "reverted", "halted": "not begun, because of the halt",
    "waiting": "not released to this ring", "no_build": "without a build for its kernel", "failed": "failed",
    "foreign_trial": "on trial outside of pull"}
PLANNED = {"accepted": "would be accepted", "on_trial": "would be loaded on trial", "reverted": "would be reverted"}
ENABLED = ("enabled", "enabling")
OTHER_BUILD = "name-taken-by-other-build"
NOT_ASKED = (None, "The host was not asked.")

Record = dict[str, t.Any]


def begin(options: PullOptions, release: ReleaseFile, ring: int) -> Record:
    """What this run is about: the release for the ring of this host, and the options of the tasks.

    Raises TaskError `bad-option` for a ring that the release does not have: no release would ever be for it. A halt is
    for every host.
    """
    last = len(release.rings) - 1
    if ring > last and not release.halt:
        raise bad_option(
            "ring", f"is {ring}, and the release has no such ring", f"give a ring from 0 to {last}, or correct rings")
    entry = None if release.halt else release.release_for(ring)
    return {
        "ring": ring, "halt": release.halt, "digest": release.digest, "soak": release.soak,
        "release": entry and {"src": entry.src, "name": entry.name, "version": entry.version, "up_to": entry.up_to},
        "trial": release.trial, "take_lease": options.take_lease, "ignore_findings": list(options.ignore_findings),
        "transition_timeout": options.transition_timeout, "on_stall": options.on_stall, "adopt": options.adopt,
        "params": options.params, "run": PULL_RUN,
        "watch": {"health_checks": checks_of_hosts(options.health_checks), "min_calls": options.min_calls},
        "timeouts": task_bounds(options.transition_timeout, options.on_stall == "reverse", options.health_checks),
        "action": NOTHING, "state": None, "failure": None, "more_blockers": [], "patch": None, "transaction": None,
        "seconds_left": None}


def decide(record: Record, info: t.Any, check: t.Any) -> Record:
    """The record with the action of this run, or with its state if there is nothing to do.

    `info`: the result of patch_info. `check`: that of patch_check, empty without a release for this host.
    """
    if missing_result(info):
        return _failed(record, _failure(info))
    host = info.get("livepatch")
    trial, lease = (host.get(key) if isinstance(host, Mapping) else None for key in ("trial", "lease"))
    if isinstance(trial, Mapping):
        record = {
            **record, "patch": text_of(trial, "name"), "transaction": text_of(trial, "transaction"),
            "seconds_left": number_of_seconds(trial, "seconds_left")}
        run = lease.get("run") if isinstance(lease, Mapping) else None
        if run != PULL_RUN and not (run and record["take_lease"]):
            return {**record, "state": "foreign_trial"}
        if not record["release"]:
            return {**record, "action": REVERT}
    if not record["release"]:
        return {**record, "state": "halted" if record["halt"] else "waiting"}
    return _for_release(record, trial if isinstance(trial, Mapping) else None, check, host)


def _for_release(record: Record, trial: Mapping[str, t.Any] | None, check: t.Any, host: t.Any) -> Record:
    verdict = verdict_of(check)
    if verdict in ("unreachable", "unchecked", "no_result"):
        return _failed(record, _failure(check))
    patch = check["patch"]
    # The state is that of the name: another build can have it.
    other = next((one for one in check["findings"] if one["code"] == OTHER_BUILD), None)
    if trial and (trial.get("name") != patch["name"] or patch["state"] not in ENABLED or other):
        return {**record, "action": REVERT}  # of an earlier release; a later run loads the new one
    if verdict == "no_build":
        return {**record, "state": "no_build"}
    record = {**record, "patch": text_of(patch, "name")}
    if trial:  # the check has its lease as a blocker, and the acceptance makes every other check again
        seconds, left = (number_of_seconds(trial, key) or 0 for key in ("seconds", "seconds_left"))
        return {**record, "action": ACCEPT} if seconds - left >= record["soak"] else {**record, "state": "on_trial"}
    if other:
        return _failed(record, (other["code"], other["message"]))
    if patch["state"] == "accepted":
        return {**record, "state": "accepted"}
    blockers = blockers_in(check["findings"], (*TOLERATED, *record["ignore_findings"], *(
        ("host-leased",) if record["take_lease"] else ())))
    if blockers:
        first, *others = ((one["code"], one["message"]) for one in blockers)
        return {**_failed(record, first), "more_blockers": [failure_sentence(other) for other in others]}
    failed = host.get("failed_watch") if isinstance(host, Mapping) else None
    if isinstance(failed, Mapping) and failed.get("sha256") and failed.get("sha256") == patch.get("sha256"):
        return _failed(record, (
            "watch-failed", "This host has reverted this build, because its watch failed. It is not loaded again. See "
            "failed_watch in patch_info. Release another build, or set the patch to absent to try this one again."))
    return {**record, "action": ACCEPT if patch["state"] == "enabled" else LOAD}


def finish(record: Record, answers: Mapping[str, t.Any], check_mode: bool) -> Record:
    """The record with the state of the host, from the result of its action: `load`, `accept`, `rollback`, `verify`."""
    if record["action"] == REVERT:
        judged = judge_rollback(answers.get("rollback") or {}, answers.get("verify") or {}, check_mode)
        back = judged.verdict in IN_REQUESTED_STATE
        record = {**record, "state": "reverted"} if back else _failed(record, judged.failure or NOT_ASKED)
    elif record["action"] != NOTHING:
        answer = answers.get(record["action"]) or {}
        record = _failed(record, _failure(answer)) if missing_result(answer) else _after_change(record, answer)
    words = {**WORDS, **PLANNED} if check_mode and record["action"] != NOTHING else WORDS
    return {
        **record, "ok": record["failure"] is None, "lines": _lines(record, words),
        "problem": record["failure"] and failure_sentence(record["failure"])}


def _after_change(record: Record, answer: Mapping[str, t.Any]) -> Record:
    patch = answer.get("patch")
    state = patch.get("state") if isinstance(patch, Mapping) else None
    states = {"enabled": "on_trial", "enabling": "on_trial", "accepted": "accepted", "no_build": "no_build"}
    if state not in states:
        return _failed(record, (None, f"The patch is {printable(str(state))} after this run."))
    left = record["trial"] if record["action"] == LOAD and state in ENABLED else None
    return {**record, "state": states[state], "seconds_left": left}


def artifact(record: Record, changed: bool) -> Record:
    """What later jobs and reports of a fleet read."""
    failure = record["failure"]
    return {
        "ring": record["ring"], "state": record["state"], "changed": changed, "ok": record["ok"],
        "patch": record["patch"], "halt": record["halt"], "release": record["release"], "digest": record["digest"],
        "failure": failure and {"code": failure[0], "message": failure[1]}}


def _lines(record: Record, words: Mapping[str, str]) -> list[str]:
    name = record["patch"] or "no patch"
    release = record["release"]
    lines = [f"ring {record['ring']}: " + (
        f"halted: {record['halt']}" if record["halt"] else
        f"released up to ring {release['up_to']}" if release else "nothing is released to it")]
    lines.append(f"{name}: {words[record['state']]}")
    if record["state"] == "on_trial" and record["seconds_left"]:
        lines[-1] += (
            f", accepted by a run after {format_duration(record['soak'])} of its trial, and reverting automatically in "
            f"{format_duration(int(record['seconds_left']))}")
    # The first one is the message of the task that fails.
    return [*lines, *(f"  blocker {sentence}" for sentence in record["more_blockers"])]


def _failure(answer: t.Any) -> Failure:
    return failure_of(answer) if missing_result(answer) != "no_result" else NOT_ASKED


def _failed(record: Record, failure: Failure) -> Record:
    return {**record, "action": record["action"], "state": "failed", "failure": tuple(failure)}
