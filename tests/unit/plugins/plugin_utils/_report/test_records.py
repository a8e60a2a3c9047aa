# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a status and of a rollback, and their pages; the hosts' answers are simulated."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import rollback_record, status_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.verdict import verdict
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.example_records import (
    HOSTILE,
    START,
)

KERNEL = "6.1.0-56-amd64"
WARNING = {"code": "loaded-by-hand", "level": "warning", "subject": "fix", "message": "About loaded-by-hand."}
BUILD = {
    "name": "fix", "release": KERNEL, "arch": "x86_64", "sha256": "4f" * 32, "build_id": "b1", "file": "fix.ko",
    "objects": [{"name": "vmlinux", "functions": [{"name": "one", "sympos": 1}]}],
    "metadata": {"cves": ["CVE-2026-1234"], "summary": "A fix", "advisory": None}}


def patch(state, name="fix", patched=True, function="one"):
    return {"name": name, "state": state, "build_id": "b1", "objects": [
        {"name": "vmlinux", "patched": patched, "functions": [{"name": function, "sympos": 1}]}]}


def info(*patches, kernel=KERNEL, **more):
    return {"livepatch": {
        "kernel": {"release": kernel, "arch": "x86_64"}, "interface": "livepatch", "patches": list(patches),
        "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": [], **more}}


ANSWERS = {
    "kept": info(patch("accepted")),
    "odd": info(patch("enabled"), drift=[WARNING]),
    "trying": info(patch("enabled"), trial={"name": "fix", "seconds_left": 60}),
    "held": info(patch("enabling"), transition={
        "name": "fix", "state": "enabling", "blockers": [{"pid": 7, "comm": "nginx", "reason": "sleeps"}]}),
    "bare": info(kernel="5.10.0-1-amd64"),
    "gone": {"unreachable": True, "msg": "Connection refused"},
    "broken": {"failed": True, "msg": "No.", "code": "unreadable"},
    "untold": {},
}


@pytest.fixture
def told():
    return status_record(ANSWERS, {}, None, [BUILD], {"src": "patches/", "fail_on_drift": False}, START)


def test_a_status_has_what_each_host_runs(told):
    hosts = told["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "kept": "accepted", "odd": "enabled", "trying": "on_trial", "held": "in_transition", "bare": "unpatched",
        "gone": "unreachable", "broken": "unchecked", "untold": "no_result"}
    assert hosts["kept"]["functions"] == [{"object": "vmlinux", "name": "one", "sympos": 1, "state": "patched"}]
    assert hosts["held"]["functions"][0]["state"] == "pending"
    assert hosts["held"]["blockers"][0]["comm"] == "nginx"
    assert hosts["trying"]["trial_ends"] == "2026-11-21T16:03:11Z"
    assert hosts["odd"]["findings"] == [WARNING]
    assert hosts["broken"]["failure"] == {"code": "unreadable", "message": "No.", "step": "check"}
    assert hosts["bare"]["cohort"] == "5.10.0-1-amd64 x86_64"


def test_a_status_says_of_the_fleet_what_its_summary_says(told):
    assert (told["kind"], told["ok"], told["drifted"], told["no_build"]) == ("status", False, ["odd"], ["bare"])
    assert told["counts"] == dict.fromkeys(
        ["accepted", "enabled", "on_trial", "in_transition", "unpatched", "unchecked", "unreachable", "no_result"], 1)
    assert told["lines"][-1].startswith("8 hosts: 1 accepted")
    assert told["patches"][0]["cves"] == ["CVE-2026-1234"]
    assert [cohort["hosts"] for cohort in told["cohorts"]] == [["bare"], ["kept", "odd", "trying", "held"]]


def test_the_head_of_a_status_says_what_to_do(told):
    head = verdict(told)
    assert (head.tone, head.what) == (
        "bad", "Of 8 hosts, 3 could not be queried and 1 has drifted.")
    assert head.todo == [
        "Fix the errors of broken, gone, untold (see below), then run it again.", "Fix the drift on odd (see below).",
        "Accept the patch on trying before the trial ends. Otherwise the host reverts.",
        "Build the patch for 5.10.0-1-amd64: 1 host without a build, still vulnerable."]


def test_a_page_of_a_status_tells_where_cves_are_covered(told):
    text = render(told)
    assert "CVE-2026-1234" in text and "A fix" in text
    assert "kept, odd" in text  # where the patch runs and stays


def test_several_patches_on_a_host_are_one_row(told):
    answers = {"both": info(patch("accepted"), patch("enabled", "other", function="two")), "one": ANSWERS["kept"]}
    made = status_record(answers, {}, None, None, {}, START)
    assert made["hosts"]["both"]["patch"] == "fix, other"
    assert [one["name"] for one in made["hosts"]["both"]["functions"]] == ["one", "two"]
    assert "fix, other" in render(made)


@pytest.mark.parametrize("answers, tone", [
    ({"kept": ANSWERS["kept"]}, "good"), ({"odd": ANSWERS["odd"]}, "warn"), ({"trying": ANSWERS["trying"]}, "warn"),
    ({"bare": ANSWERS["bare"]}, "good"), ({"gone": ANSWERS["gone"]}, "bad")])
def test_a_status_is_as_good_as_its_hosts(answers, tone):
    assert verdict(status_record(answers, {}, None, None, {}, START)).tone == tone


WENT = {"changed": True, "transaction": "t1", "target": ["old"], "findings": [], "removed": [{"name": "fix"}],
        "restored": [{"name": "old"}]}
