# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook preflight, run by ansible-playbook on this ansible-core; the hosts' answers are simulated."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples

KERNEL = "6.1.0-56-amd64"


def answer(state="absent", *findings, kernel=KERNEL):
    """What patch_check returns for a host, as far as the summary reads it."""
    blocked = any(level == "blocker" for level, _code in findings)
    return {
        "compatible": not blocked and state != "no_build", "arch": "x86_64",
        "patch": {"name": "fix", "state": state, "kernel": kernel},
        "findings": [
            {"code": code, "level": level, "subject": "fix.ko", "message": f"About {code}."}
            for level, code in findings],
    }


GOOD = answer()
BLOCKED = answer("absent", ("blocker", "ftrace-disabled"), ("warning", "function-probed"))
NO_BUILD = answer("no_build", ("note", "no-build"), kernel="5.10.0-1-amd64")
FAILED = {"failed": True, "msg": "fix.ko is not an ELF file.", "code": "not-elf"}
ALL = {"good": GOOD, "blocked": BLOCKED, "no_build": NO_BUILD, "gone": "unreachable", "broken": FAILED}


@pytest.fixture
def preflight(play):
    """Run the playbook: preflight({host: answer}, variables={...}); `playbook` takes its place where it is given."""
    def run(answers, *flags, variables=None, playbook="kernel.livepatch.preflight", **options):
        given = {"livepatch_src": "patches", **(variables or {})}
        variables = {name: value for name, value in given.items() if value is not None}
        hosts = {host: {"patch_check": told} for host, told in answers.items()}
        return play(playbook, hosts, *flags, variables=variables, **options)
    return run


def test_every_kind_of_host_is_in_the_summary_and_only_bad_ones_fail(preflight):
    run = preflight(ALL)
    assert run.lines == [
        "5.10.0-1-amd64 x86_64: 1 host: 1 without a build",
        "  note no-build on no_build: About no-build.",
        "6.1.0-56-amd64 x86_64: 2 hosts: 1 compatible, 1 blocked",
        "  blocker ftrace-disabled on blocked: About ftrace-disabled.",
        "  warning function-probed on blocked: About function-probed.",
        "could not be checked: broken: not-elf: fix.ko is not an ELF file.",
        "unreachable: gone: Connection refused",
        "5 hosts: 1 compatible, 1 without a build, 1 blocked, 1 not checked, 1 unreachable",
    ]
    assert (run.code, sorted(run.failed)) == (2, ["blocked", "broken", "gone"])
    assert "ftrace-disabled: About ftrace-disabled." in run.output


def test_the_exit_code_is_zero_where_every_host_with_a_build_would_take_the_patch(preflight):
    run = preflight({"good": GOOD, "no_build": NO_BUILD})
    assert (run.code, run.failed) == (0, [])
    assert run.lines[-1] == "2 hosts: 1 compatible, 1 without a build"


@pytest.mark.parametrize("told", [BLOCKED, FAILED, "unreachable"])
def test_one_bad_host_is_enough_for_a_failure_also_where_it_is_the_first(preflight, told):
    run = preflight({"bad": told, "good": GOOD})
    assert (run.code, run.failed) == (2, ["bad"])
    assert "1 compatible" in run.lines[-1]


def test_a_summary_comes_also_where_nobody_gets_into_the_first_host(preflight):
    hosts = {"bad": {"ansible_become_method": "nosuch"}, "good": {}}
    run = preflight({"bad": GOOD, "good": GOOD}, inventory={"hosts": hosts})
    assert (run.code, run.failed) == (2, ["bad"]), run.output
    assert run.lines[-1] == "2 hosts: 1 compatible, 1 not checked"


@pytest.mark.parametrize("told", ["unreachable", FAILED])
def test_a_summary_comes_also_where_no_host_gave_a_result(preflight, told):
    run = preflight({"one": told, "two": told})
    assert (run.code, sorted(run.failed)) == (2, ["one", "two"])
    assert run.lines[-1] == f"2 hosts: 2 {'unreachable' if told == 'unreachable' else 'not checked'}"


def test_a_limit_leaves_nothing_else_out(preflight):
    run = preflight(ALL, "--limit", "good,gone")
    assert (run.code, run.failed, run.lines[-1]) == (2, ["gone"], "2 hosts: 1 compatible, 1 unreachable")


@pytest.mark.parametrize("hosts", ["good,no_build", ["good", "no_build"]])
def test_hosts_are_a_text_or_a_list(preflight, hosts):
    run = preflight(ALL, variables={"livepatch_hosts": hosts})
    assert (run.code, run.lines[-1][:7]) == (0, "2 hosts")


@pytest.mark.parametrize("names", ["ring, place.city", ["ring", "place.city"]])
def test_cohorts_are_split_by_variables_and_facts_named_as_a_text_or_a_list(preflight, names):
    told = {"a": GOOD, "b": GOOD, "c": GOOD, "d": GOOD}
    groups = {"children": {
        "early": {"hosts": {"a": {}}, "vars": {"ring": "early", "place": {"city": "fra"}}},
        "late": {"hosts": {"b": {}, "c": {}}, "vars": {"ring": "late"}}}}
    run = preflight(told, variables={"livepatch_cohort_by": names}, inventory=groups)
    assert run.lines[:-1] == [
        "6.1.0-56-amd64 x86_64, without ring, without place.city: 1 host: 1 compatible",
        "6.1.0-56-amd64 x86_64, ring early, place.city fra: 1 host: 1 compatible",
        "6.1.0-56-amd64 x86_64, ring late, without place.city: 2 hosts: 2 compatible",
    ]


