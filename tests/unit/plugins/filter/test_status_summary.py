# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that sums up what runs where; nothing in an answer breaks it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kernel.livepatch.plugins.filter.status_summary import FilterModule
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report import causes
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import status_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import summarize_status

SUMMARIZE = FilterModule().filters()["status_summary"]
KERNEL = "6.1.0-56-amd64"
TRIAL = {"name": "fix", "seconds_left": 187}


def found(code, level="warning", message=None):
    return {"level": level, "code": code, "subject": "fix", "message": message or f"About {code}."}


def patch(state="accepted", name="fix", build_id="b1"):
    return {"name": name, "state": state, "build_id": build_id}


def answer(*patches, kernel=KERNEL, **more):
    return {"livepatch": {
        "kernel": {"release": kernel, "arch": "x86_64"}, "interface": "livepatch", "patches": list(patches),
        "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": [], **more}}


@pytest.mark.parametrize(("told", "verdict"), [
    (answer(patch("accepted")), "accepted"),
    (answer(patch("accepted"), patch("enabled", "other")), "enabled"),
    (answer(patch("accepted"), patch("enabled"), trial=TRIAL), "on_trial"),
    (answer(patch("enabled", "other"), trial=TRIAL), "enabled"),
    (answer(patch("enabled"), patch("disabling", "other"), trial=TRIAL), "in_transition"),
    (answer(patch("disabled")), "unpatched"),
    (answer(), "unpatched"),
    (answer(interface="none"), "unsupported"),
    (answer(patch("enabled"), interface="kpatch"), "enabled"),
    (answer(patch("enabling"), interface="kgraft"), "in_transition"),
    ({"failed": True, "msg": "bad"}, "unchecked"),
    ({"unreachable": True, "msg": "gone"}, "unreachable"),
    ({}, "no_result"),
    ({"skipped": True}, "no_result"),
])
def test_a_host_is_what_its_least_settled_patch_is(told, verdict):
    summary = SUMMARIZE({"a": told})
    assert {word for word, count in summary["counts"].items() if count} == {verdict}
    assert summary["artifact"]["hosts"]["a"]["verdict"] == verdict
    assert summary["ok"] is (verdict not in ("unchecked", "unreachable", "no_result"))


def test_no_hosts_are_no_problem_of_the_filter():
    assert SUMMARIZE({})["lines"] == ["0 hosts: no hosts"]


def test_builds_are_told_apart_only_where_there_are_several():
    same = SUMMARIZE({"a": answer(patch()), "b": answer(patch("enabled"))})["lines"]
    assert same[1:3] == ["  fix accepted on a", "  fix enabled on b"]
    several = {"a": answer(patch(build_id="123456789abc")), "b": answer(patch(build_id=None))}
    assert SUMMARIZE(several)["lines"][1:3] == [
        "  fix (build unknown) accepted on b", "  fix (build 12345678) accepted on a"]


@pytest.mark.parametrize(("one", "other", "words"), [
    ({"version": "1.9"}, {"version": "1.10"}, ("version 1.9", "version 1.10")),
    ({"version": None}, {"version": "1.10"}, ("version unknown", "version 1.10")),
    ({"version": "1.9", "build_id": "a" * 40}, {"version": "1.10", "build_id": "b" * 40},
     ("version 1.9, build aaaaaaaa", "version 1.10, build bbbbbbbb")),
    ({"sha256": "c" * 64}, {"sha256": "d" * 64}, ("file cccccccc", "file dddddddd")),
    ({"build_id": "a" * 40, "sha256": "c" * 64}, {"build_id": "b" * 40, "sha256": "d" * 64},
     ("build aaaaaaaa", "build bbbbbbbb")),
])
def test_two_builds_of_one_name_on_two_hosts_are_told_apart(one, other, words):
    summary = SUMMARIZE({host: answer({**patch(), **build}) for host, build in (("a", one), ("b", other))})
    for host, text in zip("ab", words, strict=True):
        assert f"  fix ({text}) accepted on {host}" in summary["lines"]
    found = {group["hosts"][0]: group for group in summary["cohorts"][0]["patches"]}
    assert len(found) == 2
    for host, build in (("a", one), ("b", other)):
        assert {key: found[host][key] for key in build} == build
        (shown,) = summary["artifact"]["hosts"][host]["patches"]
        assert {key: shown[key] for key in build} == build


