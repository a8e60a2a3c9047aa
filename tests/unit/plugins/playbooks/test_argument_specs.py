# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument_specs of the roles are the one list of the variables, and what they say of each is true."""

from __future__ import annotations

import json
import re

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kernel.livepatch.plugins.module_utils._health.options import TIMEOUT
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options import names, playbooks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import limits, options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.window import Window
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.written_tasks import COLLECTION, ROLES

# Where the variables of each playbook are listed: role and entry point.
ENTRY_POINTS = {
    "apply": ("apply", "main"), "awx": ("awx", "main"), "build": ("build", "main"), "preflight": ("preflight", "main"),
    "pull": ("pull", "main"),
    "rollback": ("rollback", "main"),
    "rollout": ("apply", "rollout"), "status": ("report", "status")}
# Of a rollout in waves only; the role apply sets them itself.
WAVES_ONLY = {"waves", "failure_budget", "on_breach", "approve", "approved", "interactive", "longest_trial",
              "halt_file", "shard", "shard_dir", "shard_timeout"}
READ = re.compile(r"(?<![\w.])livepatch_\w+")
# Written by set_stats for later jobs, and never read.
ARTIFACTS = {
    "livepatch_build", "livepatch_preflight", "livepatch_pull", "livepatch_status", "livepatch_rollback",
    "livepatch_rollout"}
FOR_USER_TASKS = {"livepatch_outcome"}


