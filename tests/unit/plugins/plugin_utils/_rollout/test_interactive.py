# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No person is asked where no person is known to be there, and a slice of a job of AWX is known by its names."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.interactive import (
    MARKS,
    read_interactive,
    reason_not_to_ask,
    refuse_slice,
    runner_of,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values

# What a person's shell has, in part as an earlier job left it.
OF_A_PERSON = {"TERM": "xterm", "ANSIBLE_STDOUT_CALLBACK": "yaml", "CI": "", "AWX_HOST": "", "USER": "root"}
SLICE = {"awx_job_id": 7, "awx_job_template_name": "Rollout", "awx_workflow_job_name": "Rollout"}


def test_a_person_at_a_terminal_may_be_asked():
    assert runner_of({"awx_job_id": "", "livepatch_approve": "2"}, OF_A_PERSON) is None
    assert reason_not_to_ask(None, {}, OF_A_PERSON) is None


@pytest.mark.parametrize(("name", "value", "runner"), MARKS)
def test_each_mark_of_a_runner_is_enough(name, value, runner):
    environment = {**OF_A_PERSON, name: value or "False"}
    assert runner_of({}, environment) == runner
    assert reason_not_to_ask(None, {}, environment) == f"{runner} runs this rollout, so no person is asked"


def test_awx_is_named_before_the_runner_that_it_uses():
    assert runner_of({}, {name: value or "x" for name, value, _runner in reversed(MARKS)}) == "AWX"


@pytest.mark.parametrize("variable", ["awx_job_id", "tower_job_id", "semaphore_vars"])
def test_a_controller_is_known_by_its_extra_variables_too(variable):
    assert runner_of({variable: 12}, OF_A_PERSON)


@pytest.mark.parametrize(("given", "asks"), [
    (True, True), ("yes", True), ("true", True), (False, False), ("false", False), (0, False)])
def test_the_option_is_above_what_is_known(given, asks):
    interactive = read_interactive(Values({"livepatch_interactive": given}))
    assert interactive is asks
    for environment in (OF_A_PERSON, {"AWX_HOST": "https://awx"}):
        assert (reason_not_to_ask(interactive, {}, environment) is None) is asks


@pytest.mark.parametrize("given", ["automatic", 7, ["auto"], "ask"])
def test_another_value_is_refused(given):
    with pytest.raises(TaskError, match=r"livepatch_interactive is .* Give true, false or auto\.") as caught:
        read_interactive(Values({"livepatch_interactive": given}))
    assert caught.value.code == "bad-option"


@pytest.mark.parametrize("prefix", ["awx", "tower"])
def test_a_slice_is_refused(prefix):
    with pytest.raises(TaskError, match=r'one slice of the job template Rollout.*Set "Job slicing".*to 1') as caught:
        refuse_slice({name.replace("awx", prefix): value for name, value in SLICE.items()})
    assert caught.value.code == "sliced-job"


@pytest.mark.parametrize("changed", [
    {"awx_workflow_job_name": "Patch all"}, {"awx_workflow_job_name": None}, {"awx_job_template_name": None},
    {"awx_job_id": None}, {"awx_job_template_name": None, "awx_workflow_job_name": None}])
def test_no_other_job_is_taken_for_a_slice(changed):
    refuse_slice({**SLICE, **changed})
