# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that judges and sums up how hosts went back; nothing in an answer breaks it."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.filter.rollback_summary import FilterModule

SUMMARIZE = FilterModule().filters()["rollback_summary"]
NO_PREVIOUS = {"failed": True, "code": "no-previous", "msg": "Nothing to take back."}
UNREACHABLE = {"unreachable": True, "msg": "gone"}


def found(code, level="blocker"):
    return {"level": level, "code": code, "subject": "new", "message": f"About {code}."}


def went(out=(), back=(), target=(), *findings, **more):
    return {
        "changed": bool(out or back), "transaction": None, "target": list(target), "findings": list(findings),
        "removed": [{"name": name} for name in out], "restored": [{"name": name} for name in back], **more}


def proof(*names, findings=(), **more):
    return {"patches": list(names), "verified": True, "findings": list(findings), **more}


def verdict(answer, proven=None, check_mode=False):
    counts = SUMMARIZE({"a": answer}, {"a": proven}, check_mode)["counts"]
    return ", ".join(word for word, count in counts.items() if count)


@pytest.mark.parametrize(("answer", "proven", "word"), [
    (went(["new"], ["old"], ["old"]), proof("old"), "rolled_back"),
    (went(["new"]), proof(findings=[found("nothing-enabled")], failed=True), "rolled_back"),
    (went(["new"]), proof(findings=[found("nothing-enabled")], failed=False), "rolled_back"),
    (went(["c"], [], ["a", "b"]), proof("a", "b", findings=[found("function-overridden")], failed=True), "rolled_back"),
    (went(transaction="t1"), proof(), "rolled_back"),
    (went(target=["old"]), proof("old"), "unchanged"),
    (NO_PREVIOUS, proof(findings=[found("nothing-enabled")], failed=True), "unchanged"),
    (dict(NO_PREVIOUS, failed=False), proof(findings=[found("nothing-enabled")], failed=False), "unchanged"),
    (NO_PREVIOUS, proof("other"), "failed"), (dict(NO_PREVIOUS, failed=False), proof("other"), "failed"),
    (NO_PREVIOUS, UNREACHABLE, "unreachable"),
    (NO_PREVIOUS, None, "failed"),
    (went(["new"]), None, "failed"),
    (went(["new"]), {"skipped": True}, "failed"),
    (went(["new"]), UNREACHABLE, "unreachable"),
    (went(["new"]), proof("new"), "failed"),
    (went(["new"], [], ["old"]), proof("old", findings=[found("not-enabled")], failed=True), "failed"),
    (went(["new"], [], ["old"]), proof("old", findings=[found("object-absent", "note")]), "rolled_back"),
    (went(["new"], [], ["old"]), {"failed": True, "msg": "MODULE FAILURE"}, "failed"),
    (went(["new"], [], ["old"]), proof("old", failed=True, msg="odd"), "failed"),
    (went(["new"], [], ["old"], found("transition-unfinished", "warning")), proof("old"), "in_transition"),
    ({"failed": True, "code": "transition-stalled", "msg": "Stalled."}, proof("new"), "failed"),
    (UNREACHABLE, None, "unreachable"), ({}, None, "no_result"), ({"skipped": True}, None, "no_result"),
])
def test_a_host_has_one_verdict(answer, proven, word):
    assert verdict(answer, proven) == word
    assert SUMMARIZE({"a": answer}, {"a": proven})["ok"] is (word in ("rolled_back", "unchanged"))


def of(build_id, name="old"):
    return {"builds": [{"name": name, "build_id": build_id}]}


@pytest.mark.parametrize(("wanted", "enabled", "word"), [
    (of("a1"), of("a1"), "rolled_back"), (of("a1"), of("b2"), "failed"), (of("a1"), of(None), "rolled_back"),
    (of(None), of("b2"), "rolled_back"), ({}, of("b2"), "rolled_back"), (of("a1"), {}, "rolled_back"),
    (of("a1"), {"builds": "b2"}, "rolled_back"), ({"builds": [{}]}, of("b2"), "rolled_back")])
def test_another_build_of_a_requested_name_is_not_the_requested_state(wanted, enabled, word):
    answer, proven = went(["new"], ["old"], ["old"], **wanted), proof("old", **enabled)
    assert verdict(answer, proven) == word
    if word == "failed":
        [problem] = SUMMARIZE({"a": answer}, {"a": proven})["problems"].values()
        assert "another build of old is enabled than requested" in problem