def test_builds_of_other_kernels_are_not_told_apart():
    summary = SUMMARIZE({"a": answer(patch()), "b": answer(patch(build_id="b2"), kernel="6.1.0-57-amd64")})
    assert [line for line in summary["lines"] if "fix" in line] == ["  fix accepted on a", "  fix accepted on b"]


def test_a_trial_and_a_transition_are_told_with_their_hosts():
    lines = SUMMARIZE({
        "a": answer(patch("enabled"), trial=TRIAL, drift=[found("on-trial", "note")]),
        "b": answer(patch("enabling"), trial=TRIAL, transition={
            "name": "fix", "state": "enabling", "blockers": [{"comm": "nginx"}, {"comm": "a\x1bb"}]}),
        "c": answer(patch("disabling"), transition={"name": "fix", "state": "disabling", "blockers": []})})["lines"]
    assert lines[1:-1] == [
        "  fix on trial on a (reverts in 187 s)", "  fix enabling on b (held by nginx, a?b)",
        "  fix disabling on c"]


@pytest.mark.parametrize(("who", "name"), [
    ({"controller_user": "alice", "controller_node": "control1"}, "alice on control1"),
    ({"controller_user": None, "controller_node": "control1"}, "an unknown user on control1"),
    ({"controller_user": None, "controller_node": None}, "the host itself"), (None, "the host itself"),
    ({"controller_user": "\x1b[2J", "controller_node": None}, "?[2J"),
])
def test_who_is_changing_a_host_is_told(who, name):
    summary = SUMMARIZE({"a": answer(changing={"since": "2026-11-21T09:16:53Z", "who": who})})
    assert f"  being changed at this moment: a (by {name}, since 2026-11-21T09:16:53Z)" in summary["lines"]


ALICE = {"controller_user": "alice", "controller_node": "control1"}


def lease(run="run1", until="2026-11-21T10:00:00Z", known=True):
    return {"run": run, "who": ALICE if known else None, "since": "2026-11-21T09:00:00Z", "until": until}


def test_who_holds_hosts_and_until_when_is_told_once_for_each_run():
    summary = SUMMARIZE({
        "a": answer(lease=lease()), "b": answer(lease=lease(until="2026-11-21T10:00:07Z")), "c": answer(lease=None),
        "d": answer(lease=lease("run2\x1b", known=False))})
    assert summary["lines"][2:-1] == [
        "  held by a run: a, b (run1, by alice on control1, until 2026-11-21T10:00:07Z)",
        "  held by a run: d (run2?, by the host itself, until 2026-11-21T10:00:00Z)"]
    assert summary["cohorts"][0]["leased"][0] == {
        "host": "a", "run": "run1", "who": "alice on control1", "until": "2026-11-21T10:00:00Z"}
    hosts = summary["artifact"]["hosts"]
    assert (hosts["a"]["lease"]["until"], hosts["c"]["lease"]) == ("2026-11-21T10:00:00Z", None)
    assert summary["ok"]


def test_a_due_hook_is_told_with_its_run():
    since = "2026-11-21T09:00:00Z"
    summary = SUMMARIZE({
        "a": answer(hook={"run": "run1", "who": ALICE, "since": since}),
        "b": answer(hook={"run": None, "who": None, "since": None})})
    assert summary["lines"][2:-1] == [
        f"  livepatch_after is due: a (run1, by alice on control1, since {since})",
        "  livepatch_after is due: b (outside a run, by the host itself, since an unknown time)"]
    assert summary["artifact"]["hosts"]["a"]["hook"] == {"run": "run1", "who": "alice on control1", "since": since}
    assert [one["host"] for one in summary["cohorts"][0]["hooks_due"]] == ["a", "b"]


@pytest.mark.parametrize("place", ["text", 7, [], {"run": {}, "who": "x", "until": [], "since": 1 << 90}])
def test_a_lease_or_hook_that_makes_no_sense_breaks_nothing(place):
    assert SUMMARIZE({"a": answer(lease=place, hook=place)})["counts"]["unpatched"] == 1


