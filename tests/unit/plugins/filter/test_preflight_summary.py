# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that sums up what hosts answered; nothing in an answer breaks it."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.filter.preflight_summary import FilterModule
from ansible_collections.kernel.livepatch.tests.unit.plugins.work import CountedText, at_most

SUMMARIZE = FilterModule().filters()["preflight_summary"]
KERNEL = "6.1.0-56-amd64"


def found(level, code, message=None):
    return {"level": level, "code": code, "subject": "fix.ko", "message": message or f"About {code}."}


def answer(*findings, state="absent", kernel=KERNEL, reasons=()):
    return {
        "compatible": state != "no_build" and all(entry["level"] != "blocker" for entry in findings),
        "arch": "x86_64", "patch": {"name": "fix", "state": state, "kernel": kernel}, "findings": list(findings),
        "forecast": {"replaces": [], "sleepers": [],
                     "rollback": {"possible": not reasons, "to": [], "reasons": list(reasons)}},
    }


def test_each_host_is_counted_once():
    summary = SUMMARIZE({
        "a": answer(), "b": answer(found("blocker", "x")), "c": answer(state="no_build"),
        "d": {"unreachable": True, "msg": "gone"}, "e": {"failed": True, "msg": "bad", "code": "not-elf"}, "f": {}})
    assert (summary["ok"], summary["hosts"]) == (False, 6)
    assert summary["counts"] == {
        "compatible": 1, "no_build": 1, "blocked": 1, "unchecked": 1, "unreachable": 1, "no_result": 1}
    assert [(one["compatible"], one["no_build"], one["blocked"]) for one in summary["cohorts"]] == [
        (["a"], ["c"], ["b"])]
    assert summary["problems"] == {"b": "x: About x.", "d": "gone", "e": "not-elf: bad"}
    assert summary["no_result"] == ["f"]


@pytest.mark.parametrize("good", [answer(), answer(state="no_build"), answer(found("warning", "x"))])
def test_a_summary_is_ok_without_problems(good):
    summary = SUMMARIZE({"a": good})
    assert (summary["ok"], summary["problems"]) == (True, {})


def test_no_hosts_are_no_problem_of_the_filter():
    assert SUMMARIZE({})["lines"] == ["0 hosts: nothing to check"]


def test_a_task_that_was_skipped_is_no_answer():
    assert SUMMARIZE({"a": {"skipped": True, "changed": False}})["no_result"] == ["a"]


def test_a_code_comes_once_with_its_hosts_and_messages():
    summary = SUMMARIZE({
        "a": answer(found("note", "n"), found("blocker", "x", "One."), found("blocker", "x", "Two.")),
        "b": answer(found("warning", "w"), found("blocker", "x", "One.")),
        "c": answer(found("blocker", "y"))})
    assert [(group["level"], group["code"], group["hosts"], group["messages"])
            for group in summary["cohorts"][0]["findings"]] == [
        ("blocker", "x", ["a", "b"], ["One.", "Two."]), ("blocker", "y", ["c"], ["About y."]),
        ("warning", "w", ["b"], ["About w."]), ("note", "n", ["a"], ["About n."])]
    assert summary["lines"][1] == "  blocker x on a, b: One. (and 1 other message)"
    assert summary["problems"]["a"] == "x: One. Also: x."


def test_a_host_with_very_many_messages_does_not_hold_up_the_summary():
    messages = [CountedText(number) for number in range(60_000)]
    findings = [found("blocker", "x", message) for message in messages]
    before = CountedText.compared
    with at_most(steps=5_000_000):  # a look at each message for each message is 1,800,000,000
        [group] = SUMMARIZE({"a": answer(*findings)})["cohorts"][0]["findings"]
    assert CountedText.compared - before < 10 * len(messages)
    assert (group["messages"], group["messages_left_out"]) == (messages[:5], len(messages) - 5)


def test_only_a_few_of_many_hosts_are_named():
    lines = SUMMARIZE({f"h{number}": answer(found("blocker", "x")) for number in range(12)})["lines"]
    assert lines == [
        "6.1.0-56-amd64 x86_64: 12 hosts: 12 blocked", "  blocker x on h0, h1, h2 and 9 more: About x.",
        "12 hosts: 12 blocked"]


def test_obstacles_to_a_rollback_are_listed_apart_from_blockers():
    summary = SUMMARIZE({"a": answer(reasons=[found("blocker", "no-file"), found("warning", "callbacks")])})
    assert summary["ok"] is True
    assert summary["lines"][:-1] == [
        "6.1.0-56-amd64 x86_64: 1 host: 1 compatible",
        "  no rollback: no-file on a: About no-file.", "  rollback: callbacks on a: About callbacks."]


