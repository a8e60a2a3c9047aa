# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a host returns, the action of a module returns a clean result of bounded size, or `malformed-result`."""

from __future__ import annotations

import functools
import json

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import SHAPES
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    MODULES,
    documented,
    failed,
    honest,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.hostile_answers import (
    action_of,
    of_ansible,
    of_large,
    of_wrong_types,
    printed,
)

OF_EVERY_MODULE = {"failed", "changed", "invocation", "warnings"}
OF_FAILURE = {"msg", "code", "rc", "module_stdout", "module_stderr", "exception"}
LINES = ("msg", "diff", "module_stdout", "module_stderr", "exception")
MOST_BYTES = 1_500_000


def texts(value, lines=False):
    """Every text in a result, also the keys, without the newlines that are allowed."""
    if isinstance(value, str):
        yield value.replace("\n", "") if lines else value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from texts(one, lines or key in LINES)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, lines)


def assert_harmless(module, result):
    """No key of Ansible, no control character, no traceback of this collection, and a bounded size."""
    allowed = OF_EVERY_MODULE | set(documented(module)) | ({"diff"} if SHAPES[module].diff else set())
    assert set(result) <= allowed | (OF_FAILURE if result["failed"] else set())
    assert result["failed"] in (True, False) and result["changed"] in (True, False)
    assert len(json.dumps(result)) < MOST_BYTES
    assert all(text.isprintable() for text in texts(result))
    if result["failed"]:
        assert isinstance(result["msg"], str)
        assert result.get("code") in ("malformed-result", "host-not-trusted", "wrong-release", None)


def assert_all_harmless(module, table, monkeypatch):
    """Run the action once for each (how, stdout) of a table; nothing that it shows controls the terminal."""
    shown = []
    monkeypatch.setattr(Display, "display", lambda _self, text, *_args, **_options: shown.append(text))
    action = action_of(module, "")
    for how, action.stdout in table:
        result = action.run(task_vars={})
        try:
            assert_harmless(module, {"changed": False, **result})
        except AssertionError as error:
            raise AssertionError(f"{how}: {str(error)[:2000]}") from None
    assert all(text.replace("\n", "").isprintable() for text in shown)


@pytest.mark.parametrize("module", MODULES)
def test_a_campaign_of_hostile_answers(module, monkeypatch):
    table = [*of_ansible(module), *of_wrong_types(module)]
    assert len(table) > 300
    assert_all_harmless(module, table, monkeypatch)


@pytest.mark.parametrize("module", MODULES)
def test_an_answer_without_sense_or_end(module, monkeypatch):
    assert_all_harmless(module, of_large(module), monkeypatch)


@pytest.mark.parametrize(("before", "behind"), [("", ""), ("motd\n", "\njunk")])
def test_ansible_parses_only_what_is_documented(monkeypatch, before, behind):
    """Since ansible-core 2.22, it registers secrets of a host while it parses, and hides them in each text."""
    parsed = []
    real = ActionBase._parse_returned_data

    @functools.wraps(real)
    def parse(self, res, *more):
        parsed.append(res["stdout"])
        return real(self, res, *more)

    monkeypatch.setattr(ActionBase, "_parse_returned_data", parse)
    answer = honest(
        "patch_info", _ansible_new_secrets=["a"], ansible_facts={"x": 1}, _ansible_parsed=False, warnings=[5])
    result = action_of("patch_info", f"{before}{printed(answer)}{behind}").run(task_vars={})
    assert result["failed"] is False
    shown = parsed[0].removeprefix(before).removesuffix(behind)
    assert json.loads(shown) == {key: answer[key] for key in ("changed", "livepatch")}


def test_an_object_in_place_of_a_result_is_left_to_ansible(monkeypatch):
    result = object()
    monkeypatch.setattr(ActionBase, "_parse_returned_data", lambda self, res, *more, **named: result)
    assert action_of("patch_info", "")._parse_returned_data({"stdout": "{}"}) is result


@pytest.mark.parametrize("module", MODULES)
def test_an_empty_answer_is_no_success(module):
    result = action_of(module, "{}").run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "malformed-result")