def spec(role, entry):
    return written_tasks.loaded(COLLECTION / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"][entry]


def listed(role, entry):
    return spec(role, entry)["options"]


def read_by(playbook):
    """The variables in the tasks of a playbook, with those that the role apply hands over in one variable."""
    plays = written_tasks.plays_of(playbook)
    tasks = [task for play in plays for task in written_tasks.tasks_of(play)]
    text = json.dumps([[{**play, "tasks": []} for play in plays], [dict(task.keywords) for task in tasks]])
    if "__livepatch_variables" in text:
        text += json.dumps(written_tasks.loaded(COLLECTION / "roles" / "apply" / "vars" / "main.yml"))
    return set(READ.findall(text)) - ARTIFACTS - FOR_USER_TASKS


def test_every_variable_that_is_listed_is_known_by_its_name_and_no_other():
    files = [written_tasks.loaded(COLLECTION / "roles" / role / "meta" / "argument_specs.yml") for role in ROLES]
    entries = [entry for file in files for entry in file["argument_specs"].values()]
    assert {PREFIX + name for name in names.VARIABLES} == {name for entry in entries for name in entry["options"]}


def test_each_playbook_has_its_list():
    assert sorted(ENTRY_POINTS) == written_tasks.PLAYBOOKS


@pytest.mark.parametrize("playbook", ENTRY_POINTS)
def test_a_playbook_reads_the_variables_of_its_list_and_no_others(playbook):
    ignored = {PREFIX + name for name in WAVES_ONLY} if playbook == "apply" else set()
    assert read_by(playbook) - ignored == set(listed(*ENTRY_POINTS[playbook]))


@pytest.mark.parametrize("role", ROLES)
def test_each_entry_point_has_its_tasks(role):
    entries = written_tasks.loaded(COLLECTION / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert [name for name in entries if not (COLLECTION / "roles" / role / "tasks" / f"{name}.yml").is_file()] == []


def test_a_rollout_has_the_options_that_are_listed():
    names = [name.removeprefix(PREFIX) for name in listed("apply", "rollout")]
    assert sorted(names) == sorted([*options.NAMES, "hosts"])
    assert set(names) - {name.removeprefix(PREFIX) for name in listed("apply", "main")} == WAVES_ONLY


def test_the_defaults_of_a_rollout_are_those_that_are_listed():
    given = {name: option["default"] for name, option in listed("apply", "rollout").items() if "default" in option}
    del given["livepatch_hosts"]
    assert options.rollout_options({"livepatch_src": "x", **given}) == options.rollout_options({"livepatch_src": "x"})
    # What has no default here has none there, but the checks, which are a list.
    without = {name.removeprefix(PREFIX) for name in listed("apply", "rollout")} - {
        name.removeprefix(PREFIX) for name in given} - {"src", "hosts"}
    made = options.rollout_options({"livepatch_src": "x"})
    assert {name: getattr(made, name) for name in without} == {
        "name": None, "version": None, "require_signature": None, "looks": None,
        "trial": None, "health_checks": (), "report_dir": None,
        "limits": (), "window": Window(), "halt_file": None,
        "shard": None, "shard_dir": None, "shard_timeout": None}


def test_the_choices_of_a_rollout_are_those_that_are_listed():
    choices = {name: tuple(option["choices"]) for name, option in listed("apply", "rollout").items()
               if "choices" in option}
    assert {name: sorted(given) for name, given in choices.items()} == {
        "livepatch_state": sorted(options.STATES), "livepatch_on_stall": sorted(playbooks.ON_STALL),
        "livepatch_on_breach": sorted(options.ON_BREACH), "livepatch_without_domain": sorted(limits.WITHOUT_DOMAIN)}


@pytest.mark.parametrize(("name", "bounds"), [
    ("soak", (0, options.LONGEST_SOAK)), ("trial", (1, options.LONGEST_TRIAL)),
    ("longest_trial", (1, options.LONGEST_TRIAL)),
    ("transition_timeout", (1, playbooks.LONGEST_TRANSITION))])
def test_the_limits_of_a_number_are_those_that_are_listed(name, bounds):
    said = " ".join(listed("apply", "rollout")[PREFIX + name]["description"])
    assert "from {} to {}".format(*bounds) in said


def test_the_choices_and_defaults_of_a_rollback_are_those_that_are_listed():
    given = listed("rollback", "main")
    assert tuple(given["livepatch_on_stall"]["choices"]) == playbooks.ON_STALL
    assert [given[name]["default"] for name in (
        "livepatch_on_stall", "livepatch_rollback_to", "livepatch_transition_timeout")] == [
            playbooks.ON_STALL[0], playbooks.TARGETS[0], playbooks.TRANSITION_TIMEOUT]
    assert tuple(listed("report", "main")["livepatch_report_kind"]["choices"]) == playbooks.KINDS


def test_a_health_check_has_the_timeout_that_is_listed():
    assert listed("apply", "rollout")["livepatch_health_checks"]["options"]["timeout"]["default"] == TIMEOUT


# The guide that tells of each playbook.
GUIDES = {
    "apply": "rollout", "awx": "awx", "build": "build", "preflight": "preflight", "pull": "pull",
    "rollback": "fleet", "rollout": "rollout", "status": "fleet"}


@pytest.mark.parametrize("playbook", GUIDES)
def test_the_guide_to_a_playbook_names_each_of_its_variables(playbook):
    text = (COLLECTION / f"docs/docsite/rst/guide_{GUIDES[playbook]}.rst").read_text(encoding="utf-8")
    assert [name for name in listed(*ENTRY_POINTS[playbook]) if f"``{name}``" not in text] == []


FILE = str(COLLECTION / "galaxy.yml")
# Each of its own type, as a list or a number, and as a survey has it.
GIVEN = {
    "src": ["patches/"], "name": ["fix", "kpatch_*"], "version": ["1.10"], "require_signature": ["keys.gpg"],
    "hosts": ["web*,!web3", ["web1", "web2"]], "state": ["enabled"],
    "soak": [60, "60"], "looks": [2, "2"], "trial": [900, "900"], "transition_timeout": [30, "30"],
    "on_stall": ["wait"],
    "before": [[FILE], FILE], "after": [[FILE, FILE], f"{FILE},{FILE}"], "hook_timeout": [60, "60"],
    "health_checks": [[{"unit": "nginx.service"}]], "ignore_findings": [["quarantined"], "quarantined"],
    "adopt": [True, "true"], "take_lease": [True, "true"], "partial_inventory": [True, "true"], "min_calls": [3, "3"],
    "params": [{"level": 2}, '{"level": 2}'], "cohort_by": [["ring"], "ring, rack"], "report_dir": ["reports"],
    "waves": [["canary", 2, "50%", "100%"], "canary, 2, 100%", 3, "canary\n100%"],
    "limits": [{"rack": 1, "zone": "25%"}, '{"rack": 1}', "rack: 1, zone: 25%"], "without_domain": ["one_domain"],
    "window": [{"days": "mon-fri", "freezes": ["2026-12-24"]}, [{"hours": "8-17"}], "hours: 8-17; days: mon"],
    "halt_file": [f"{FILE}.halt"], "shard": ["2/8"], "shard_dir": ["shared"], "shard_timeout": [600, "600"],
    "longest_trial": [7200, "7200"], "failure_budget": [1, "1", "5%"], "on_breach": ["hold"],
    "approve": [[2, "100%"], "2", 2, "all"], "approved": [[2], "2, 3"],
    "interactive": [True, False, "no", "auto"]}


def test_each_variable_of_a_rollout_has_values_here():
    assert {PREFIX + name for name in GIVEN} == set(listed("apply", "rollout"))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GIVEN.items() for value in values])
def test_what_a_rollout_reads_is_of_the_type_that_is_listed(name, value):
    pair = {"shard": {"shard_dir": "shared"}, "shard_dir": {"shard": "1/2"}}.get(name, {})
    variables = {"livepatch_src": "patches/", PREFIX + name: value, **{PREFIX + other: pair[other] for other in pair}}
    options.rollout_options(variables)
    assert ArgumentSpecValidator(listed("apply", "rollout")).validate(variables).error_messages == []
