# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook awx gives to the modules of awx.awx, which are simulated; the real ones judge it where they are."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.names import VARIABLES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import PREFIX
from ansible_collections.kernel.livepatch.tests import awx_job, awx_survey
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import COLLECTION, SIMULATED

MODULES = ("execution_environment", "job_template", "notification_template", "project", "workflow_job_template")
SURVEY = COLLECTION / "roles" / "awx" / "files" / "survey.json"


@pytest.fixture(scope="module")
def awx_tree(tmp_path_factory):
    """A collection tree with this collection and a simulated awx.awx."""
    tree = tmp_path_factory.mktemp("awx_collections")
    (tree / "ansible_collections" / "kernel").mkdir(parents=True)
    (tree / "ansible_collections" / "kernel" / "livepatch").symlink_to(COLLECTION)
    plugins = tree / "ansible_collections" / "awx" / "awx" / "plugins"
    for folder in ("action", "modules"):
        (plugins / folder).mkdir(parents=True)
    for name in MODULES:
        (plugins / "action" / f"{name}.py").symlink_to(SIMULATED.with_name("awx_module.py"))
        (plugins / "modules" / f"{name}.py").touch()
    return tree


@pytest.fixture
def make(play, awx_tree, tmp_path):
    """make(**variables): the end of the run, and [module, arguments] of each call; the guide's variables otherwise."""
    def run(**variables):
        given = {**yaml.safe_load(awx_job.example("# awx.yml")), **variables}
        done = play("kernel.livepatch.awx", {}, variables=given, tree=awx_tree)
        calls = tmp_path / "awx.jsonl"
        return done, [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    return run


def of(calls, module):
    return [arguments for name, arguments in calls if name == module]


def real_modules():
    """The modules of an awx.awx that is installed, or that `make units` has downloaded; None without."""
    import ansible

    paths = (os.environ.get(name, "") for name in ("KERNEL_LIVEPATCH_AWX", "ANSIBLE_COLLECTIONS_PATH"))
    places = [*":".join(paths).split(":"), *constants.COLLECTIONS_PATHS, Path(ansible.__file__).parents[1]]
    found = (Path(place) / "ansible_collections" / "awx" / "awx" / "plugins" / "modules" for place in places if place)
    return next((place for place in found if place.is_dir()), None)


def literal(node):
    """The value of an expression of constants, lists and dict(...)."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        return {word.arg: literal(word.value) for word in node.keywords}
    return [literal(one) for one in node.elts] if isinstance(node, ast.List) else ast.literal_eval(node)


def read_module(file):
    """The argument_spec and the documented options of a module, without running it."""
    found = {
        node.targets[0].id: node.value for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    documentation = yaml.safe_load(ast.literal_eval(found["DOCUMENTATION"]))
    return literal(found["argument_spec"]), documentation["options"]


def undocumented(value, options):
    """The keys at any depth that are no suboptions."""
    if isinstance(value, list):
        return [key for one in value for key in undocumented(one, options)]
    if not isinstance(value, dict) or not options:
        return []
    return [key for key in value if key not in options] + [
        key for name, one in value.items() if name in options
        for key in undocumented(one, options[name].get("suboptions"))]


def test_what_it_makes(make):
    done, calls = make()
    assert done.code == 0, done.output
    assert [name for name, _arguments in calls] == [
        "notification_template", "execution_environment", "project", *["job_template"] * 4, "workflow_job_template"]
    templates = {template["name"]: template for template in of(calls, "job_template")}
    assert all(awx_survey.problems(one["survey_spec"]) == [] for one in templates.values())
    assert {(one["job_slice_count"], one["timeout"], one["allow_simultaneous"]) for one in templates.values()} == {
        (1, 0, False)}
    assert {one["playbook"] for one in templates.values()} <= set(awx_job.project_files())
    asked = {question["variable"] for one in templates.values() for question in one["survey_spec"]["spec"]}
    assert {name.removeprefix(PREFIX) for name in asked} <= set(VARIABLES)
    workflow, = of(calls, "workflow_job_template")
    assert awx_survey.problems(workflow["survey_spec"]) == [] and workflow["name"] not in templates
    _check_nodes(workflow["workflow_nodes"], templates)


needs_awx = pytest.mark.skipif(real_modules() is None, reason="awx.awx is not installed, which has the real modules")


@needs_awx
def test_the_real_modules_accept_the_arguments(make):
    _done, calls = make()
    assert len(calls) == 8
    for name, arguments in calls:
        spec, options = read_module(real_modules() / f"{name}.py")
        assert ArgumentSpecValidator(spec).validate(arguments).error_messages == [], name
        assert undocumented(arguments.get("workflow_nodes", []), options.get(
            "workflow_nodes", {}).get("suboptions")) == []


@needs_awx
def test_the_real_modules_take_the_login_of_the_guide():
    module_utils = (real_modules().parent / "module_utils" / "controller_api.py").read_text(encoding="utf-8")
    used = re.findall(r"CONTROLLER_\w+", awx_job.example("export CONTROLLER_HOST"))
    assert used == ["CONTROLLER_HOST", "CONTROLLER_OAUTH_TOKEN"]
    assert [name for name in used if f"env_fallback, ['{name}'" not in module_utils] == []


@needs_awx
@pytest.mark.parametrize("wrong", [{"slices": 2}, {"forks": "many"}, {"state": "there"}])
def test_a_wrong_argument_would_be_seen(wrong):
    spec, _options = read_module(real_modules() / "job_template.py")
    assert ArgumentSpecValidator(spec).validate({"name": "x", **wrong}).error_messages


def _check_nodes(nodes, templates):
    """Each node leads to one that exists, and gives answers that AWX accepts for its template."""
    names = [node["identifier"] for node in nodes]
    related = [one["identifier"] for node in nodes for ones in node.get("related", {}).values() for one in ones]
    assert sorted(names) == sorted({names[0], *related}) and len(related) == len(set(related))
    for node in nodes:
        if node["unified_job_template"]["type"] == "workflow_approval":
            continue
        spec = templates[node["unified_job_template"]["name"]]["survey_spec"]["spec"]
        questions = {question["variable"]: question for question in spec}
        for name, answer in node.get("extra_data", {}).items():
            assert awx_survey.accepts(questions[name], answer), (name, answer)


def test_without_a_webhook_there_is_no_notification_and_empty_means_the_default(make):
    done, calls = make(
        livepatch_awx_webhook="", livepatch_awx_name="", livepatch_awx_organization="", livepatch_awx_canaries="",
        livepatch_awx_forks="20")
    assert done.code == 0, done.output
    assert of(calls, "notification_template") == []
    assert {(int(one["forks"]), one["organization"], str(one["notification_templates_error"]))
            for one in of(calls, "job_template")} == {(20, "Default", "[]")}


@pytest.mark.parametrize(("variables", "said"), [
    ({"livepatch_awx_projekt": "x"}, "Write livepatch_awx_project"), ({"livepatch_awx_forks": "many"}, "many")])
def test_a_wrong_variable_is_refused_before_awx_is_asked(make, variables, said):
    done, calls = make(**variables)
    assert (done.code, said in done.output, calls) == (2, True, []), done.output


def test_the_survey_is_that_of_the_guide():
    assert json.loads(SURVEY.read_text(encoding="utf-8")) == awx_job.survey()
