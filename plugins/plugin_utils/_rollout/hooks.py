# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The user's tasks around the change of a host: `livepatch_before` and `livepatch_after`.

`hooks` of a record are their files and bounds. `hook` of a host is `due` after an earlier run that did not reach its
`livepatch_after`, `begun` from its `livepatch_before` on, `failed` after a failed `livepatch_after`, and else None.
`hook` of a record is what the hosts run now: `kind` (`before` or `after`), `run` and `hosts`; None if it is judged.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import TASK_SKIPPED, Record, fail
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.fields import (
    HOST_UNREACHABLE,
    failure_with_code,
    unreachable_failure,
    user_task_message,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    Failure,
    failure_of,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import unreachable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import number_of_tasks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

# In the role: the tasks of the collection before and after the user's.
BEFORE_BEGIN = {"file": "before_begin.yml", "timeout": 0}
BEFORE_DONE = {"file": "before_done.yml", "timeout": 0}
AFTER_DONE = {"file": "after_done.yml", "timeout": 0}
UNFINISHED = "unfinished"  # the outcome of an earlier run
NOT_ALL = "Not all of its tasks ran."


def hooks_of(options: Options, forks: int) -> Record:
    """The `hooks` of a record."""
    return {
        "before": list(options.before), "after": list(options.after), "timeout": options.hook_timeout, "forks": forks}


def check_hooks(options: Options, directory: Path) -> None:
    """Refuse hooks without the callback: a host that was unreachable in its livepatch_before would be loaded."""
    if (options.before or options.after) and not unreachable.is_listening(directory):
        raise TaskError(
            "no-callback",
            "livepatch_before and livepatch_after need the callback plugin kernel.livepatch.hooks, and Ansible has not "
            "loaded it. Set callbacks_enabled = kernel.livepatch.hooks in ansible.cfg, or run the playbook "
            "kernel.livepatch.rollout or kernel.livepatch.apply by itself.")


def has_hooks(record: Record) -> bool:
    return bool(record["hooks"]["before"] or record["hooks"]["after"])


def due_hosts(record: Record) -> list[str]:
    """The hosts to run `livepatch_after` on that no wave is at work on."""
    return _with_hook(record, record["hosts"], ("due", "begun"))


def hosts_to_end(record: Record, wave: Record) -> list[str]:
    """The hosts to run `livepatch_after` on at the end of a wave; without waves also those that are due."""
    if record["alone"]:
        return due_hosts(record)
    return _with_hook(record, wave["hosts"], ("begun",))


def _with_hook(record: Record, hosts: Iterable[str], hooks: Sequence[str]) -> list[str]:
    if record["check_mode"] or not record["hooks"]["after"]:
        return []
    return [name for name in hosts if record["hosts"][name]["hook"] in hooks]


def start_hook(call: Call, record: Record, kind: str, hosts: Sequence[str]) -> dict[str, t.Any]:
    """Note what the hosts run next, and return it for the tasks.

    `seconds` is how long `before` can take for all. `take_lease` are hosts to take over from another run: those that
    this run has not changed yet. Another run that has taken a host over from this one keeps it.
    """
    if not hosts:
        record["hook"] = None
        return {"hosts": []}
    unreachable.forget(call.directory)
    record["hook_runs"] += 1
    run = f"{record['id']} {kind} {record['hook_runs']}"
    record["hook"] = {"kind": kind, "run": run, "hosts": list(hosts)}
    hooks = record["hooks"]
    files = [{"file": path, "timeout": hooks["timeout"]} for path in hooks[kind]]
    untouched = hosts if kind == "before" else _with_hook(record, hosts, ("due",))
    return {
        "take_lease": list(untouched) if record["options"]["take_lease"] else [],
        "hosts": list(hosts), "run": run, "notes": unreachable.notes_path(call.directory),
        "begin": bool(hooks["after"]), "files": [*files, BEFORE_DONE if kind == "before" else AFTER_DONE],
        "seconds": _longest_before(record, len(hosts)) if kind == "before" else 0,
        "outcomes": {name: _outcome(record["hosts"][name]) for name in hosts} if kind == "after" else {}}


def _longest_before(record: Record, hosts: int) -> int:
    """Seconds from the begin of `livepatch_before` on the first host to the end of the load on the last one."""
    hooks, bounds = record["hooks"], record["timeouts"]
    tasks = sum(map(number_of_tasks, hooks["before"])) * hooks["timeout"]
    return min(LONGEST_TRIAL, math.ceil(hosts / hooks["forks"]) * (bounds["hook"] + tasks + bounds["load"]))


def _outcome(host: Record) -> dict[str, t.Any]:
    """The variable `livepatch_outcome` of the user's tasks."""
    failure = host["failure"]
    return {
        "state": UNFINISHED if host["hook"] == "due" else host["state"],
        "failure": failure and {"code": failure["code"], "message": failure["message"]}}


def judge_hook(call: Call, record: Record) -> None:
    """Record the results of the hook that the hosts have run; nothing if it is judged already."""
    hook, record["hook"] = record["hook"], None
    if not hook:
        return
    failures = _failures(call, hook)
    if hook["kind"] == "before":
        _judge_before(call, record, failures, hook["hosts"])
    else:
        _judge_after(call, record, failures, hook["hosts"])


def _failures(call: Call, hook: Mapping[str, t.Any]) -> dict[str, str]:
    """The message for each host with a failed, a skipped or an unreachable task of the user."""
    failed = call.answers("__livepatch_hook_failure", hook["hosts"])
    done = call.answers("__livepatch_hook_done", hook["hosts"])
    messages = {
        host: _message(failed.get(host), hook["run"]) for host in hook["hosts"]
        if done.get(host) != hook["run"] or _is_of(failed.get(host), hook["run"])}
    # They come first: a task that fails after an unreachable one often fails because of it.
    lost = {host: unreachable.noted(call.directory, host) for host in hook["hosts"]}
    return {**messages, **{
        host: user_task_message({"failed": True, "msg": f"{HOST_UNREACHABLE}: {why}"})
        for host, why in lost.items() if why is not None}}


def _is_of(failure: t.Any, run: str) -> bool:
    return isinstance(failure, Mapping) and failure.get("run") == run


def _message(failure: t.Any, run: str) -> str:
    return user_task_message(failure.get("result") if _is_of(failure, run) else {"failed": True, "msg": NOT_ALL})


def _judge_before(call: Call, record: Record, failures: Mapping[str, str], hosts: Sequence[str]) -> None:
    marks = call.answers("__livepatch_hook_mark", hosts) if record["hooks"]["after"] else {}
    for name in hosts:
        host = record["hosts"][name]
        unmarked = _failure_of_module(marks.get(name)) if record["hooks"]["after"] else None
        if unmarked:
            fail(host, "before", unmarked, "unchanged")
            continue
        if record["hooks"]["after"]:
            host["hook"] = "begun"
        if name in failures:
            fail(host, "before", _failure_with("before-failed", failures[name]), "unchanged")


def _judge_after(call: Call, record: Record, failures: Mapping[str, str], hosts: Sequence[str]) -> None:
    ends = call.answers("__livepatch_hook_end", hosts)
    for name in hosts:
        host = record["hosts"][name]
        problem = failures.get(name)
        if problem is None:
            unmarked = _failure_of_module(ends.get(name))
            problem = unmarked and unmarked[1]
        if problem is None:
            host["hook"] = None
            continue
        # Without a result, the host may get another turn when the rollout has stopped.
        host["hook"] = "begun" if problem == NOT_ALL and host["hook"] == "begun" else "failed"
        fail(host, "after", _failure_with("after-failed", problem))


def _failure_with(code: str, why: str) -> Failure:
    _code, message = failure_with_code(code)
    return code, f"{message} {why}"


def _failure_of_module(answer: t.Any) -> Failure | None:
    """Why the host has not done what the module patch_hook was to do; None if it has."""
    result = answer if isinstance(answer, Mapping) else {}
    missing = missing_result(result)
    if missing == "unreachable":
        return unreachable_failure(result)
    if missing == "no_result":
        return TASK_SKIPPED
    return failure_of(result) if missing else None


def hook_notes(record: Record) -> list[str]:
    """Notes for the plan about hosts that an earlier run has left."""
    due = [name for name, host in record["hosts"].items() if host["hook"] == "due"]
    if not due:
        return []
    if not record["hooks"]["after"]:
        return [f"livepatch_after of an earlier run is still due on {join_hosts(due)}. Set livepatch_after to run it."]
    when = "would run" if record["check_mode"] else "runs"
    at = "at the end, because an earlier run did not" if record["alone"] else "first, because an earlier run did not"
    return [f"livepatch_after {when} on {join_hosts(due)} {at}."]


def left_lines(record: Record) -> list[str]:
    """A line for the summary about hosts whose `livepatch_after` is still due."""
    if record["check_mode"]:
        return []
    left = [name for name, host in record["hosts"].items() if host["hook"]]
    return [f"livepatch_after is still due, run the rollout again: {join_hosts(left)}"] if left else []
