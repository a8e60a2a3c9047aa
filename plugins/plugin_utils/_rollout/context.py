# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The input of a rollout step, and its result for the play."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ansible.errors import AnsibleError

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options, rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.plan import exact_pattern
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX, to_plain

# For the role apply: all hosts at once, and no host stops another.
ALONE = {
    "livepatch_waves": "100%", "livepatch_failure_budget": "100%", "livepatch_on_breach": "hold",
    "livepatch_approve": "", "livepatch_approved": ""}
UNFINISHED = "The rollout did not finish."
# In the role: records that a host ran all task files of the user.
USER_TASKS_DONE = {"file": "user_tasks_done.yml", "timeout": 0}


@dataclasses.dataclass
class Call:
    """The input of a step; `look` counts from 1, `say` shows lines, `directory` holds the record.

    `check_tasks` raises TaskError for an unreadable task file. `now` is in seconds since 1970, `tick` in seconds of a
    monotonic clock.
    """

    variables: Mapping[str, t.Any]
    given: Mapping[str, t.Any]
    look: int
    alone: bool
    check_mode: bool
    directory: Path
    find: Callable[[str], Path]
    say: Callable[..., None]
    check_tasks: Callable[[str], None]
    now: Callable[[], float]
    tick: Callable[[], float]
    sleep: Callable[[float], None]

    def options(self) -> Options:
        """Raises TaskError."""
        names = {name: None for name in self.variables if isinstance(name, str) and name.startswith(PREFIX)}
        return rollout_options({**names, **self.given, **(ALONE if self.alone else {})})

    def raw_variables(self) -> dict[str, Mapping[str, t.Any]]:
        """The variables of each host of the play, with unresolved templates."""
        hostvars = self.variables["hostvars"]
        read = getattr(hostvars, "raw_get", hostvars.__getitem__)
        return {host: read(host) for host in self.variables["ansible_play_hosts"]}

    def resolved_variable(self, host: str, name: str) -> t.Any:
        """A variable of a host with resolved templates; unresolved if they need the variables of a task."""
        hostvars = self.variables["hostvars"]
        try:
            return to_plain(hostvars[host][name])
        except AnsibleError:
            return hostvars.raw_get(host)[name]

    def answers(self, name: str, hosts: Iterable[str]) -> dict[str, t.Any]:
        """The registered result of each host under a name; an empty dict without one."""
        hostvars = self.variables["hostvars"]
        return {host: hostvars[host].get(name) or {} for host in hosts if host in hostvars}


def next_tasks(record: Record, user_tasks_run: str = "", **next_hosts: t.Any) -> dict[str, t.Any]:
    """The input of the next tasks."""
    options = record["options"]
    of_tasks = {
        key: options[key] for key in (
            "src", "name", "trial", "transition_timeout", "on_stall", "ignore_findings", "params", "state")}
    checks = record["checks"]
    user_tasks = [{"file": check["tasks"], "timeout": check["timeout"]} for check in checks if "tasks" in check]
    return {
        **of_tasks,
        "health_checks": [check for check in checks if "tasks" not in check],
        "user_tasks": user_tasks and [*user_tasks, USER_TASKS_DONE], "user_tasks_run": user_tasks_run,
        "revive": bool(user_tasks) and not record["alone"],
        "end": False, "load": [], "watch": [], "accept": [], "rollback": [], **next_hosts}


def play_facts(
        hosts: Iterable[str] = (), sizes: Iterable[int] = (), rollback: Iterable[str] = (),
        verdict: str | None = UNFINISHED, reporting_host: str = "localhost") -> dict[str, t.Any]:
    """The facts for the next plays. Every run sets them: facts of an earlier run may be cached."""
    return {"__livepatch_rollout": {
        "hosts": [exact_pattern(host) for host in hosts], "sizes": list(sizes),
        "rollback": [exact_pattern(host) for host in rollback], "verdict": verdict,
        "reporting_host": exact_pattern(reporting_host)}}
