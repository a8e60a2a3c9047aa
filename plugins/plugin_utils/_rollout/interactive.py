# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Whether a person can answer a question of this run, and what AWX lets a job know about itself.

ansible-runner, and so AWX, gives ansible-playbook a pseudo-terminal: a terminal alone proves nothing.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
)

AUTO = "auto"
AWX, RUNNER, PIPELINE = "AWX", "ansible-runner", "a pipeline"
# In the environment of ansible-playbook, the most specific first. Each with its value, None for any.
MARKS: tuple[tuple[str, str | None, str], ...] = (
    ("AWX_HOST", None, AWX),  # awx/main/tasks/jobs.py, RunJob.build_env
    ("AWX_PRIVATE_DATA_DIR", None, AWX),  # the same, BaseTask.build_env
    ("AWX_ISOLATED_DATA_DIR", None, RUNNER),  # ansible_runner/config/_base.py, _prepare_env
    ("ANSIBLE_STDOUT_CALLBACK", "awx_display", RUNNER),  # the same
    ("RUNNER_OMIT_EVENTS", None, RUNNER),  # ansible_runner/config/runner.py, prepare_env
    ("JENKINS_URL", None, "Jenkins"),
    ("TF_BUILD", None, PIPELINE),  # Azure Pipelines
    ("CI", "true", PIPELINE),  # GitLab, GitHub, Forgejo, Woodpecker and others
)
# Extra variables of a job: awx/main/models/unified_jobs.py, awx_meta_vars; Semaphore has its own.
VARIABLES = (("awx_job_id", AWX), ("tower_job_id", AWX), ("semaphore_vars", "Semaphore"))


def read_interactive(values: Values) -> bool | None:
    """The option `interactive`; None for `auto`. Raises TaskError `bad-option`."""
    value = values.get("interactive")
    if value is None or value == AUTO:
        return None
    try:
        return values.flag("interactive")
    except TaskError:
        raise bad_option("interactive", f"is {format_value(value)}", "give true, false or auto") from None


def runner_of(variables: Mapping[str, t.Any], environment: Mapping[str, str]) -> str | None:
    """What runs this playbook, if it is no person at a terminal."""
    for name, value, runner in MARKS:
        given = environment.get(name)
        if given and value in (None, given):
            return runner
    return next((runner for name, runner in VARIABLES if variables.get(name)), None)


def reason_not_to_ask(
        interactive: bool | None, variables: Mapping[str, t.Any], environment: Mapping[str, str]) -> str | None:
    """Why no question may be asked, before the terminal itself is looked at; None if one may."""
    if interactive is False:
        return "livepatch_interactive is false"
    runner = None if interactive else runner_of(variables, environment)
    return f"{runner} runs this rollout, so no person is asked" if runner else None


def refuse_slice(variables: Mapping[str, t.Any]) -> None:
    """Refuse to plan waves over one slice of a job of AWX. Raises TaskError `sliced-job`.

    AWX passes no variable for slices. A sliced job template starts a workflow job of its own name for them (AWX:
    awx/main/models/jobs.py, JobTemplate.create_unified_job), and each slice is told the names of both.
    """
    for prefix in ("awx", "tower"):
        template, workflow = (variables.get(f"{prefix}_{of}_name") for of in ("job_template", "workflow_job"))
        if variables.get(f"{prefix}_job_id") and template and str(template) == str(workflow):
            raise TaskError(
                "sliced-job",
                f"This job is one slice of the job template {printable(str(template))}: each slice would have canaries "
                "and a failure budget of its own. Set \"Job slicing\" of the template to 1, and use livepatch_shard to "
                "share a fleet. If it is 1 already, the workflow has the name of the template: rename one of them.")
