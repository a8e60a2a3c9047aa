# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The input of a rollout step, and its result for the play."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import FACT_OF_ROLLOUT, exact_pattern
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import checks_of_hosts

UNFINISHED = "The rollout did not finish."
# The facts with the hosts of each play that patches waves.
PLAYS_OF_WAVES = ("hosts", "hosts_with_phases", "hosts_with_hooks")
CHECK = "__livepatch_check"  # the registered result of the check of each host
LOAD = "__livepatch_load"  # the same of its load
FILES = {"tasks": "user_tasks.yml", "look": "look.yml", "accept": "accept.yml"}
NO_HOST = ["all", "!all"]  # a pattern
# In the role: records that a host ran all task files of the user.
USER_TASKS_DONE = {"file": "user_tasks_done.yml", "timeout": 0}


@dataclasses.dataclass
class Call:
    """The input of a step; `phase` is the number of the one that is over (see
    schedule.py), 0 for the load; `say` shows lines, `directory` holds the record.

    `given` and `alone` are the options of the first step. `variables` are those of the task. After the first step, only
    results of hosts and variables of Ansible itself are read from them: a host can set any other by its facts.
    `check_tasks` raises TaskError for an unreadable task file of an option. `limited`: whether the run has --limit.
    `unread`: the inventory sources that Ansible could not read, see inventory.py. `environment` is that of the run.
    `now` is in seconds since 1970, `tick` in seconds of a monotonic clock.
    """

    variables: Mapping[str, t.Any]
    given: Mapping[str, t.Any]
    phase: int
    alone: bool
    check_mode: bool
    directory: Path
    find: Callable[[str], Path]
    say: Callable[..., None]
    check_tasks: Callable[[str, str], None]
    now: Callable[[], float]
    tick: Callable[[], float]
    sleep: Callable[[float], None]
    limited: bool = False
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unread: Callable[[], list[str] | None] = list

    def answers(self, name: str, hosts: Iterable[str]) -> dict[str, t.Any]:
        """The registered result of each host under a name; an empty dict without one."""
        hostvars = self.variables["hostvars"]
        read = getattr(hostvars, "raw_get", hostvars.__getitem__)  # a result has no templates to compile
        return {host: read(host).get(name) or {} for host in hosts if host in hostvars}

    def host_variables(self, hosts: Iterable[str]) -> Iterator[tuple[str, Mapping[str, t.Any]]]:
        """The variables of each host. Ansible takes a quarter of a millisecond for each."""
        hostvars = self.variables["hostvars"]
        return ((host, hostvars[host]) for host in hosts if host in hostvars)


def next_tasks(record: Record, user_tasks_run: str = "", **next_hosts: t.Any) -> dict[str, t.Any]:
    """The input of the next tasks."""
    options, checks = record["options"], record["checks"]
    user_tasks = [{"file": check["tasks"], "timeout": check["timeout"]} for check in checks if "tasks" in check]
    return {
        **{key: options[key] for key in ("transition_timeout", "on_stall")}, "run": record["id"],
        "load_task": load_task(record, len(next_hosts["load"])) if next_hosts.get("load") else {},
        "accept_task": accept_task(record) if next_hosts.get("accept") else {},
        "health_checks": checks_of_hosts(checks),
        "user_tasks": user_tasks and [*user_tasks, USER_TASKS_DONE], "user_tasks_run": user_tasks_run,
        "revive": bool(user_tasks or record["hooks"]["before"] or record["hooks"]["after"]) and not record["alone"],
        "hook": {"hosts": []}, "timeouts": record["timeouts"],
        "end": False, "over": False, "load": [], "turn": [], "phases": [], "watch": [], "unwatched": [], "accept": [],
        "rollback": [], **next_hosts}


def check_task(src: str, name: str | None, version: str | None) -> dict[str, t.Any]:
    """The option `via_controller` of the check of each host; see task_options.py."""
    return {"options": _given(src=src, name=name, version=version)}


def load_task(record: Record, hosts: int) -> dict[str, t.Any]:
    """The same for the load of this number of hosts; with that and the wave, the task counts the loaded hosts."""
    options = record["options"]
    watch = {"health_checks": checks_of_hosts(record["checks"]), "min_calls": options["min_calls"]}
    same = ("src", "name", "version", "trial", "transition_timeout", "on_stall", "ignore_findings", "params")
    # With a livepatch_after, the run has held each host since the begin of its livepatch_before.
    take_lease = options["take_lease"] and not record["hooks"]["after"]
    return {
        "run": record["id"], "checked": CHECK, "hosts": hosts, "wave": next(
            (wave["number"] for wave in record["waves"] if wave["state"] == "open"), 0),
        "options": _given(**{key: options[key] for key in same}, take_lease=take_lease, watch=watch)}


def accept_task(record: Record) -> dict[str, t.Any]:
    """The same for the acceptance of the patch that the host has loaded, over a new connection."""
    same = ("src", "version", "state", "ignore_findings", "adopt")
    return {
        "fresh": True, "run": record["id"], "patch_of": LOAD,
        "options": _given(**{key: record["options"][key] for key in same})}


def _given(**options: t.Any) -> dict[str, t.Any]:
    return {key: value for key, value in options.items() if value is not None}


def phase_files(phases: Sequence[Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The files of the role with the tasks of each phase, and the labels to show."""
    return [
        {"number": number, "file": FILES[phase["kind"]], "title": _title(phase)}
        for number, phase in enumerate(phases, 1)]


def _title(phase: Mapping[str, t.Any]) -> str:
    if phase["kind"] == "tasks":
        return "your tasks at the end of the soak" if phase["after"] else "your tasks after the load"
    if phase["kind"] == "accept":
        return "acceptance"
    if phase.get("final"):
        return "last look at hosts without a watch"
    return f"look after {phase['after']:.0%} of the soak"


def play_facts(
        hosts: Iterable[str] = (), sizes: Iterable[int] = (), rollback: Iterable[str] = (),
        verdict: str | None = UNFINISHED, reporting_host: str = "localhost", play: str = "hosts",
        due: Iterable[str] = (), after: Iterable[str] = ()) -> dict[str, t.Any]:
    """The facts for the next plays. Every run sets them: facts of an earlier run may be cached."""
    return {FACT_OF_ROLLOUT: {
        **{key: [] for key in PLAYS_OF_WAVES}, play: [exact_pattern(host) for host in hosts],
        "sizes": list(sizes), "due": [exact_pattern(host) for host in due],
        "rollback": [exact_pattern(host) for host in rollback], "after": [exact_pattern(host) for host in after],
        # Without a verdict for no host: a task that is skipped is a line of the output too.
        "verdict": verdict, "reporting_host": NO_HOST if verdict is None else exact_pattern(reporting_host)}}
