# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of patch_info are made by the controller, and only if the task asks for them."""

from __future__ import annotations

from unittest import mock

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.action import patch_info
from ansible_collections.kernel.livepatch.plugins.modules import patch_info as documentation
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    failed,
    honest,
)

HOSTILE = {"ansible_facts": {"ansible_connection": "local", "livepatch": {"state": "accepted"}}}
DOCUMENTED = yaml.safe_load(documentation.RETURN)["ansible_facts"]["contains"]["livepatch"]["contains"]


@pytest.fixture
def run():
    """run(options, answer): the result of a task on a host that answers so."""
    def call(options, answer):
        task = mock.Mock(action="kernel.livepatch.patch_info", args=options, async_val=0, check_mode=False)
        module = patch_info.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        module._execute_module = mock.Mock(return_value=answer)
        module._discovered_interpreter_key = "discovered_interpreter_python"
        module._discovered_interpreter = "/usr/bin/python3"
        return module.run(task_vars={})
    return call


@pytest.mark.parametrize("options", [{}, {"facts": False}, {"facts": "no"}])
def test_a_task_that_does_not_ask_gets_no_facts_of_the_host(run, options):
    assert run(options, honest("patch_info", **HOSTILE))["ansible_facts"] == {
        "discovered_interpreter_python": "/usr/bin/python3"}


@pytest.mark.parametrize("value", [True, "yes"])
def test_the_facts_are_of_the_checked_result_and_documented(run, value):
    result = run({"facts": value}, honest("patch_info", **HOSTILE))
    facts = result["ansible_facts"]
    assert set(facts) == {"livepatch", "discovered_interpreter_python"}
    assert set(facts["livepatch"]) == set(DOCUMENTED)
    assert facts["livepatch"]["patches"][0].keys() == DOCUMENTED["patches"]["contains"].keys()
    assert facts["livepatch"]["kernel"] == result["livepatch"]["kernel"]["release"]


@pytest.mark.parametrize("answer", [failed(), honest("patch_info", livepatch={"kernel": {}})])
def test_a_failed_or_malformed_result_sets_no_facts(run, answer):
    assert "livepatch" not in run({"facts": True}, answer)["ansible_facts"]
