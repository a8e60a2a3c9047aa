# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook status, run by ansible-playbook on this ansible-core; the hosts' answers are simulated."""

from __future__ import annotations

import pytest
import yaml

KERNEL = "6.1.0-56-amd64"
WARNING = {"code": "loaded-by-hand", "level": "warning", "subject": "fix", "message": "About loaded-by-hand."}
NOTE = {"code": "enabled-not-accepted", "level": "note", "subject": "fix", "message": "About enabled-not-accepted."}
FAILED = {"failed": True, "msg": "/proc/version cannot be read.", "code": "unreadable"}


def answer(state=None, *drift, kernel=KERNEL, **more):
    """What patch_info returns for a host, as far as the summary reads it."""
    patches = [{"name": "fix", "state": state, "build_id": "b1"}] if state else []
    told = {
        "kernel": {"release": kernel, "arch": "x86_64"}, "interface": "livepatch", "patches": patches,
        "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": list(drift)}
    return {"livepatch": {**told, **more}}


ALL = {
    "kept": answer("accepted"),
    "odd": answer("enabled", WARNING),
    "trying": answer("enabled", trial={"name": "fix", "seconds_left": 187}),
    "bare": answer(kernel="5.10.0-1-amd64"),
    "gone": "unreachable",
    "broken": FAILED,
}


@pytest.fixture
def status(play):
    """Run the playbook: status({host: answer}, variables={...}); `playbook` takes its place where it is given."""
    def run(answers, *flags, playbook="kernel.livepatch.status", **options):
        hosts = {host: {"patch_info": told} for host, told in answers.items()}
        return play(playbook, hosts, *flags, **options)
    return run


def test_every_kind_of_host_is_in_the_summary_and_those_that_told_nothing_fail(status):
    run = status(ALL)
    assert run.lines == [
        "5.10.0-1-amd64 x86_64: 1 host: 1 without a live patch",
        "  no live patch on bare",
        "6.1.0-56-amd64 x86_64: 3 hosts: 1 accepted, 1 enabled, 1 on trial",
        "  fix accepted on kept",
        "  fix enabled on odd",
        "  fix on trial on trying (reverts in 187 s)",
        "  warning loaded-by-hand on odd: About loaded-by-hand.",
        "query failed: broken: unreadable: /proc/version cannot be read.",
        "unreachable: gone: Connection refused",
        "6 hosts: 1 accepted, 1 enabled, 1 on trial, 1 without a live patch, "
        "1 query failed, 1 unreachable; 1 host has drifted: odd",
    ]
    assert (run.code, sorted(run.failed)) == (2, ["broken", "gone"])


def test_the_exit_code_is_zero_where_every_host_has_told(status):
    run = status({"kept": ALL["kept"], "odd": ALL["odd"]})
    assert (run.code, run.failed) == (0, [])


@pytest.mark.parametrize("word", [True, "true", "yes", "y", "true ", 1])
def test_drift_fails_its_hosts_where_that_is_asked_for_and_notes_are_no_drift(status, word):
    told = {"noted": answer("enabled", NOTE), "odd": ALL["odd"], "unasked": answer("enabled", drift=None)}
    run = status(told, variables={"livepatch_fail_on_drift": word})
    assert (run.code, sorted(run.failed)) == (2, ["odd", "unasked"])
    assert "loaded-by-hand: About loaded-by-hand." in run.output


@pytest.mark.parametrize("word", [False, "false", "no", "", "n"])
def test_drift_is_no_failure_otherwise(status, word):
    run = status({"odd": ALL["odd"]}, variables={"livepatch_fail_on_drift": word})
    assert (run.code, run.lines[-1]) == (0, "1 host: 1 enabled; 1 host has drifted: odd")


@pytest.mark.parametrize("word", ["maybe", "2", [True]])
def test_what_is_neither_yes_nor_no_is_refused_before_any_host_is_asked(status, word):
    run = status({"odd": ALL["odd"]}, "-v", variables={"livepatch_fail_on_drift": word})
    said = f"livepatch_fail_on_drift is {word!r}. Give true or false."
    assert (run.code, said in run.output, "bad-option" in run.output) == (2, True, True), run.output
    assert "called_with" not in run.output


