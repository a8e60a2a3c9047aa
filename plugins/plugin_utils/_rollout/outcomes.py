# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Record the results of a wave's tasks.

`answers`: the result of a module on each host, also of failed and unreachable hosts; empty for a host without a
result. `now` is in seconds since 1970. No result of a host makes these functions fail.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import merge
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import TASK_SKIPPED, Record, fail
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import (
    MOST_FINDINGS,
    NOT_ANSWERING,
    WATCH_NOT_RUN,
    blockers_of,
    failure_with_code,
    findings_of,
    functions_of,
    health_of,
    health_of_watch,
    number_of_seconds,
    text_of,
    unreachable_failure,
    user_task_message,
    watch_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import worst_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    MALFORMED,
    Failure,
    failure_of,
    is_finding,
    is_list,
    missing_result,
    reported_code,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import checks_of_hosts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import hosts_of_wave, watched_hosts

Answers = Mapping[str, t.Any]

LEASED = "host-leased"
BUSY = "host-busy"
# States of a patch in the kernel.
LOADED_STATES = ("enabled", "accepted", "enabling", "disabling")
WELL = ("on_trial", "accepted", "enabled")  # of a host in the record without a failure
# States of a patch that can be accepted without a load.
ACCEPTABLE_FROM = ("enabled", "accepted")
NOT_RUNNING = "patch-not-running"  # follows from another finding, such as a failed watch


def record_load(record: Record, wave: Record, answers: Answers, now: float, trial: int) -> None:
    """Record the results of the load; `trial` is in seconds."""
    wave["loaded"] = utc_timestamp(now)
    # An unreachable host may still finish the transition. Its trial starts after that.
    latest = utc_timestamp(now + trial + 2 * record["options"]["transition_timeout"])
    for name, host in hosts_of_wave(record, wave).items():
        if host["failure"]:
            continue  # in a task of the user before the load
        answer = _answer(answers, name)
        nothing = missing_result(answer)
        if nothing == "no_result":
            fail(host, "load", TASK_SKIPPED, "unchanged")
            continue
        if nothing == "unreachable":
            fail(host, "load", unreachable_failure(answer))
            _mark_reverting(host, answer, latest)
            continue
        _describe_load(host, answer, now, trial)
        if host["failure"] and (_may_have_changed(host, answer) or _is_own_call(record, answer)):
            _mark_reverting(host, answer, host["trial_ends"] or latest)
        elif host["failure"] and answer.get("changed") is True:
            host["state"] = "unknown"  # the earlier patches may be gone, and the trial is over


def _answer(answers: Answers, name: str) -> Mapping[str, t.Any]:
    """The result of a host; an empty one for a host without a result."""
    answer = answers.get(name)
    return answer if isinstance(answer, Mapping) else {}


def _mark_reverting(host: Record, answer: Mapping[str, t.Any], latest: str) -> None:
    """Mark a host that may have the patch: it reverts automatically, unless it has no trial."""
    untried = host["untried"] or _has_no_trial(answer)
    host.update(state="unknown" if untried else "reverting", trial_ends=None if untried else latest)


def _has_no_trial(answer: Mapping[str, t.Any]) -> bool:
    """Whether the host reports that the trial did not start."""
    # From the whole result: the list in the record is truncated.
    place = answer.get("findings")
    findings = place if is_list(place) else []
    return _state(answer) == "accepted" or any(
        is_finding(entry) and entry["code"] == "trial-not-begun" for entry in findings)


def _may_have_changed(host: Record, answer: Mapping[str, t.Any]) -> bool:
    """Whether a failed load may have left the patch. Without a code of the host, it is not known."""
    state = _state(answer)
    if not answer.get("failed"):
        return state != "no_build"
    if reported_code(answer) is None or state in LOADED_STATES:
        return True
    return host["transaction"] is not None and state not in ("absent", "disabled", "no_build")


def _is_own_call(record: Record, answer: Mapping[str, t.Any]) -> bool:
    """Whether the host is busy with another call of this controller, perhaps the first one of the same task.

    After a lost connection ssh repeats a call (`retries`), while the first one goes on. Its result is not known.
    """
    holder = answer.get("holder")
    who = holder.get("who") if isinstance(holder, Mapping) else None
    if reported_code(answer) != BUSY or not isinstance(who, Mapping):
        return False
    # A host shortens long names.
    return all(
        isinstance(name, str) and name and record["operator"][key].startswith(name)
        for key, name in (("user", who.get("controller_user")), ("node", who.get("controller_node"))))


def _describe_load(host: Record, answer: Mapping[str, t.Any], now: float, trial: int) -> None:
    place = answer.get("patch")
    patch: Mapping[str, t.Any] = place if isinstance(place, Mapping) else {}
    state = patch.get("state")
    host.update(
        findings=findings_of(answer), blockers=blockers_of(answer), transaction=text_of(answer, "transaction"),
        boot_id=_boot_id(answer))
    if state in LOADED_STATES:
        host.update(
            functions=functions_of(patch, "patched"), loaded_at=utc_timestamp(now),
            # A patch that was enabled before without a trial still has none: nothing was changed.
            trial_ends=utc_timestamp(now + trial) if host["transaction"] and not _has_no_trial(answer) else None,
            patch=text_of(patch, "name") or host["patch"], sha256=text_of(patch, "sha256") or host["sha256"],
            transition_seconds=number_of_seconds(patch, "transition_seconds"))
        host["watched"] = host["trial_ends"] is not None
    if answer.get("failed"):
        fail(host, "load", failure_of(answer), "unchanged")
    elif state == "no_build":
        fail(host, "load", failure_with_code("no-longer-covered"), "unchanged")
    elif state in ("enabled", "accepted"):
        host.update(state="on_trial", accepted_at=utc_timestamp(now) if state == "accepted" else None)
    elif state == "enabling":
        host["state"] = "waiting"
    else:
        fail(host, "load", MALFORMED, "reverting")


def _boot_id(answer: Mapping[str, t.Any]) -> str | None:
    place = answer.get("baseline")
    return text_of(place, "boot_id") if isinstance(place, Mapping) else None


def record_watch(hosts: Mapping[str, Record], answers: Answers, now: float, last: bool) -> None:
    """Record the results of `patch_watch` on these hosts; `last` is true at the end of the soak."""
    for name, host in hosts.items():
        answer = _answer(answers, name)
        nothing = missing_result(answer)
        if nothing == "no_result":
            fail(host, "look", TASK_SKIPPED, _state_without_rollback(host))
        elif nothing == "unreachable":
            fail(host, "look", unreachable_failure(answer), _state_without_rollback(host))
        else:
            _describe_watch(host, answer, now, last)


def record_user_tasks(hosts: Mapping[str, Record], failed: Answers) -> None:
    """Record the failures of the user's tasks; `failed`: the result of the failed task, for each host with one."""
    for name, host in hosts.items():
        if name in failed:
            _describe_user_tasks(host, failed[name])


def _state_without_rollback(host: Record) -> str:
    """The state of a host out of reach: on trial, it reverts automatically."""
    return "reverting" if host["trial_ends"] else "unknown"


def _describe_watch(host: Record, answer: Mapping[str, t.Any], now: float, last: bool) -> None:
    findings, state = findings_of(answer), answer.get("state")
    trial = answer.get("trial")
    left = number_of_seconds(trial, "seconds_left") if isinstance(trial, Mapping) else None
    if left is not None and abs(left) < LONGEST_TRIAL:
        host["trial_ends"] = utc_timestamp(now + left)
    elif "trial" in answer and trial is None:
        host["trial_ends"] = None
    host.update(
        blockers=blockers_of(answer), health=health_of(answer),
        findings=worst_of(merge(host["findings"], findings), MOST_FINDINGS))
    _describe_verdict(host, answer)
    blockers = [entry for entry in findings if entry["level"] == "blocker"]
    blockers.sort(key=lambda entry: entry["code"] == NOT_RUNNING)
    if answer.get("failed"):
        fail(host, "look", failure_of(answer))
    elif blockers:
        fail(host, "look", (blockers[0]["code"], blockers[0]["message"]))
    elif state in ("enabled", "accepted") and answer.get("well") is True:
        host["state"] = "on_trial"
    elif state == "enabling":
        host["state"] = "waiting"
        if last:
            fail(host, "look", failure_with_code("transition-unfinished"))
    else:
        fail(host, "look", MALFORMED)


def _describe_verdict(host: Record, answer: Mapping[str, t.Any]) -> None:
    """Record what the watch of the host itself has seen so far."""
    verdict = answer.get("watch")
    if isinstance(verdict, Mapping):
        host.update(
            watch=watch_of(verdict), health=health_of_watch(verdict),
            findings=worst_of(merge(host["findings"], findings_of(verdict)), MOST_FINDINGS))


def _describe_user_tasks(host: Record, result: t.Any) -> None:
    message = user_task_message(result)
    host["health"] = [*host["health"], {"name": "your own tasks", "ok": False, "message": message}]
    fail(host, "look", ("health-check-failed", f"Your tasks failed: {message}"))


def record_look(record: Record, wave: Record, now: float, after: float) -> None:
    """Record a look at the wave, `after` this number of seconds of its soak."""
    hosts = list(hosts_of_wave(record, wave).values())
    failed = [host for host in hosts if host["failure"]]
    unreachable = [host for host in failed if host["failure"]["code"] in NOT_ANSWERING]
    wave["looks"].append({
        "at": utc_timestamp(now),
        "after": round(after),
        "well": sum(host["state"] in WELL and not host["failure"] for host in hosts),
        "waiting": sum(host["state"] == "waiting" and not host["failure"] for host in hosts),
        "failed": len(failed) - len(unreachable),
        "unreachable": len(unreachable)})


def record_acceptance(record: Record, wave: Record, answers: Answers, now: float) -> None:
    """Record the results of the acceptance, or of the end of the trial with state `enabled`."""
    wanted = record["options"]["state"]
    checks = len(checks_of_hosts(record["checks"]))
    for name, host in watched_hosts(record, wave).items():
        answer = _answer(answers, name)
        nothing = missing_result(answer)
        if host["state"] == "waiting":  # since its last look, after it was enabled
            fail(host, "look", failure_with_code("transition-unfinished"))
        elif nothing == "no_result":
            fail(host, "accept", TASK_SKIPPED, _state_without_rollback(host))
        elif nothing == "unreachable":
            _mark_unknown(host, unreachable_failure(answer))
        elif answer.get("failed") and (reported_code(answer) == LEASED or _is_own_call(record, answer)):
            # Another run has taken it over, or it is just accepting the patch.
            _mark_unknown(host, failure_of(answer))
        else:
            _describe_verdict(host, answer)
            _describe_acceptance(host, answer, wanted, checks, now)


def _describe_acceptance(host: Record, answer: Mapping[str, t.Any], wanted: str, checks: int, now: float) -> None:
    """Judge what a host answers to the acceptance; `checks` is the number of health checks that it has to run."""
    state, accepted = _state(answer), _state(answer) in (wanted, "accepted")
    refused = answer.get("failed") and reported_code(answer) and state != wanted
    if _has_rebooted(host, answer):
        fail(host, "accept", failure_with_code("host-rebooted"))
    if refused or state == "no_build":
        why = failure_of(answer) if refused else failure_with_code("no-longer-covered")
        fail(host, "accept", why, _state_without_rollback(host))
    elif answer.get("failed"):
        _mark_unknown(host, failure_of(answer))
    elif not accepted:
        _mark_unknown(host, MALFORMED)
    elif _state(answer, "previous_state") not in ACCEPTABLE_FROM:
        _mark_unknown(host, failure_with_code("trial-over"))
    else:
        failure = _verdict_failure(host, answer, checks)
        if failure:
            fail(host, "accept", failure)
        host.update(state="unknown" if host["failure"] else state, trial_ends=None)
        host["accepted_at"] = None if host["failure"] else utc_timestamp(now)


def _has_rebooted(host: Record, answer: Mapping[str, t.Any]) -> bool:
    now = _boot_id(answer)
    return None not in (host["boot_id"], now) and host["boot_id"] != now


def _verdict_failure(host: Record, answer: Mapping[str, t.Any], checks: int) -> Failure | None:
    """Why the verdict of a host's watch is not enough to accept its patch: the controller judges it once more."""
    if not host["watched"]:
        return None
    place = answer.get("watch")
    verdict: Mapping[str, t.Any] = place if isinstance(place, Mapping) else {}
    blockers = [entry for entry in findings_of(verdict) if entry["level"] == "blocker"]
    if blockers:
        return blockers[0]["code"], blockers[0]["message"]
    results = [check["ok"] for check in health_of_watch(verdict)]
    if not watch_of(verdict)["looks"] or len(results) != checks or None in results:
        return failure_with_code(WATCH_NOT_RUN)
    return failure_with_code("watch-undecided") if False in results else None


def _mark_unknown(host: Record, failure: Failure) -> None:
    """The host may have accepted the patch before the failure, or have loaded it without a trial."""
    fail(host, "accept", failure, "unknown")
    host["trial_ends"] = None


def _state(answer: Mapping[str, t.Any], key: str = "state") -> t.Any:
    patch = answer.get("patch")
    return patch.get(key) if isinstance(patch, Mapping) else None