@pytest.mark.parametrize(("answer", "word"), [
    (went(["new"], ["old"], ["old"]), "planned"), (went(target=["old"]), "unchanged"), (UNREACHABLE, "unreachable"),
    ({"failed": True, "code": "quarantined", "msg": "No."}, "failed"), (NO_PREVIOUS, "failed"),
])
def test_check_mode_plans(answer, word):
    assert verdict(answer, None, check_mode=True) == word


def test_a_plan_is_told_as_one():
    answers = {"a": went(["new"], ["old"], ["old"]), "b": went(["new"]), "c": went(["new"], [], ["x", "y"])}
    assert SUMMARIZE(answers, check_mode=True)["lines"] == [
        "would be rolled back: a: new removed, old restored; old would be enabled then",
        "would be rolled back: b: new removed; no live patch would be enabled then",
        "would be rolled back: c: new removed; x and y would be enabled then",
        "3 hosts: 3 would be rolled back"]


def test_hosts_on_which_the_same_was_done_are_one_line_and_the_most_come_first():
    answers = {"a": went(["new"]), **{f"h{number}": went(["new"], ["old"], ["old"]) for number in range(12)}}
    proofs = {"a": proof(), **{host: proof("old") for host in answers if host != "a"}}
    summary = SUMMARIZE(answers, proofs)
    assert summary["lines"] == [
        "rolled back: h0, h1, h2 and 9 more: new removed, old restored; old is enabled now",
        "rolled back: a: new removed; no live patch is enabled now", "13 hosts: 13 rolled back"]
    assert [len(group["hosts"]) for group in summary["arrived"]] == [12, 1]


def test_what_is_worth_knowing_is_told_of_hosts_that_went_back():
    answers = {"a": went(["new"], [], [], found("module-kept", "warning"))}
    summary = SUMMARIZE(answers, {"a": proof()})
    assert summary["lines"][1] == "  warning module-kept on a: About module-kept."


def test_each_host_that_is_not_back_has_a_sentence():
    answers = {
        "a": went(["new"]), "b": UNREACHABLE, "c": went(["new"], [], [], found("transition-unfinished", "warning")),
        "d": went(["new"]), "e": went(["new"]), "f": {}}
    summary = SUMMARIZE(answers, {"a": proof("new"), "d": {}, "e": proof()})
    assert summary["problems"] == {
        "a": "stack-differs: After the rollback, other patches are enabled (new) than requested (none). Find the cause "
             "with patch_info (changing, other_tools), then run again.",
        "b": "gone", "c": "transition-unfinished: About transition-unfinished.",
        "d": "The live patches were not verified after the rollback. Run the playbook again."}
    assert summary["artifact"]["problems"] == summary["problems"]
    assert summary["artifact"]["hosts"]["e"] == {"verdict": "rolled_back", "enabled": []}


@pytest.mark.parametrize("odd", [
    {"changed": 1}, {"findings": None}, {"findings": [1]}, {"target": "old"}, {"target": [1]},
    {"removed": None}, {"restored": ["old"]}, {"removed": [{"name": []}]},
])
def test_an_answer_that_makes_no_sense_is_said_to_be_that(odd):
    summary = SUMMARIZE({"a": dict(went(), **odd)}, {"a": proof()})
    assert summary["problems"] == {
        "a": "malformed-result: The host returned a malformed result. Check that the host has not been compromised."}


@pytest.mark.parametrize("odd", [{"patches": "old"}, {"findings": {}}, {"findings": [1]}])
def test_a_proof_that_makes_no_sense_is_said_to_be_that(odd):
    summary = SUMMARIZE({"a": went()}, {"a": dict(proof(), **odd)})
    assert summary["problems"]["a"].startswith("malformed-result: ")


def test_texts_of_a_host_are_shown_without_what_controls_a_terminal():
    answers = {"a": went(["n\x1b"], [], ["o\x07"]), "b": {"failed": True, "code": "\x1b", "msg": "a\x1b[2J"}}
    summary = SUMMARIZE(answers, {"a": proof("o\x07")})
    assert summary["lines"] == [
        "rolled back: a: n? removed; o? is enabled now", "failed: b: ?: a?[2J", "2 hosts: 1 rolled back, 1 failed"]