def test_later_jobs_get_a_few_facts_of_each_host(status):
    run = status(ALL)
    kept = run.stats["livepatch_status"]
    assert kept["hosts"]["odd"] == {
        "verdict": "enabled", "kernel": KERNEL, "arch": "x86_64", "patches": [
            {"name": "fix", "version": None, "build_id": "b1", "sha256": None, "state": "enabled"}],
        "effective_kernel": None, "reboot": False, "lease": None, "hook": None, "quarantined": [],
        "drift": ["loaded-by-hand"]}
    assert kept["hosts"]["gone"] == {"verdict": "unreachable"}
    assert (kept["ok"], kept["counts"]["accepted"]) == (False, 1)
    assert kept["problems"] == {"broken": "unreadable: /proc/version cannot be read.", "gone": "Connection refused"}


@pytest.mark.parametrize("told", ["unreachable", FAILED])
def test_a_summary_comes_also_where_no_host_gave_a_result(status, told):
    run = status({"one": told, "two": told})
    assert (run.code, sorted(run.failed)) == (2, ["one", "two"])
    assert run.lines[-1] == f"2 hosts: 2 {'unreachable' if told == 'unreachable' else 'query failed'}"


@pytest.mark.parametrize("hosts", ["kept,bare", ["kept", "bare"]])
def test_hosts_are_a_text_or_a_list(status, hosts):
    run = status(ALL, variables={"livepatch_hosts": hosts})
    assert (run.code, run.lines[-1]) == (0, "2 hosts: 1 accepted, 1 without a live patch")


def test_cohorts_are_split_by_variables(status):
    run = status(
        {"a": answer("accepted"), "b": answer()}, variables={"livepatch_cohort_by": "ring"},
        inventory={"children": {"early": {"hosts": {"a": {}}, "vars": {"ring": "early"}}}})
    assert [line for line in run.lines if line.startswith(KERNEL)] == [
        f"{KERNEL} x86_64, without ring: 1 host: 1 without a live patch",
        f"{KERNEL} x86_64, ring early: 1 host: 1 accepted"]


def test_answers_of_a_survey_that_were_left_empty_mean_the_defaults(status):
    empty = dict.fromkeys((
        "livepatch_hosts", "livepatch_src", "livepatch_name", "livepatch_version", "livepatch_cohort_by",
        "livepatch_fail_on_drift"), "")
    run = status({"kept": ALL["kept"]}, variables=empty)
    assert (run.code, run.lines[-1]) == (0, "1 host: 1 accepted")


def test_a_source_tells_who_has_no_build_and_who_does_not_run_it(status, build_module, tmp_path):
    (tmp_path / "patches").mkdir()
    build = build_module("source_simple", '-DNAME="fix"')
    (tmp_path / "patches" / "any.ko").write_bytes(build.read_bytes())
    kept = answer(patches=[{"name": "fix", "state": "accepted", "build_id": None}])
    hosts = {"kept": kept, "idle": answer(), "bare": ALL["bare"]}
    run = status(hosts, variables={"livepatch_src": "patches"})
    assert (run.code, run.lines) == (0, [
        "5.10.0-1-amd64 x86_64: 1 host: 1 without a live patch; no build for this kernel",
        "  no live patch on bare",
        "6.1.0-56-amd64 x86_64: 2 hosts: 1 accepted, 1 without a live patch",
        "  fix accepted on kept",
        "  no live patch on idle",
        "  not enabled, although there is a build: fix on idle",
        "  enabled by name, but a build-id is missing, so the build is unknown: fix on kept",
        "3 hosts: 1 accepted, 2 without a live patch; 1 without a build, not a failure",
    ])
    covered = {host: facts["covered"] for host, facts in run.stats["livepatch_status"]["hosts"].items()}
    assert covered == {"kept": True, "idle": True, "bare": False}
    coverage = {host: facts["coverage"] for host, facts in run.stats["livepatch_status"]["hosts"].items()}
    assert coverage == {"kept": "unproven", "idle": "missing", "bare": None}


