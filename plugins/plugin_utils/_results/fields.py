# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The parts of a host's result for a record: truncated, plain, and without terminal control characters."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import level_rank
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    HOST_SILENT,
    MALFORMED,
    failure_of,
    is_finding,
    is_list,
    is_small,
    text_from,
)

# One host must not make the record too large for a browser.
MOST_FINDINGS, MOST_FUNCTIONS, MOST_BLOCKERS, MOST_CHECKS = 30, 500, 20, 50
LONGEST, LONGEST_NAME = 500, 160  # characters of a text, and of a function's name
BLOCKER_KEYS = ("pid", "tid", "comm", "kthread", "reason", "function")


HOST_UNREACHABLE = "host-unreachable"
NOT_ANSWERING = (HOST_UNREACHABLE, HOST_SILENT)
# Failures that the controller finds.
WATCH_NOT_RUN = "watch-not-run"
FAILURES = {
    HOST_UNREACHABLE: "The host is unreachable.",
    HOST_SILENT:
        "The host did not answer in time, and the task was ended. The host may still finish it. Look at its console, "
        "and query it with the playbook kernel.livepatch.status before you patch it again.",
    "no-longer-covered":
        "The host runs another kernel than at the plan, and there is no build for it. Run the rollout again.",
    "trial-over":
        "The trial ended before the acceptance, so the patch was loaded again and not watched. Check the host with the "
        "playbook kernel.livepatch.status.",
    "host-rebooted":
        "The host has rebooted since the load, so the patch was not watched. See quarantined and the journal in "
        "patch_info.",
    WATCH_NOT_RUN:
        "The host accepted the patch without a complete verdict of its watch. Check the host with the playbook "
        "kernel.livepatch.status.",
    "watch-undecided":
        "The host accepted the patch although the last result of a health check was a failure. Check the host with the "
        "playbook kernel.livepatch.status.",
    "transition-unfinished":
        "The transition was not over at the end of the soak. See the tasks in blockers, and restart them or wait.",
    # The message of the task follows.
    "before-failed": "livepatch_before failed, so the patch was not loaded.",
    "after-failed": "livepatch_after failed, and is still due on this host.",
}


def unreachable_failure(answer: Mapping[str, t.Any]) -> tuple[str, str]:
    """The failure of a host that is unreachable or silent."""
    code, message = failure_of(answer)
    return (HOST_SILENT if code == HOST_SILENT else HOST_UNREACHABLE), message or FAILURES[HOST_UNREACHABLE]


def failure_with_code(code: str) -> tuple[str, str]:
    return code, FAILURES[code]


def user_task_message(result: t.Any) -> str:
    """Why a task of the user failed, in one line; `result` is what Ansible has kept of it."""
    _code, message = failure_of(result) if isinstance(result, Mapping) else MALFORMED
    return truncate(" ".join(message.split()), LONGEST)


def findings_of(answer: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The findings of a result, the worst first."""
    found = [entry for entry in _list(answer, "findings") if is_finding(entry)]
    found.sort(key=level_rank)
    return [
        {"code": _short(entry["code"]), "level": str(entry["level"]), "subject": _short(entry.get("subject") or ""),
         "message": _short(entry["message"])}
        for entry in found[:MOST_FINDINGS]]


def blockers_of(answer: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The tasks that hold a transition."""
    tasks = [one for one in _list(answer, "blockers") if isinstance(one, Mapping) and isinstance(one.get("comm"), str)]
    return [{key: _plain(one.get(key)) for key in BLOCKER_KEYS} for one in tasks[:MOST_BLOCKERS]]


def health_of(answer: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The results of the health checks."""
    checks = [one for one in _list(answer, "health") if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
    return [
        {"name": _short(one["name"]), "ok": one.get("ok") is True, "message": _short(one.get("message") or "")}
        for one in checks[:MOST_CHECKS]]


def watch_of(verdict: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """How often a host has looked at its patch, when first and last, and the counted calls, from a verdict."""
    looks = verdict.get("looks")
    return {
        "looks": looks if is_small(looks) and looks is not True and looks > 0 else 0,
        "first": text_of(verdict, "first"), "last": text_of(verdict, "last"),
        "calls": [_calls(one) for one in _list(verdict, "calls")[:MOST_FUNCTIONS] if isinstance(one, Mapping)]}


def _calls(entry: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The calls of one function, None without a count."""
    calls = entry.get("calls")
    return {
        "object": truncate(str(entry.get("object")), LONGEST_NAME),
        "name": truncate(str(entry.get("name")), LONGEST_NAME), "sympos": _plain(entry.get("sympos")),
        "calls": calls if is_small(calls) and calls is not True else None}


def health_of_watch(verdict: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The health checks in a verdict: `ok` is the last result of each, None before its first."""
    checks = [one for one in _list(verdict, "health") if isinstance(one, Mapping) and isinstance(one.get("name"), str)]
    return [_health_check(one) for one in checks[:MOST_CHECKS]]


def _health_check(check: Mapping[str, t.Any]) -> dict[str, t.Any]:
    passed, failed, in_a_row = (_count(check.get(key)) for key in ("ok", "failed", "in_a_row"))
    ok = None if passed + failed <= 0 else in_a_row == 0
    return {
        "name": _short(check["name"]), "ok": ok,
        "message": f"{passed} of {passed + failed} succeeded. {_short(check.get('message') or '')}".rstrip()}


def _count(value: t.Any) -> int:
    return value if is_small(value) else 0


def functions_of(patch: Mapping[str, t.Any], state: str) -> list[dict[str, t.Any]]:
    """The functions of `patch` in a module's result; `state` is for functions of patched objects."""
    found: list[dict[str, t.Any]] = []
    for one in _list(patch, "objects"):
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
            continue
        if len(found) >= MOST_FUNCTIONS:
            break
        now = state if one.get("patched") or state != "patched" else "pending"
        found += [
            {"object": truncate(one["name"], LONGEST_NAME), "name": truncate(function["name"], LONGEST_NAME),
             "sympos": _plain(function.get("sympos")), "state": now}
            for function in _list(one, "functions")[:MOST_FUNCTIONS]
            if isinstance(function, Mapping) and isinstance(function.get("name"), str)]
    return found[:MOST_FUNCTIONS]


def text_of(answer: Mapping[str, t.Any], key: str) -> str | None:
    value = answer.get(key)
    return _short(value) if isinstance(value, str) else None


def number_of_seconds(answer: Mapping[str, t.Any], key: str) -> float | None:
    value = _plain(answer.get(key))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _list(place: Mapping[str, t.Any], key: str) -> list[t.Any]:
    value = place.get(key)
    return list(value) if is_list(value) else []


def _plain(value: t.Any) -> t.Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        # JSON has no infinity and no NaN.
        return (int(value) if isinstance(value, int) else float(value)) if abs(value) < 2**63 else None
    return _short(value)


def _short(value: t.Any) -> str:
    return text_from(value, LONGEST)