def test_what_is_quarantined_is_told_beside_what_runs():
    summary = SUMMARIZE({"a": answer(patch(name="new"), quarantined=[{"name": "old", "build_id": "b0"}])})
    assert summary["lines"][:3] == [
        f"{KERNEL} x86_64: 1 host: 1 accepted", "  new accepted on a", "  old quarantined on a"]


def test_drift_comes_by_code_with_its_hosts_and_the_hosts_are_named_in_the_sum():
    summary = SUMMARIZE({
        "a": answer(drift=[found("n", "note"), found("x", message="One.")]), "b": answer(drift=[found("x")]),
        "c": answer(drift=[found("n", "note")])})
    assert summary["lines"][2:] == [
        "  warning x on a, b: One. (and 1 other message)", "  note n on a, c: About n.",
        "3 hosts: 3 without a live patch; 2 hosts have drifted: a, b"]
    assert (summary["ok"], summary["problems"], summary["drifted"]) == (True, {}, ["a", "b"])


def test_drift_is_a_problem_where_that_is_asked_for_also_where_it_is_not_known():
    told = {"a": answer(drift=[found("x"), found("y"), found("n", "note")]), "b": answer(drift=None),
            "c": answer(drift=[found("n", "note")])}
    summary = SUMMARIZE(told, fail_on_drift=True)
    assert summary["problems"] == {
        "a": "x: About x. Also: y.",
        "b": "The drift of the host is unknown without root. Run the task with become: true."}
    assert summary["ok"] is False
    assert any(line.startswith("  unknown without root on b: accepted") for line in summary["lines"])


def test_a_cohort_needs_the_variables_of_its_hosts():
    hostvars = {"a": {"ring": "early"}, "b": {"ring": "late"}}
    summary = SUMMARIZE({"b": answer(), "a": answer(), "c": answer(kernel="5.10.0-1-amd64")}, hostvars, "ring")
    assert [(one["kernel"], one["values"], one["hosts"]) for one in summary["cohorts"]] == [
        ("5.10.0-1-amd64", {"ring": None}, ["c"]), (KERNEL, {"ring": "early"}, ["a"]),
        (KERNEL, {"ring": "late"}, ["b"])]


@pytest.mark.parametrize(("told", "missing"), [
    (answer(patch()), []), (answer(patch("enabled")), []), (answer(patch("enabled"), trial=TRIAL), []),
    (answer(patch(build_id=None)), []),
    (answer(patch(build_id="b2")), ["a"]), (answer(patch("enabling")), ["a"]), (answer(patch("disabled")), ["a"]),
    (answer(patch(name="other")), ["a"]), (answer(), ["a"]), (answer(interface="none"), []),
])
def test_a_build_is_missing_where_it_is_not_in_effect(told, missing):
    builds = [{"release": KERNEL, "arch": "x86_64", "name": "fix", "build_id": "b1"}]
    summary = summarize_status({"a": told}, builds=builds)
    assert [one["hosts"] for one in summary["cohorts"][0]["missing"]] == [missing] * bool(missing)
    assert summary["no_build"] == []


BUILD = {"release": KERNEL, "arch": "x86_64", "name": "fix", "build_id": "b1"}


def on_kernel(build_id, *patches, **more):
    told = answer(*patches, **more)
    told["livepatch"]["kernel"]["build_id"] = build_id
    return told