def test_a_pattern_and_a_version_tell_what_to_compare_with(status, build_module, tmp_path):
    (tmp_path / "patches").mkdir()
    for name in ("fix_old", "fix_new"):
        build = build_module("source_simple", f'-DNAME="{name}"')
        (tmp_path / "patches" / f"{name}.ko").write_bytes(build.read_bytes())
    (tmp_path / "patches" / "bundle.yml").write_text(
        "patches: {fix_old: {version: '1.9'}, fix_new: {version: '1.10'}}")
    variables = {"livepatch_src": "patches", "livepatch_name": "fix-*"}
    run = status({"idle": answer()}, variables={**variables, "livepatch_version": "1.9"})
    assert [line for line in run.lines if "there is a build" in line] == [
        "  not enabled, although there is a build: fix_old on idle"]
    run = status({"idle": answer()}, variables={**variables, "livepatch_version": "2.0"})
    assert run.code == 2
    assert "has no version 2.0. Correct the version. It has: fix_new 1.10, fix_old 1.9." in run.output


def test_a_source_that_is_not_there_is_named(status):
    run = status({"kept": ALL["kept"]}, variables={"livepatch_src": "nowhere/"})
    assert run.code == 2
    assert "nowhere" in run.output


def test_settings_of_others_do_not_break_the_summary(status):
    run = status(ALL, settings="any_errors_fatal = true\nstrategy = free")
    assert (run.code, sorted(run.failed)) == (2, ["broken", "gone"])
    assert run.lines[-1].startswith("6 hosts: 1 accepted")


def test_check_mode_is_the_same(status):
    run = status({"kept": ALL["kept"]}, "-v", "--check")
    assert (run.code, run.lines[-1]) == (0, "1 host: 1 accepted")


def test_what_a_host_told_before_it_was_unreachable_is_not_told_again(status, tmp_path):
    fail = {"name": "Fail", "ansible.builtin.fail": {"msg": "Bad"}, "when": "inventory_hostname == 'odd'"}
    between = {"name": "Between", "hosts": "all", "gather_facts": False, "tasks": [fail]}
    look = {"name": "Look", "ansible.builtin.import_playbook": "kernel.livepatch.status"}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([look, between, look]))
    run = status({"kept": ALL["kept"], "odd": ALL["odd"]}, playbook="own.yml")
    assert "2 hosts: 1 accepted, 1 enabled" in run.output
    assert run.lines[-2:] == [
        "without a result, skipped or unreachable before: odd", "2 hosts: 1 accepted, 1 without a result"]


def test_nothing_that_a_host_says_is_taken_for_a_template(status, tmp_path):
    trap = f"{{{{ lookup('pipe', 'touch {tmp_path}/trapped') }}}}"
    drift = {"code": trap, "level": "warning", "subject": trap, "message": trap}
    told = {"a": answer("accepted", drift, kernel=trap), "b": {"failed": True, "msg": trap, "code": trap}}
    run = status(told, variables={"livepatch_fail_on_drift": True})
    assert run.lines[:3] == [
        f"{trap} x86_64: 1 host: 1 accepted", "  fix accepted on a", f"  warning {trap} on a: {trap}"]
    assert (run.code, sorted(run.failed)) == (2, ["a", "b"])
    assert run.stats["livepatch_status"]["problems"]["b"] == f"{trap}: {trap}"
    assert not (tmp_path / "trapped").exists()


def test_a_summary_comes_also_where_nobody_gets_into_the_first_host(status):
    hosts = {"bad": {"ansible_become_method": "nosuch"}, "good": {}}
    run = status({"bad": answer(), "good": answer()}, inventory={"hosts": hosts})
    assert (run.code, run.failed) == (2, ["bad"]), run.output
    assert run.lines[-1] == "2 hosts: 1 without a live patch, 1 query failed"
