# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host returns is kept only as far as it is documented, plain, printable and bounded."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.answer import read_answer, with_known_keys
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import (
    MODULES,
    failed,
    honest,
)

FINDING = {"code": "x", "level": "note", "subject": "fix", "message": "m"}


class TaggedText(str):
    """Like the texts of ansible-core 2.19."""


def refused(module, answer):
    with pytest.raises(TaskError) as caught:
        read_answer(module, answer)
    assert caught.value.code == "malformed-result"
    assert caught.value.message.endswith("Check that the host has not been compromised.")
    return caught.value.message


def test_a_message_says_what_does_not_fit():
    patch = honest("patch")["patch"]
    assert "patch.state is a number instead of a text" in refused("patch", honest("patch", patch=dict(patch, state=5)))
    assert "patch.state is 'x' instead of" in refused("patch", honest("patch", patch=dict(patch, state="x")))
    assert "findings.[].level is missing" in refused("patch", honest("patch", findings=[{"code": "x"}]))
    assert ": it is not a dict." in refused("patch", [])
    assert "changed is missing" in refused("patch", {})
    assert "msg is missing" in refused("patch", {"failed": True})
    assert "claims to be unreachable" in refused("patch", honest("patch", unreachable=True))
    assert "claims to be skipped" in refused("patch", {"changed": False, "skipped": True})
    assert "failed" in refused("patch", honest("patch", failed="false"))


def test_a_failure_keeps_what_its_module_adds_and_drops_the_rest():
    answer = failed(module_stdout="out\x1b[2J\r\nput", rc=1, add_host={"host_name": "x"}, findings=[FINDING])
    assert read_answer("patch", answer) == failed(module_stdout="out?[2J\nput", rc=1, findings=[FINDING])


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x7f", "\x9b2J", "\u202e", "\u2066", "\ud800", "a\nb", "a\rb"])
def test_no_text_keeps_a_character_that_controls_a_terminal(text):
    answer = honest("patch_check", arch=text, findings=[dict(FINDING, message=text, subject=text)])
    result = read_answer("patch_check", answer)
    assert all(one.isprintable() for one in [result["arch"], *result["findings"][0].values()])
    message = read_answer("patch", failed(msg=text))["msg"]
    assert message.replace("\n", "").isprintable()


def test_only_texts_of_several_lines_keep_their_lines():
    assert read_answer("patch", failed(msg="a\nb\tc\r\nd"))["msg"] == "a\nb c\nd"
    diff = {"before": "a\nb\x1b", "after": "", "other": {"deep": 1}}
    assert read_answer("patch", honest("patch", diff=diff))["diff"] == {"before": "a\nb?", "after": ""}


def test_texts_for_people_are_truncated_and_names_are_refused():
    result = read_answer("patch", honest("patch", findings=[dict(FINDING, message="m" * 10_000_000)]))
    assert result["findings"][0]["message"] == "m" * 3994 + " [...]"
    patch = dict(honest("patch")["patch"], name="n" * 129)
    assert "patch.name is longer than 128 characters" in refused("patch", honest("patch", patch=patch))


def test_the_worst_findings_are_kept_and_a_warning_tells_how_many_there_were():
    findings = [dict(FINDING, level="note")] * 99_999 + [dict(FINDING, level="blocker")]
    result = read_answer("patch", honest("patch", findings=findings))
    assert (len(result["findings"]), result["findings"][-1]["level"]) == (1000, "blocker")
    assert result["warnings"] == ["The host returned too many findings, namely 100000. The result has 1000 of them."]


def test_the_first_tasks_are_kept():
    [blocker] = honest("patch")["blockers"]
    result = read_answer("patch", honest("patch", blockers=[dict(blocker, pid=pid) for pid in range(100_000)]))
    assert [one["pid"] for one in result["blockers"]] == list(range(500))
    assert result["warnings"] == ["The host returned too many blockers, namely 100000. The result has 500 of them."]


def test_what_no_honest_host_has_that_many_of_is_refused():
    assert "target is longer than 200 (it has 201)" in refused(
        "patch_rollback", honest("patch_rollback", target=["x"] * 201))


def test_a_result_has_a_bound_in_all():
    function = {"name": "f" * 512, "sympos": 1}
    patch = dict(honest("patch")["patch"], objects=[{"name": "o", "patched": True, "functions": [function] * 10_000}])
    assert "is larger than 4 MB in all" in refused("patch", honest("patch", patch=patch))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**64, -2**64, True, "1"])
def test_a_number_is_one_that_everything_can_read(number):
    refused("patch", honest("patch", baseline=dict(honest("patch")["baseline"], taints=number)))


def test_a_request_comes_alone_and_one_for_a_new_connection_with_the_whole_result():
    request = {"file": "a" * 64}
    assert read_answer("patch_check", honest("patch_check", request=request)) == {
        "failed": False, "changed": False, "request": request}
    fresh = honest("patch", request={"fresh": "fix"})
    assert read_answer("patch", fresh) == dict(fresh, failed=False)
    assert "request" not in read_answer("patch_watch", honest("patch_watch", request=request))
    assert "request" not in read_answer("patch", failed(request=request))


def test_everything_is_of_a_plain_type():
    result = read_answer("patch", honest("patch", transaction=TaggedText("T1")))
    assert result["transaction"].__class__ is str


@pytest.mark.parametrize("module", MODULES)
def test_a_result_is_json_again(module):
    assert json.loads(json.dumps(read_answer(module, honest(module)))) == read_answer(module, honest(module))


@pytest.mark.parametrize(("stdout", "left"), [
    ('{"changed": true, "ansible_facts": {}, "_ansible_parsed": true}', '{"changed": true}'),
    ('motd\n{"changed": true, "warnings": ["x"]}\njunk', 'motd\n{"changed": true}\njunk'),
    ('{"rc": "x", "failed": true}', '{"failed": true}'), ('{"rc": 3}', '{"rc": 3}'),
    ("Traceback", "Traceback"), ('{"changed": ', '{"changed": '), ("[1]", "[1]")])
def test_only_known_keys_reach_the_parser_of_ansible(stdout, left):
    assert with_known_keys(stdout) == left


def test_output_that_ansible_would_join_anew_has_only_known_keys_too():
    assert with_known_keys('motd\r\n{"changed": true,\r\n"add_host": {}}\r\n') == '{"changed": true}'


@pytest.mark.parametrize("key", ["changed", "failed", "skipped", "unreachable"])
@pytest.mark.parametrize("value", [None, 1, "yes", "\x1b[2J", []])
def test_a_flag_that_is_none_is_malformed_before_ansible_shows_it(key, value):
    with pytest.raises(TaskError, match=f"it has a value of {key} other than true or false") as caught:
        with_known_keys(json.dumps({key: value}))
    assert caught.value.code == "malformed-result"