PROVEN = {"patches": ["old"], "verified": True, "findings": [], "functions": [
    {"object": "vmlinux", "name": "one", "sympos": 1, "object_loaded": True, "overridden_by": None},
    {"object": "ext4", "name": "two", "sympos": 1, "object_loaded": False, "overridden_by": None},
    {"object": "vmlinux", "name": "three", "sympos": 1, "object_loaded": True, "overridden_by": "other"}, "nonsense"]}
STALLED = {
    "failed": True, "code": "transition-stalled", "msg": "It stalled.", "blockers": [{"pid": 7, "comm": "nginx"}]}


def test_a_rollback_has_what_became_of_each_host():
    answers = {"back": WENT, "held": STALLED, "gone": {"unreachable": True, "msg": "No route"}, "untold": {}}
    made = rollback_record(answers, {"back": PROVEN}, False, {"to": "previous"}, START)
    hosts = made["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "back": "rolled_back", "held": "failed", "gone": "unreachable", "untold": "no_result"}
    assert (hosts["back"]["patch"], hosts["back"]["moves"]) == ("old", "fix removed; old restored")
    assert [one["state"] for one in hosts["back"]["functions"]] == ["patched", "pending", "overridden"]
    assert hosts["held"]["blockers"][0]["comm"] == "nginx"
    assert (made["ok"], made["failures"]) == (False, 2)
    head = verdict(made)
    assert head.what == "3 of 4 hosts are not in the requested state."
    assert head.todo == ["Fix the failures on held, gone, untold (see below), then run it again. Finished hosts stay "
                         "unchanged."]
    assert "transition-stalled" in render(made)


def test_all_is_well_is_said_where_it_is():
    made = status_record({"kept": ANSWERS["kept"]}, {}, None, None, {}, START)
    assert verdict(made).what == "1 host queried, no drift."
    assert verdict(made).stands[0] == "The state of every host is known."
    made = rollback_record({"back": WENT}, {"back": dict(PROVEN, functions=[])}, False, {}, START)
    assert verdict(made).what == "1 host in the requested state, verified."


def test_a_rollback_in_check_mode_is_a_plan():
    made = rollback_record({"back": WENT}, None, True, {}, START)
    head = verdict(made)
    assert (head.what, head.todo) == (
        "A plan, nothing was changed: 1 of 1 host would be rolled back.", ["Run it without --check."])
    assert made["hosts"]["back"]["back_at"] is None


@pytest.mark.parametrize("answer", [
    None, "nonsense", {"livepatch": 7}, {"failed": True}, {"livepatch": {"kernel": {}}},
    info({"name": HOSTILE, "state": "enabled",
          "objects": [7, {"name": HOSTILE, "functions": [HOSTILE, {"name": HOSTILE}]}]},
         kernel=HOSTILE, trial={"name": HOSTILE, "seconds_left": 10 ** 30}, transition={"blockers": [HOSTILE, {}]},
         drift=[dict(WARNING, code=HOSTILE, message=HOSTILE, subject=[HOSTILE])]),
    {**WENT, "findings": [dict(WARNING, message=HOSTILE)], "target": [HOSTILE], "blockers": HOSTILE}])
def test_nothing_that_a_host_answers_is_harm(answer):
    for made in (
            status_record({HOSTILE: answer}, {}, None, None, {}, START),
            rollback_record({HOSTILE: answer}, {HOSTILE: answer}, False, {}, START),
            rollback_record({HOSTILE: WENT}, {HOSTILE: {"functions": HOSTILE}}, False, {}, START)):
        json.dumps(made)
        assert "<script>document" not in render(made)


def test_a_page_tells_two_builds_of_one_name_apart_and_what_each_host_is_free_of():
    text = render(fleet_status.record())
    assert "fix (version 1.10, build a1a1a1a1)" in text and "fix (version 1.9, build b2b2b2b2)" in text
    said = text[text.index("CVEs as the hosts report them"):text.index("CVE coverage")]
    rows = [part.split("</tbody>")[0] for part in said.split("<h3>")[1:]]
    first, second, third = (row for row in rows if "CVE-" in row.split("</b>")[0])
    assert "other, ours" in first or "ours, other" in first
    assert "for now, on trial" in second and "trying" in second and "not verified" in second and "broken" in second
    assert f"no live patch closes it: {fleet_status.REASON}" in third
    assert "Reboot into a fixed kernel." in said


def test_the_head_of_a_status_advises_a_reboot_only_where_a_host_does():
    advised = {name: fleet_status.FLEET[name] for name in ("ours", "bare")}
    assert verdict(fleet_status.record(advised, builds=None)).todo == [
        "Reboot ours into a fixed kernel, for what no live patch closes (see below)."]
    assert verdict(fleet_status.record({"bare": advised["bare"]}, builds=None)).todo == ["Nothing has to be done."]


def test_a_page_without_a_bundle_tells_what_each_host_is_free_of():
    text = render(fleet_status.record(builds=None))
    assert "CVEs as the hosts report them" in text and "CVE coverage" not in text


def test_hostile_cves_and_reasons_are_texts_in_a_page():
    told = fleet_status.coverage(HOSTILE, not_covered=[{"cve": HOSTILE, "reason": HOSTILE}], reboot={
        "closes": [HOSTILE], "replaces": [HOSTILE], "message": HOSTILE})
    text = render(fleet_status.record({"a": fleet_status.info(fleet_status.patch(version=HOSTILE), told=told)}))
    assert "<img src=x" not in text and "\x1b" not in text