def test_hosts_unreachable_for_several_reasons_are_one_line():
    summary = SUMMARIZE({
        host: {"unreachable": True, "msg": f"port 22 of {host}\nrefused\n\nin line 1"} for host in ("a", "b")})
    assert summary["lines"] == [
        "unreachable: a, b: port 22 of a refused (and 1 other message)", "2 hosts: 2 unreachable"]


def test_a_cohort_needs_the_variables_of_its_hosts():
    hostvars = {"a": {"ring": "early"}, "b": {"ring": "late"}}
    summary = SUMMARIZE({"b": answer(), "a": answer(), "c": answer(kernel="5.10.0-1-amd64")}, hostvars, "ring")
    assert [(one["kernel"], one["values"], one["compatible"]) for one in summary["cohorts"]] == [
        ("5.10.0-1-amd64", {"ring": None}, ["c"]), (KERNEL, {"ring": "early"}, ["a"]),
        (KERNEL, {"ring": "late"}, ["b"])]
    assert [one["values"] for one in SUMMARIZE({"a": answer(), "b": answer()}, hostvars)["cohorts"]] == [{}]


def without(key):
    return {name: value for name, value in answer().items() if name != key}


@pytest.mark.parametrize("odd", [
    *(without(key) for key in ("compatible", "arch", "patch", "findings")),
    dict(answer(), compatible="yes"), dict(answer(), compatible=False), dict(answer(), arch=None),
    dict(answer(), patch=[]), dict(answer(), patch={"state": "absent"}), dict(answer(), findings={"a": 1}),
    dict(answer(), findings=["x"]), dict(answer(), findings=[{"code": "x"}]),
    dict(answer(), findings=[dict(found("note", "x"), level="nought")]),
    dict(answer(), findings=[dict(found("note", "x"), level=["note"])]),
    dict(answer(), findings=[dict(found("note", "x"), code={})]),
    dict(answer(), patch={"kernel": KERNEL, "state": ["no_build"]}, compatible=False),
    {"censored": "the output has been hidden", "changed": False},
])
def test_an_answer_that_makes_no_sense_is_said_to_be_that(odd):
    summary = SUMMARIZE({"a": odd, "b": answer()})
    assert summary["counts"]["unchecked"] == summary["counts"]["compatible"] == 1
    assert summary["problems"] == {
        "a": "malformed-result: The host returned a malformed result. Check that the host has not been compromised."}


@pytest.mark.parametrize("odd", ["text", [], None, 1])
def test_what_is_no_result_is_no_answer(odd):
    assert SUMMARIZE({"a": odd})["no_result"] == ["a"]


@pytest.mark.parametrize("forecast", [None, [], {"rollback": []}, {"rollback": {"reasons": [{}, 1]}}])
def test_a_forecast_that_makes_no_sense_is_left_out(forecast):
    summary = SUMMARIZE({"a": dict(answer(), forecast=forecast)})
    assert (summary["ok"], summary["cohorts"][0]["rollback"]) == (True, [])


@pytest.mark.parametrize("failure", [{"failed": True}, {"failed": True, "msg": None, "code": 3}])
def test_a_failure_without_words_is_a_failure(failure):
    assert SUMMARIZE({"a": failure})["problems"] == {"a": "no reason given"}


@pytest.mark.parametrize("printed", [
    {"module_stderr": "/bin/sh: 1: sudo: not found\n", "module_stdout": ""},
    {"module_stderr": "", "module_stdout": "Welcome\n/bin/sh: 1: sudo: not found\r\n\n"},
])
def test_where_no_module_ran_the_last_line_printed_says_why(printed):
    failure = {"failed": True, "rc": 127, "msg": "MODULE FAILURE\nSee stdout/stderr for the exact error", **printed}
    summary = SUMMARIZE({"a": failure})
    assert summary["problems"] == {"a": "MODULE FAILURE (/bin/sh: 1: sudo: not found)"}
    assert summary["lines"][0] == "could not be checked: a: MODULE FAILURE (/bin/sh: 1: sudo: not found)"


def test_what_is_printed_beside_a_failure_with_a_code_is_left_out():
    failure = {"failed": True, "code": "host-busy", "msg": "Another run goes on.", "module_stderr": "a warning\n"}
    assert SUMMARIZE({"a": failure})["problems"] == {"a": "host-busy: Another run goes on."}


def test_hosts_with_other_builds_of_one_release_are_another_cohort():
    told = {host: dict(answer(), kernel_build_id=build) for host, build in (("a", "0a" * 20), ("b", "0b" * 20))}
    assert [cohort["title"] for cohort in SUMMARIZE(told)["cohorts"]] == [
        f"{KERNEL} x86_64, build 0a0a0a0a0a0a", f"{KERNEL} x86_64, build 0b0b0b0b0b0b"]