def test_answers_of_a_survey_that_were_left_empty_mean_the_defaults(preflight):
    empty = dict.fromkeys(("livepatch_hosts", "livepatch_name", "livepatch_version", "livepatch_cohort_by"), "")
    run = preflight({"good": GOOD}, "-v", variables=empty)
    assert run.code == 0
    assert '"called_with": {"report_only": true, "src": "patches"}' in run.output


def test_the_options_reach_the_check(preflight):
    run = preflight({"good": GOOD}, "-v", "--check", variables={"livepatch_name": "fix_*", "livepatch_version": "1.10"})
    assert run.code == 0
    assert '"called_with": {"name": "fix_*", "report_only": true, "src": "patches", "version": "1.10"}' in run.output


def test_the_implicit_localhost_is_a_host_too(preflight):
    run = preflight({"localhost": BLOCKED}, variables={"livepatch_hosts": "localhost"})
    assert (run.code, run.failed, run.lines[-1]) == (2, ["localhost"], "1 host: 1 blocked")


def test_a_source_that_one_host_lacks_is_that_hosts_failure(preflight):
    run = preflight({"good": GOOD, "odd": GOOD}, inventory={"vars": {
        "livepatch_src": "{{ undefined_here if inventory_hostname == 'odd' else 'patches' }}"}},
        variables={"livepatch_src": "{{ sources[inventory_hostname] }}", "sources": {"good": "patches"}})
    assert run.code == 2
    assert run.failed == ["odd"]
    assert "1 compatible" in run.lines[-1]


@pytest.mark.parametrize("source", [None, ""])
def test_a_source_that_is_not_named_is_asked_for_once(preflight, source):
    run = preflight({"one": GOOD, "two": GOOD}, variables={"livepatch_src": source})
    assert (run.code, run.lines) == (2, [])
    assert run.output.count("fatal: [") == 1
    assert "No host has livepatch_src" in run.output


def test_settings_of_others_do_not_break_the_summary(preflight):
    run = preflight(ALL, settings="any_errors_fatal = true\nstrategy = free")
    assert (run.code, sorted(run.failed)) == (2, ["blocked", "broken", "gone"])
    assert run.lines[-1].startswith("5 hosts: 1 compatible")


def test_a_role_in_a_play_of_ones_own_goes_on_with_the_good_hosts(preflight, tmp_path):
    tasks = [{"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}}]
    roles = [{"role": "kernel.livepatch.preflight"}]
    play = {"name": "Own", "hosts": "all", "gather_facts": False, "roles": roles, "tasks": tasks}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([play]))
    run = preflight(ALL, playbook="own.yml")
    assert run.code == 2
    went_on = re.findall(r"^ok: \[(\w+)\] => \{\n    \"msg\": \"went on\"", run.output, re.MULTILINE)
    assert sorted(went_on) == ["good", "no_build"]


def test_in_a_play_in_batches_the_last_summary_has_all_hosts(preflight, tmp_path):
    roles = [{"role": "kernel.livepatch.preflight"}]
    play = {"name": "Own", "hosts": "all", "gather_facts": False, "roles": roles, "serial": 1}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([play]))
    run = preflight({"one": GOOD, "two": GOOD}, playbook="own.yml")
    assert "1 compatible, 1 without a result" in run.output
    assert (run.code, run.lines[-1]) == (0, "2 hosts: 2 compatible")


def test_the_run_leaves_an_artifact_and_a_report(preflight, tmp_path):
    run = preflight(ALL, variables={"livepatch_report_dir": "reports"})
    kept = run.stats["livepatch_preflight"]
    assert (run.code, kept["ok"], kept["counts"]["blocked"]) == (2, False, 1), run.output
    assert kept["hosts"]["blocked"] == {
        "verdict": "blocked", "kernel": KERNEL, "arch": "x86_64", "findings": ["ftrace-disabled", "function-probed"]}
    assert kept["hosts"]["gone"] == {"verdict": "unreachable"} and "gone" in kept["problems"]
    page, record = (next((tmp_path / "reports").glob(f"livepatch-preflight-*.{ending}")).read_text() for ending in (
        "html", "json"))
    assert {name: host["state"] for name, host in examples.read(record)["hosts"].items()} == {
        "good": "compatible", "blocked": "blocked", "no_build": "no_build", "gone": "unreachable",
        "broken": "unchecked"}
    assert json.loads(record)["options"]["src"] == "patches" and "About ftrace-disabled." in page


def test_a_directory_for_reports_that_cannot_be_used_is_told_before_any_host_is_asked(preflight, tmp_path):
    (tmp_path / "reports").write_text("a file")
    run = preflight(ALL, "-v", variables={"livepatch_report_dir": "reports"})
    assert run.code == 2 and "report-dir-unusable" in run.output and "called_with" not in run.output


def test_the_role_report_makes_the_page_of_a_preflight_from_results(play, tmp_path):
    variables = {
        "livepatch_report_dir": "reports", "livepatch_report_kind": "preflight", "results": {"good": GOOD},
        "livepatch_report_results": "{{ results }}", "livepatch_src": "patches"}
    task = {"name": "Report", "ansible.builtin.include_role": {"name": "kernel.livepatch.report"}, "run_once": True}
    play_of_ones_own = {"name": "Own", "hosts": "all", "gather_facts": False, "tasks": [task]}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([play_of_ones_own]))
    run = play("own.yml", {"good": {}}, variables=variables)
    assert run.code == 0, run.output
    record = examples.read(next((tmp_path / "reports").glob("*.json")).read_text())
    assert (record["kind"], record["hosts"]["good"]["state"]) == ("preflight", "compatible")
