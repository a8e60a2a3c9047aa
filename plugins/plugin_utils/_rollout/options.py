# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options of a rollout, from the `livepatch_*` variables."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import check_ignorable
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.module_parameters import parameter_line
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.budget import Budget, parse_budget
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import (
    health_checks,
    without_password,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import Entry, parse_waves, wave_names
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    PREFIX,
    Values,
    format_value,
    has_template,
)

# Each list's first is the default.
STATES = ("accepted", "enabled")
ON_STALL = ("reverse", "wait", "force")
ON_BREACH = ("rollback_wave", "rollback_all", "hold")
SOAK, LONGEST_SOAK = 300, 24 * 3600  # seconds
TRANSITION_TIMEOUT, LONGEST_TRANSITION = 90, 24 * 3600  # seconds, the first as in the module patch
# Variables of other plays and roles of this collection, and facts that they set: later jobs get those as variables.
OTHERS = (
    "hosts", "rollback_to", "fail_on_drift", "report", "report_kind", "report_results", "report_proofs", "preflight",
    "rollback", "rollout", "status")
_SIMILARITY = 0.78  # finds approve for approval, and does not refuse every variable of the user's own
_SRC = f"set it to a patch file or a bundle, as in -e {PREFIX}src=patches/"


@dataclasses.dataclass(frozen=True)
class Options:
    """The variables by their names without `livepatch_`, read and plain; times are in seconds.

    `trial` is None when it is to be computed. `approved` has the waves that are approved in advance. They and the waves
    to `approve` are `all`, numbers of waves as text, and titles.
    """

    src: str
    name: str | None
    state: str
    soak: int
    trial: int | None
    transition_timeout: int
    on_stall: str
    failure_budget: Budget
    on_breach: str
    waves: tuple[Entry, ...]
    approve: tuple[str, ...]
    approved: tuple[str, ...]
    cohort_by: tuple[str, ...]
    health_checks: tuple[dict[str, t.Any], ...]
    ignore_findings: tuple[str, ...]
    params: dict[str, t.Any]
    report_dir: str | None

    def as_record(self, covered: int | None = None) -> dict[str, t.Any]:
        """The `options` of the record; the budget in hosts is None before the plan."""
        return {
            "src": self.src, "name": self.name, "state": self.state, "soak": self.soak, "trial": self.trial,
            "transition_timeout": self.transition_timeout, "on_stall": self.on_stall,
            "budget": {
                "asked": self.failure_budget.asked,
                "hosts": None if covered is None else self.failure_budget.allowed(covered)},
            "on_breach": self.on_breach, "waves": [entry.text for entry in self.waves],
            "approve": list(self.approve), "approved": list(self.approved), "cohort_by": list(self.cohort_by),
            "health_checks": [
                dict(check, url=without_password(check["url"])) if "url" in check else dict(check)
                for check in self.health_checks],
            "ignore_findings": list(self.ignore_findings), "params": dict(self.params),
        }


NAMES = tuple(field.name for field in dataclasses.fields(Options))


def rollout_options(variables: Mapping[str, t.Any], directory: Path | None = None) -> Options:
    """The options in the templated variables of a play; files of tasks are below `directory`, or where Ansible started.

    Each can be of its own type, the text of a survey, and for a list or a dict JSON text; empty means default.
    Raises TaskError `bad-option`.
    """
    check_names(variables)
    values = Values(variables)
    src = values.text("src", _SRC)
    if src is None:
        raise TaskError("bad-option", f"{PREFIX}src is not set. {_SRC[0].upper()}{_SRC[1:]}.")
    waves = parse_waves(values.texts("waves"))
    approve, approved = (wave_names(name, values.texts(name), waves) for name in ("approve", "approved"))
    return Options(
        src=src,
        name=values.text("name", "give the name of a patch in the bundle"),
        state=values.choice("state", STATES),
        soak=values.number("soak", SOAK, 0, LONGEST_SOAK),
        trial=values.optional_number("trial", 1, LONGEST_TRIAL),
        transition_timeout=values.number("transition_timeout", TRANSITION_TIMEOUT, 1, LONGEST_TRANSITION),
        on_stall=values.choice("on_stall", ON_STALL),
        failure_budget=parse_budget(values.get("failure_budget")),
        on_breach=values.choice("on_breach", ON_BREACH),
        waves=waves, approve=approve, approved=approved,
        cohort_by=tuple(dict.fromkeys(values.texts("cohort_by"))),
        health_checks=health_checks(values, directory or Path.cwd()),
        ignore_findings=_ignore_findings(values),
        params=_params(values),
        report_dir=values.text("report_dir", "give a directory on the controller"),
    )


def check_names(variables: Iterable[str]) -> None:
    """Refuse a variable that looks misspelled: its value would be ignored."""
    known = {*NAMES, *OTHERS}
    for variable in sorted(name for name in variables if isinstance(name, str) and name.startswith(PREFIX)):
        name = variable[len(PREFIX):]
        near = [] if name in known else difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=_SIMILARITY)
        if near:
            raise TaskError(
                "bad-option",
                f"{variable} is no variable of a rollout. Write {PREFIX}{near[0]}, or rename your own variable.")


def check_same_on_all_hosts(variables: Mapping[str, Mapping[str, t.Any]], read: Callable[[str, str], t.Any]) -> None:
    """Refuse different values on different hosts: a rollout has one value of each option.

    `variables`: those of each host as written; `read` returns a host's variable with its templates resolved. That is
    slow, so it is only called for templates.
    """
    first = next(iter(variables))
    for name in (PREFIX + option for option in NAMES):
        written = {host: given.get(name) for host, given in variables.items()}
        values = {host: read(host, name) if has_template(value) else value for host, value in written.items()}
        other = next((host for host, value in values.items() if value != values[first]), None)
        if other:
            both = [f"{format_value(one) if one is not None else 'not set'} on {host}" for host, one in (
                (first, values[first]), (other, values[other]))]
            raise TaskError(
                "bad-option",
                f"{name} is {' and '.join(both)}. Set one value for all hosts of the rollout, for example with -e.")


def _ignore_findings(values: Values) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(values.texts("ignore_findings")))
    try:
        check_ignorable(codes)
    except LivepatchError as error:
        raise TaskError("bad-option", PREFIX + error.message) from error
    return codes


def _params(values: Values) -> dict[str, t.Any]:
    params = values.mapping("params")
    try:
        parameter_line(params)
    except LivepatchError as error:
        raise TaskError("bad-option", PREFIX + error.message) from error
    return params
