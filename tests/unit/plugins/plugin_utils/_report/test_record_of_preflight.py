# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a preflight, and its page; the hosts' answers are simulated."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import preflight_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.verdict import verdict
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.example_records import START

KERNEL = "6.1.0-56-amd64"
OBJECTS = [{"name": "vmlinux", "patched": False, "functions": [{"name": "one", "sympos": 1}]}]


def checked(*findings, state="absent", kernel=KERNEL):
    blocked = any(level == "blocker" for level, _code in findings)
    return {
        "compatible": not blocked and state != "no_build", "arch": "x86_64",
        "patch": {"name": "fix", "state": state, "kernel": kernel, "build_id": "b1", "objects": OBJECTS},
        "findings": [
            {"code": code, "level": level, "subject": "fix.ko", "message": f"About {code}."}
            for level, code in findings]}


GOOD, BLOCKED = checked(("note", "not-checked")), checked(("warning", "function-probed"), ("blocker", "no-ftrace"))
NO_BUILD, GONE = checked(state="no_build", kernel="5.10.0-1-amd64"), {"unreachable": True, "msg": "Refused"}
ANSWERS = {
    "good": GOOD, "blocked": BLOCKED, "old": NO_BUILD, "gone": GONE,
    "broken": {"failed": True, "msg": "No.", "code": "not-elf"}, "untold": {}}


@pytest.fixture
def record():
    return preflight_record(ANSWERS, {}, None, {"src": "patches/"}, START)


def test_each_host_has_its_verdict_and_the_reason(record):
    hosts = record["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "good": "compatible", "blocked": "blocked", "old": "no_build", "gone": "unreachable", "broken": "unchecked",
        "untold": "no_result"}
    assert {name: host["failure"]["code"] for name, host in hosts.items() if host["failure"]} == {
        "blocked": "no-ftrace", "gone": None, "broken": "not-elf"}
    assert (hosts["good"]["patch"], hosts["good"]["build_id"], hosts["good"]["cohort"]) == (
        "fix", "b1", f"{KERNEL} x86_64")
    assert [one["state"] for one in hosts["good"]["functions"]] == ["absent"]


def test_it_says_of_the_fleet_what_the_summary_says(record):
    assert (record["kind"], record["ok"], record["failures"], record["no_build"]) == ("preflight", False, 3, ["old"])
    assert record["lines"][-1].startswith("6 hosts: 1 compatible")
    assert [cohort["hosts"] for cohort in record["cohorts"]] == [["old"], ["good", "blocked"]]


def test_a_patch_that_runs_already_has_its_functions_patched():
    objects = [dict(OBJECTS[0], patched=True)]
    answer = checked(state="accepted")
    answer["patch"]["objects"] = objects
    made = preflight_record({"one": answer}, {}, None, {}, START)
    assert [one["state"] for one in made["hosts"]["one"]["functions"]] == ["patched"]


def test_the_head_says_what_to_do(record):
    head = verdict(record)
    assert (head.tone, head.what) == (
        "bad", "The patch would not work everywhere: of 6 hosts, 1 blocked and 3 not checked.")
    assert head.todo == [
        "Fix the blockers of blocked (see below), then run it again.",
        "Fix the errors of broken, gone, untold (see below), then run it again.",
        "Build the patch for 5.10.0-1-amd64: 1 host without a build, still vulnerable."]


@pytest.mark.parametrize(("answers", "tone", "what"), [
    ({"a": GOOD, "b": GOOD}, "good", "The patch would work on all 2 hosts with a build."),
    ({"a": GOOD, "b": NO_BUILD}, "good", "The patch would work on the one host with a build."),
    ({"a": NO_BUILD}, "warn", "There is no build for any of the hosts."),
    ({}, "good", "There was no host to check."),
    ({"a": GOOD, "b": GONE}, "bad", "The patch would not work everywhere: of 2 hosts, 1 not checked.")])
def test_it_is_as_good_as_its_hosts(answers, tone, what):
    head = verdict(preflight_record(answers, {}, None, {}, START))
    assert (head.tone, head.what) == (tone, what)


def test_the_page_has_the_causes_and_every_host(record):
    text = render(record)
    assert "Preflight <b>" in text and "About no-ftrace." in text and "Failed and held hosts" in text
    assert all(f'<th scope="row">{name}<td' in text for name in ANSWERS)