@pytest.mark.parametrize(("told", "coverage"), [
    (answer(patch()), "covered"), (answer(patch("enabled")), "covered"),
    (answer(patch("enabled"), trial=TRIAL), "on_trial"),
    (answer(patch(build_id=None)), "unproven"), (answer(patch("enabled", build_id=None), trial=TRIAL), "unproven"),
    (answer({**patch(), "verified": True}), "covered"), (answer({**patch(), "verified": None}), "covered"),
    (answer({**patch(), "verified": False}), "unverified"),
    (answer({**patch("enabled"), "verified": False}, trial=TRIAL), "unverified"),
    (answer({**patch(build_id="b2"), "verified": False}), "other_build"),
    (answer(patch(build_id="b2")), "other_build"),
    (answer(patch("enabled", build_id="b2"), trial=TRIAL), "other_build"),
    (answer(patch("disabled")), "missing"), (answer(patch("enabling")), "missing"),
    (answer(patch("disabling")), "missing"),
    (answer(quarantined=[{"name": "fix", "build_id": "b1"}]), "missing"), (answer(patch(name="other")), "missing"),
])
def test_a_summary_and_a_report_judge_alike_what_a_host_runs(told, coverage):
    summary = summarize_status({"a": told}, builds=[BUILD])
    assert summary["artifact"]["hosts"]["a"]["coverage"] == coverage
    cohort = summary["cohorts"][0]
    assert bool(cohort["missing"]) is (coverage in ("missing", "other_build"))
    assert bool(cohort["other_build"]) is (coverage == "other_build")
    assert bool(cohort["unproven"]) is (coverage == "unproven")
    build = {**BUILD, "sha256": "4f" * 32, "file": "fix.ko", "objects": []}
    (found,) = causes.coverage(status_record({"a": told}, {}, None, [build], {}, 1.8e9))
    by_kind = {
        "covered": found.covered, "on_trial": found.for_now, "unproven": found.unproven,
        "unverified": found.unverified,
        "other_build": found.other_build, "missing": [host for _word, hosts, _plan in found.missing for host in hosts]}
    assert {kind: hosts for kind, hosts in by_kind.items() if hosts} == {coverage: ["a"]}


def test_what_is_unknown_or_another_build_is_said():
    summary = summarize_status({
        "a": answer(patch(build_id="b2")), "b": answer(), "c": answer(patch(build_id=None))}, builds=[BUILD])
    assert "  not enabled, although there is a build: fix on a (another build), b" in summary["lines"]
    assert "  enabled by name, but a build-id is missing, so the build is unknown: fix on c" in summary["lines"]


def test_a_host_is_compared_with_the_build_for_its_build_of_the_kernel():
    builds = [{**BUILD, "metadata": {"kernel_build_id": "0a"}},
              {**BUILD, "build_id": "b2", "metadata": {"kernel_build_id": "0b"}}]
    summary = summarize_status({
        "a": on_kernel("0a", patch()), "b": on_kernel("0b", patch()), "c": on_kernel("0c", patch()),
        "d": on_kernel(None, patch())}, builds=builds)
    hosts = summary["artifact"]["hosts"]
    assert {name: (one["covered"], one["coverage"]) for name, one in hosts.items()} == {
        "a": (True, "covered"), "b": (True, "other_build"), "c": (False, None), "d": (None, None)}
    assert summary["no_build"] == ["c"]
    assert f"{KERNEL} x86_64, build 0c: 1 host: 1 accepted; no build for this kernel" in summary["lines"]
    assert "  the build depends on the build-id of the kernel, and it is unknown on d" in summary["lines"]
    builds = [{**build, "sha256": str(number) * 64, "file": "fix.ko", "objects": []}
              for number, build in enumerate(builds)]
    told = {"a": on_kernel("0a", patch()), "b": on_kernel("0b", patch()), "c": on_kernel("0c", patch())}
    (found,) = causes.coverage(status_record(told, {}, None, builds, {}, 1.8e9))
    assert (found.covered, found.other_build) == (["a"], ["b", "c"])


def test_a_summary_and_a_report_compare_with_the_newest_of_two_versions_of_one_name():
    old, new = ({**BUILD, "version": version, "build_id": build, "sha256": build * 32, "file": f"{version}.ko",
                 "series": {"stem": "fix", "rank": rank}, "objects": []}
                for rank, version, build in ((1, "1.9", "b1"), (2, "1.10", "b2")))
    told = {"a": answer(patch(build_id="b1")), "b": answer(patch(build_id="b2"))}
    hosts = summarize_status(told, builds=[old, new])["artifact"]["hosts"]
    assert [hosts[host]["coverage"] for host in "ab"] == ["other_build", "covered"]
    (found,) = causes.coverage(status_record(told, {}, None, [old, new], {}, 1.8e9))
    assert (found.covered, found.other_build) == (["b"], ["a"])


