# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of a rollout, from the `livepatch_*` variables."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import check_ignorable
from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import MOST_CALLS
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.inventory import OPTION
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.playbooks import (
    DIRECTORY,
    KEYRING,
    NAME,
    ON_STALL,
    SOURCE,
    VERSION,
    read_transition_timeout,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard, parse_shard
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.budget import Budget, parse_budget
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.halt import parse_halt_file
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import (
    health_checks,
    without_password,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.interactive import read_interactive
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.limits import (
    WITHOUT_DOMAIN,
    Limit,
    parse_limits,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import Entry, parse_waves, wave_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.window import Window, parse_window
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    PREFIX,
    Values,
    bad_option,
    format_value,
)

# Each list's first is the default.
STATES = ("accepted", "enabled")
ON_BREACH = ("rollback_wave", "rollback_all", "hold")
SOAK, LONGEST_SOAK = 300, 24 * 3600  # seconds
MOST_LOOKS = 100
HOOK_TIMEOUT, LONGEST_HOOK = 300, 3600  # seconds of each task of a hook
LONGEST_DERIVED = 3600  # seconds of a trial


@dataclasses.dataclass(frozen=True)
class Options:
    """The variables by their names without `livepatch_`, read and plain; times are in seconds.

    `trial` and `looks` are None when they are to be computed, `interactive` is None for auto. `approved` has the waves
    that are approved in advance. They and the waves to `approve` are `all`, numbers of waves as text, and titles.
    """

    src: str
    name: str | None
    version: str | None
    require_signature: str | None
    state: str
    soak: int
    looks: int | None
    trial: int | None
    longest_trial: int
    transition_timeout: int
    on_stall: str
    failure_budget: Budget
    on_breach: str
    waves: tuple[Entry, ...]
    limits: tuple[Limit, ...]
    without_domain: str
    window: Window
    halt_file: str | None
    shard: Shard | None
    shard_dir: str | None
    shard_timeout: int | None
    approve: tuple[str, ...]
    approved: tuple[str, ...]
    interactive: bool | None
    cohort_by: tuple[str, ...]
    health_checks: tuple[dict[str, t.Any], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    hook_timeout: int
    ignore_findings: tuple[str, ...]
    adopt: bool
    take_lease: bool
    partial_inventory: bool
    params: dict[str, t.Any]
    min_calls: int
    report_dir: str | None

    def as_record(self, covered: int | None = None) -> dict[str, t.Any]:
        """The `options` of the record; the budget in hosts is None before the plan."""
        return {
            "src": self.src, "name": self.name, "version": self.version, "state": self.state, "soak": self.soak,
            "looks": self.looks, "trial": self.trial, "longest_trial": self.longest_trial,
            "transition_timeout": self.transition_timeout, "on_stall": self.on_stall,
            "budget": {
                "asked": self.failure_budget.asked,
                "hosts": None if covered is None else self.failure_budget.allowed(covered)},
            "on_breach": self.on_breach, "waves": [entry.text for entry in self.waves],
            "limits": {limit.variable: limit.text for limit in self.limits}, "without_domain": self.without_domain,
            "window": str(self.window) or None, "halt_file": self.halt_file,
            "shard": self.shard and str(self.shard),
            "approve": list(self.approve), "approved": list(self.approved), "cohort_by": list(self.cohort_by),
            "health_checks": [
                dict(check, url=without_password(check["url"])) if "url" in check else dict(check)
                for check in self.health_checks],
            "before": list(self.before), "after": list(self.after), "hook_timeout": self.hook_timeout,
            "ignore_findings": list(self.ignore_findings), "adopt": self.adopt,
            "take_lease": self.take_lease, "partial_inventory": self.partial_inventory, "params": dict(self.params),
            "min_calls": self.min_calls,
        }


NAMES = tuple(field.name for field in dataclasses.fields(Options))


def rollout_options(variables: Mapping[str, t.Any], directory: Path | None = None) -> Options:
    """The options in the templated variables of a play; files of tasks are below `directory`, or where Ansible started.

    Each can be of its own type, the text of a survey, and for a list or a dict JSON text; empty means default.
    Raises TaskError `bad-option`.
    """
    values = Values(variables)
    src = values.text("src", SOURCE)
    if src is None:
        raise TaskError("bad-option", f"{PREFIX}src is not set. {SOURCE[0].upper()}{SOURCE[1:]}.")
    waves = parse_waves(values.texts("waves"))
    shard = parse_shard(values)
    approve, approved = (wave_names(name, values.texts(name), waves) for name in ("approve", "approved"))
    return Options(
        src=src,
        name=values.text("name", NAME),
        version=values.text("version", VERSION),
        require_signature=values.text("require_signature", KEYRING),
        state=values.choice("state", STATES),
        soak=values.number("soak", SOAK, 0, LONGEST_SOAK),
        looks=values.count("looks", None, 0, MOST_LOOKS),
        trial=values.optional_number("trial", 1, LONGEST_TRIAL),
        longest_trial=values.number("longest_trial", LONGEST_DERIVED, 1, LONGEST_TRIAL),
        transition_timeout=read_transition_timeout(values),
        on_stall=values.choice("on_stall", ON_STALL),
        failure_budget=parse_budget(values.get("failure_budget")),
        on_breach=values.choice("on_breach", ON_BREACH),
        limits=parse_limits(values),
        without_domain=values.choice("without_domain", WITHOUT_DOMAIN),
        window=parse_window(values),
        halt_file=parse_halt_file(values, directory or Path.cwd()),
        shard=shard, shard_dir=_shard_dir(values, shard, directory or Path.cwd()),
        shard_timeout=values.optional_number("shard_timeout", 1, LONGEST_TRIAL),
        waves=waves, approve=approve, approved=approved, interactive=read_interactive(values),
        cohort_by=tuple(dict.fromkeys(values.texts("cohort_by"))),
        health_checks=health_checks(values, directory or Path.cwd()),
        before=_task_files(values, "before", directory or Path.cwd()),
        after=_task_files(values, "after", directory or Path.cwd()),
        hook_timeout=values.number("hook_timeout", HOOK_TIMEOUT, 1, LONGEST_HOOK),
        ignore_findings=read_ignored(values),
        adopt=values.flag("adopt"),
        take_lease=values.flag("take_lease"),
        partial_inventory=values.flag(OPTION),
        params=read_params(values),
        min_calls=values.number("min_calls", 0, 0, MOST_CALLS),
        report_dir=values.text("report_dir", DIRECTORY),
    )


def _shard_dir(values: Values, shard: Shard | None, directory: Path) -> str | None:
    """The absolute path of the directory that all shards share."""
    right = "give a directory that all controllers share, a new one for each run"
    text = values.text("shard_dir", right)
    if text and not shard:
        raise bad_option("shard", "is not set, and livepatch_shard_dir is", "set both, or none of them")
    if shard and not text:
        raise bad_option("shard_dir", "is not set, and livepatch_shard is", right)
    return str(directory / Path(text).expanduser()) if text else None


def _task_files(values: Values, name: str, directory: Path) -> tuple[str, ...]:
    """The absolute paths of files of tasks."""
    paths = {text: directory / Path(text).expanduser() for text in values.texts(name)}
    for text, path in paths.items():
        if not path.is_file():
            raise bad_option(
                name, f"has {format_value(text)}, which is no file",
                "give files of tasks on the controller, absolute or below where Ansible was started")
    return tuple(map(str, paths.values()))


def read_ignored(values: Values) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(values.texts("ignore_findings")))
    try:
        check_ignorable(codes)
    except LivepatchError as error:
        raise TaskError("bad-option", PREFIX + error.message) from error
    return codes


def read_params(values: Values) -> dict[str, t.Any]:
    params = values.mapping("params")
    try:
        parameter_line(params)
    except LivepatchError as error:
        raise TaskError("bad-option", PREFIX + error.message) from error
    return params