ONE_OF_EACH = {}  # actions by module
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)), max_leaves=12)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(module=st.sampled_from(MODULES), data=st.data())
def test_any_json_beside_or_in_place_of_what_is_documented(module, data):
    keys = st.sampled_from([*documented(module), "failed", "changed", "msg", "ansible_facts", "results", "request"])
    answer = data.draw(JSON | st.dictionaries(keys | st.text(max_size=20), JSON, max_size=5).map(
        lambda other: {**honest(module), **other}))
    action = ONE_OF_EACH[module] = ONE_OF_EACH.get(module) or action_of(module, "")
    action.stdout = json.dumps(answer)
    result = action.run(task_vars={})
    assert set(result) <= OF_EVERY_MODULE | OF_FAILURE | {"diff"} | set(documented(module))
    assert all(text.isprintable() for text in texts(result))


def test_only_the_interpreter_that_this_controller_discovered_becomes_a_fact():
    stdout = printed(honest("patch_info", ansible_facts={"discovered_interpreter_python": "/tmp/evil"}))
    action = action_of("patch_info", stdout)
    assert "ansible_facts" not in action.run(task_vars={})
    action = action_of("patch_info", stdout)
    action._discovered_interpreter_key = "discovered_interpreter_python"
    action._discovered_interpreter = "/usr/bin/python3"
    assert action.run(task_vars={})["ansible_facts"] == {"discovered_interpreter_python": "/usr/bin/python3"}


@pytest.mark.parametrize("error", [AnsibleConnectionFailure, AnsibleError])
def test_an_error_with_the_output_of_a_host_is_the_same_error_without_control_characters(error):
    action = action_of("patch_info", "")

    def lost(**_options):
        raise error("ssh: \x1b[2J\x9b banner\nno route " + "x" * 100_000)

    action._execute_module = lost
    with pytest.raises(error) as caught:
        action.run(task_vars={})
    assert caught.type is error and caught.value.__context__ is None
    assert str(caught.value).startswith("ssh: ?[2J? banner\nno route xxx")
    assert len(str(caught.value)) <= 8000


def test_no_output_of_a_command_on_a_host_keeps_control_characters(monkeypatch):
    shown = []
    monkeypatch.setattr(Display, "display", lambda _self, text, *_args, **_options: shown.append(text))
    monkeypatch.setattr(ActionBase, "_low_level_execute_command", lambda *_command, **_options: {
        "rc": 1, "stdout": "", "stdout_lines": [], "stderr": "\x1b[2J\u202e\nmine", "stderr_lines": ["\x1b[2J"]})
    action = action_of("patch_info", "")
    monkeypatch.setattr(action, "_should_remove_tmp_path", lambda _path: True)
    action._remove_tmp_path("/tmp/x", force=True)  # which warns of a directory that it could not remove
    assert "mine" in "".join(shown)
    assert all(text.replace("\n", "").isprintable() for text in shown)


def test_an_error_that_is_clean_stays_as_it_is():
    action = action_of("patch_info", "")
    raised = AnsibleConnectionFailure("no route")

    def lost(**_options):
        raise raised

    action._execute_module = lost
    with pytest.raises(AnsibleConnectionFailure) as caught:
        action.run(task_vars={})
    assert caught.value is raised


@pytest.mark.parametrize("module", [module for module in MODULES if module != "patch_build"])
def test_no_module_runs_in_the_background(module):
    action = action_of(module, printed(honest(module)))
    action._task.async_val = 60
    result = action.run(task_vars={})
    assert (result["failed"], result["code"]) == (True, "bad-option")
    assert module in result["msg"] and "Remove async and poll" in result["msg"]


@pytest.mark.parametrize("module, options, warned", [
    ("patch", {}, True), ("patch_check", {}, True), ("patch_check", {"report_only": "no"}, True),
    ("patch_check", {"report_only": "yes"}, False), ("patch_verify", {}, False)])
def test_a_warning_of_this_controller_says_that_there_is_no_build(module, options, warned):
    note = {"code": "no-build", "level": "note", "subject": "x", "message": "The bundle has no build."}
    result = action_of(module, printed(honest(module, findings=[note], warnings=["mine"])), options).run(task_vars={})
    assert result.get("warnings", []) == (["The bundle has no build."] if warned else [])


def test_a_request_for_a_new_connection_is_refused_where_nothing_is_accepted():
    for module, options in (("patch", {}), ("patch", {"state": "enabled"}), ("patch_check", {"state": "accepted"})):
        action = action_of(module, printed(honest(module, request={"fresh": "x"})), options)
        assert action.run(task_vars={})["code"] == "host-not-trusted"
        assert action._connection.reset.call_count == 0


def test_a_failure_of_an_honest_host_stays_what_it_was():
    result = action_of("patch", printed(failed())).run(task_vars={})
    assert {key: result[key] for key in failed()} == failed()