def test_a_host_needs_the_newest_version_only():
    old, new = ({**BUILD, "name": f"fix_{rank}", "build_id": f"b{rank}", "series": {"stem": "fix", "rank": rank},
                 "sha256": str(rank) * 64, "file": "fix.ko", "objects": []} for rank in (1, 2))
    told = {"a": answer(patch(name="fix_2", build_id="b2")), "b": answer(patch(name="fix_1", build_id="b1"))}
    summary = summarize_status(told, builds=[old, new])
    assert [(one["name"], one["hosts"]) for one in summary["cohorts"][0]["missing"]] == [("fix_2", ["b"])]
    first, second = causes.coverage(status_record(told, {}, None, [old, new], {}, 1.8e9))
    assert (first.covered, first.later) == (["b"], ["a"])
    assert (second.covered, second.later) == (["a"], [])


@pytest.mark.parametrize("other", [{"release": "6.1.0-55-amd64"}, {"arch": "aarch64"}])
def test_a_host_has_no_build_where_there_is_none_for_its_kernel_and_that_is_no_problem(other):
    builds = [{"release": KERNEL, "arch": "x86_64", "name": "fix", "build_id": "b1", **other}]
    summary = summarize_status({"a": answer(), "gone": {"unreachable": True, "msg": "gone"}}, builds=builds)
    assert (summary["no_build"], list(summary["problems"])) == (["a"], ["gone"])
    assert "covered" not in summary["artifact"]["hosts"]["gone"]


@pytest.mark.parametrize("name", [None, "", "fix-it", "fix_it"])
def test_the_builds_are_those_of_a_file_or_of_one_patch_of_it(build_module, name):
    file = build_module("source_simple", '-DNAME="fix_it"')
    summary = SUMMARIZE({"a": answer()}, src=str(file), name=name)
    assert summary["cohorts"][0]["builds"] == ["fix_it"]


def test_a_source_that_cannot_be_read_or_has_no_such_patch_is_an_error(build_module, tmp_path):
    with pytest.raises(AnsibleFilterError, match="nowhere"):
        SUMMARIZE({"a": answer()}, src=str(tmp_path / "nowhere"))
    file = build_module("source_simple", '-DNAME="fix_it"')
    with pytest.raises(AnsibleFilterError, match=r"has no patch called other\. Correct the name to one of: fix_it"):
        SUMMARIZE({"a": answer()}, src=str(file), name="other")


@pytest.mark.parametrize("odd", [
    {}, [], None, {"kernel": {}}, {"kernel": []}, {"kernel": {"release": KERNEL, "arch": None}}, {"interface": 1},
    {"patches": None}, {"patches": [1]}, {"patches": [{"name": "fix"}]}, {"patches": [patch("quarantined")]},
    {"patches": [patch(["accepted"])]}, {"patches": [patch(name=1)]}, {"drift": {}}, {"drift": [{"code": "x"}]},
    {"quarantined": [1]}, {"trial": {"name": "fix"}}, {"trial": []}, {"trial": {"name": "fix", "seconds_left": "1"}},
    {"transition": "x"}, {"changing": []},
])
def test_an_answer_that_makes_no_sense_is_said_to_be_that(odd):
    told = {"livepatch": {**answer()["livepatch"], **odd} if isinstance(odd, dict) and odd else odd}
    summary = SUMMARIZE({"a": told, "b": answer()})
    assert summary["problems"] == {
        "a": "malformed-result: The host returned a malformed result. Check that the host has not been compromised."}
    assert summary["counts"]["unpatched"] == 1


@pytest.mark.parametrize("odd", [
    answer(patch(build_id={}, name="a\x1bb")), answer(transition={}), answer(transition={"blockers": [1]}),
    answer(changing={"who": [1]}), answer(kernel="6.1\x07"), answer(interface="\x1b"),
    answer(quarantined=None, drift=None),
])
def test_odd_texts_are_shown_without_what_controls_a_terminal(odd):
    lines = SUMMARIZE({"a": odd})["lines"]
    assert all(line.isprintable() for line in lines)
    assert lines[-1].startswith("1 host: 1 ")


COVERAGE = {
    "cves": ["CVE-2026-1111", "CVE-2026-2222"], "effective_kernel": "6.1.0-60-amd64", "expires": None,
    "not_covered": [{"cve": "CVE-2026-3333", "reason": "it changes data"}]}


def test_what_the_patches_cover_is_told_by_hosts_with_the_same_coverage():
    summary = SUMMARIZE({
        "a": answer(patch(), coverage=COVERAGE), "b": answer(patch(), coverage=COVERAGE), "c": answer(patch()),
        "d": answer(patch(), coverage=dict(COVERAGE, cves=["CVE-2026-1111"], not_covered=[], effective_kernel=None))})
    cohort = summary["cohorts"][0]
    assert cohort["cves"] == [
        {"cves": ["CVE-2026-1111"], "hosts": ["d"]},
        {"cves": ["CVE-2026-1111", "CVE-2026-2222"], "hosts": ["a", "b"]}]
    assert cohort["not_covered"] == [{"cve": "CVE-2026-3333", "reason": "it changes data", "hosts": ["a", "b"]}]
    assert cohort["effective_kernels"] == [{"kernel": "6.1.0-60-amd64", "hosts": ["a", "b"]}]
    assert summary["lines"][2:-1] == [
        "  effective kernel 6.1.0-60-amd64 on a, b",
        "  free of CVE-2026-1111 on d", "  free of CVE-2026-1111, CVE-2026-2222 on a, b",
        "  no live patch closes CVE-2026-3333 on a, b: it changes data"]
    assert [summary["artifact"]["hosts"][host]["effective_kernel"] for host in "acd"] == ["6.1.0-60-amd64", None, None]


ADVICE = "Reboot into a kernel with the fixes of CVE-2026-3333, because no live patch closes it."


def test_what_closes_nothing_and_what_a_reboot_does_is_told():
    told = dict(
        COVERAGE, unverified=[{"name": "fix", "cves": ["CVE-2026-5555"], "codes": ["function-not-hooked"]}],
        expired=["fix"], reboot={"closes": ["CVE-2026-3333"], "replaces": ["fix"], "message": ADVICE})
    summary = SUMMARIZE({"a": answer(patch(), coverage=told), "b": answer(patch(), coverage=COVERAGE)})
    assert summary["lines"][4:] == [
        "  not verified, so it closes nothing: fix on a (function-not-hooked)",
        "  no live patch closes CVE-2026-3333 on a, b: it changes data", f"  reboot advised on a: {ADVICE}",
        "2 hosts: 2 accepted; 1 host to reboot into a fixed kernel"]
    assert summary["cohorts"][0]["unverified"] == [
        {"name": "fix", "cves": ["CVE-2026-5555"], "codes": ["function-not-hooked"], "hosts": ["a"]}]
    assert summary["cohorts"][0]["reboot"] == [{"message": ADVICE, "hosts": ["a"]}]
    assert summary["reboot"] == ["a"]
    assert [summary["artifact"]["hosts"][host]["reboot"] for host in "ab"] == [True, False]


@pytest.mark.parametrize("told", [
    {"unverified": [5, {"name": 5}, {"cves": ["x"]}], "reboot": 5, "expired": 5},
    {"unverified": 5, "reboot": {"message": 5}},
    None, 5, [], {}, {"cves": 5, "not_covered": 5, "effective_kernel": 5},
    {"cves": [5], "not_covered": [5, {"cve": 1}]},
    {"cves": None, "not_covered": [{"cve": "a"}], "effective_kernel": ""}])
def test_no_coverage_of_a_host_breaks_it(told):
    cohort = SUMMARIZE({"a": answer(patch(), coverage=told)})["cohorts"][0]
    assert [cohort[key] for key in ("cves", "not_covered", "unverified", "effective_kernels", "reboot")] == [[]] * 5


def test_a_coverage_without_control_characters_reaches_the_terminal():
    told = {
        "cves": ["a\x1bb"], "not_covered": [{"cve": "c\x1bd", "reason": "e\x1bf"}], "effective_kernel": "g\x1bh"}
    assert all(line.isprintable() for line in SUMMARIZE({"a": answer(patch(), coverage=told)})["lines"])


def test_hosts_with_other_builds_of_one_release_are_another_cohort():
    told = {host: answer() for host in "ab"}
    for host, build in (("a", "0a" * 20), ("b", "0b" * 20)):
        told[host]["livepatch"]["kernel"]["build_id"] = build
    assert [cohort["title"] for cohort in SUMMARIZE(told)["cohorts"]] == [
        f"{KERNEL} x86_64, build 0a0a0a0a0a0a", f"{KERNEL} x86_64, build 0b0b0b0b0b0b"]
