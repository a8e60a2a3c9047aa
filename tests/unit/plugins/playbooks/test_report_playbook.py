# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of the playbooks and of the role, on this ansible-core; what hosts answer is simulated."""

from __future__ import annotations

import json

import pytest
import yaml

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import example_records as examples

KERNEL = "6.1.0-56-amd64"
WENT = {
    "changed": True, "transaction": "t1", "target": [], "findings": [], "removed": [{"name": "fix"}],
    "restored": []}
NOTHING = {"failed": True, "code": "nothing-enabled", "msg": "No live patch is enabled.", "patches": [], "findings": [
    {"code": "nothing-enabled", "level": "blocker", "subject": "6.1", "message": "No live patch is enabled."}]}


def info(state, **more):
    """What patch_info returns for a host, as far as a record reads it."""
    patches = [{"name": "fix", "state": state, "build_id": "b1", "objects": [
        {"name": "vmlinux", "patched": True, "functions": [{"name": "one", "sympos": 1}]}]}]
    return {"patch_info": {"livepatch": {
        "kernel": {"release": KERNEL, "arch": "x86_64"}, "interface": "livepatch", "patches": patches,
        "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": [], **more}}}


@pytest.fixture
def reports(tmp_path):
    """Read what is in the directory for reports: by kind of file, one text of each."""
    def read(directory="reports"):
        files = sorted((tmp_path / directory).iterdir())
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
        assert len(files) == len({file.suffix for file in files})
        return {file.suffix: file.read_text(encoding="utf-8") for file in files}
    return read


def test_status_writes_a_report_where_that_is_asked_for(play, reports):
    run = play("kernel.livepatch.status", {"a": info("accepted"), "b": {"patch_info": "unreachable"}},
               variables={"livepatch_report_dir": "reports"})
    found = reports()
    record = examples.read(found[".json"])
    assert (run.code, sorted(run.failed), sorted(found)) == (2, ["b"], [".csv", ".html", ".json", ".prom"])
    assert 'kernel_livepatch_patch_state{host="a",name="fix",version="",build_id="b1",state="accepted"} 1' in (
        found[".prom"].splitlines())
    assert {name: host["state"] for name, host in record["hosts"].items()} == {"a": "accepted", "b": "unreachable"}
    assert record["kind"] == "status"
    assert "livepatch-status-" in run.output  # where it is
    assert ">one<" in found[".html"]


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_rollback_writes_a_report_in_check_mode_too(play, reports, flags):
    run = play("kernel.livepatch.rollback", {"a": {"patch_rollback": WENT, "patch_verify": NOTHING}}, *flags,
               variables={"livepatch_report_dir": "reports", "livepatch_rollback_to": "original"})
    record = examples.read(reports()[".json"])
    assert (run.code, record["kind"], record["options"]) == (0, "rollback", {"to": "original"})
    assert (record["check_mode"], record["hosts"]["a"]["state"]) == (bool(flags), "planned" if flags else "rolled_back")


@pytest.mark.parametrize("playbook, answers", [
    ("status", info("accepted")), ("rollback", {"patch_rollback": WENT, "patch_verify": NOTHING})])
@pytest.mark.parametrize("variables", [{}, {"livepatch_report_dir": ""}])
def test_there_is_no_report_otherwise(play, tmp_path, playbook, answers, variables):
    run = play(f"kernel.livepatch.{playbook}", {"a": answers}, variables=variables)
    assert (run.code, list(tmp_path.glob("**/*.html"))) == (0, [])


@pytest.mark.parametrize("playbook, answers", [
    ("status", info("accepted")), ("rollback", {"patch_rollback": WENT, "patch_verify": NOTHING})])
def test_results_of_the_users_own_are_not_that_of_a_playbook(play, reports, playbook, answers):
    run = play(f"kernel.livepatch.{playbook}", {"a": answers}, variables={
        "livepatch_report_dir": "reports", "livepatch_report_kind": "other", "livepatch_report_results": {"b": {}}})
    record = examples.read(reports()[".json"])
    assert (run.code, record["kind"], list(record["hosts"])) == (0, playbook, ["a"]), run.output


def test_a_directory_that_cannot_be_used_stops_a_rollback_before_it_begins(play, tmp_path):
    (tmp_path / "reports").write_text("a file")
    run = play("kernel.livepatch.rollback", {"a": {"patch_rollback": WENT, "patch_verify": NOTHING}}, "-v",
               variables={"livepatch_report_dir": "reports"})
    assert run.code == 2
    assert "cannot be used (File exists)" in run.output and "report-dir-unusable" in run.output
    assert "called_with" not in run.output  # no host was asked for anything


def own(tmp_path, record):
    """A playbook of one's own that has a record written as rollouts do; the record is a fact of a host."""
    (tmp_path / "record.json").write_text(json.dumps(record))
    tasks = [
        {"name": "Read", "ansible.builtin.set_fact": {
            "made": "{{ lookup('ansible.builtin.file', 'record.json') | from_json }}"}},
        {"name": "Report", "ansible.builtin.include_role": {
            "name": "kernel.livepatch.report", "tasks_from": "write.yml", "rolespec_validate": False}, "vars": {
                "__livepatch_report": {"dir": "reports", "record": "{{ made }}"}}}]
    play = {"name": "Own", "hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([play]))
    return "own.yml"


def test_the_role_writes_a_record_once_for_all_hosts_and_without_becoming_root(play, reports, tmp_path):
    record = examples.rollout(8, breach_in=1, stalled=1)
    run = play(own(tmp_path, record), {"a": {}, "b": {}}, settings="[privilege_escalation]\nbecome_exe=/nonexistent")
    cohorts = [{key: one[key] for key in one if key != "hosts"} for one in record["cohorts"]]
    assert (run.code, examples.read(reports()[".json"])) == (0, dict(record, cohorts=cohorts))
    assert run.output.count("livepatch-rollout-20261121T160211Z-1a2b3c.html") == 1


def test_nothing_in_a_record_is_taken_for_a_template(play, reports, tmp_path):
    trap = f"{{{{ lookup('pipe', 'touch {tmp_path}/trapped') }}}}"
    answer = info("accepted", drift=[{"code": trap, "level": "warning", "subject": trap, "message": trap}])
    run = play("kernel.livepatch.status", {"a": answer}, variables={"livepatch_report_dir": "reports"})
    assert (run.code, examples.read(reports()[".json"])["hosts"]["a"]["findings"][0]["message"]) == (0, trap)
    assert not (tmp_path / "trapped").exists()


def test_a_record_that_is_none_is_refused(play, tmp_path):
    run = play(own(tmp_path, {"kind": "rollout", "id": "../../x"}), {"a": {}})
    assert run.code == 2
    assert "Use the record of a playbook of this collection" in run.output


def with_role(tmp_path, variables):
    """A playbook of one's own that gives the role these variables, and results out of a file."""
    tasks = [{"name": "Report", "ansible.builtin.include_role": {"name": "kernel.livepatch.report"}, "vars": {
        "results": "{{ lookup('ansible.builtin.file', 'results.json') | from_json }}",
        "livepatch_report_dir": "reports", **variables}}]
    play = {"name": "Own", "hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}
    (tmp_path / "own.yml").write_text(yaml.safe_dump([play]))
    return "own.yml"


def test_the_role_reports_a_status_out_of_results(play, reports, tmp_path, build_module):
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())
    (tmp_path / "results.json").write_text(json.dumps({"a": info("accepted")["patch_info"], "b": {}}))
    run = play(with_role(tmp_path, {
        "livepatch_report_kind": "status", "livepatch_report_results": "{{ results }}", "livepatch_src": "fix.ko",
        "livepatch_cohort_by": "rack", "rack": "r1", "livepatch_fail_on_drift": "yes"}), {"a": {}, "b": {}})
    assert run.code == 0, run.output
    record = examples.read(reports()[".json"])
    assert {name: host["state"] for name, host in record["hosts"].items()} == {"a": "accepted", "b": "no_result"}
    assert record["options"] == {
        "src": "fix.ko", "name": None, "version": None, "cohort_by": ["rack"], "fail_on_drift": True}
    assert [patch["name"] for patch in record["patches"]] == ["fix"]


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_the_role_reports_a_rollback_out_of_results(play, reports, tmp_path, flags):
    (tmp_path / "results.json").write_text(json.dumps({"went": {"a": WENT}, "proof": {"a": NOTHING}}))
    run = play(with_role(tmp_path, {
        "livepatch_report_kind": "rollback", "livepatch_report_results": "{{ results.went }}",
        "livepatch_report_proofs": "{{ results.proof }}", "livepatch_rollback_to": "original"}), {"a": {}}, *flags)
    assert run.code == 0, run.output
    record = examples.read(reports()[".json"])
    assert (record["kind"], record["options"], record["check_mode"]) == ("rollback", {"to": "original"}, bool(flags))
    assert record["hosts"]["a"]["state"] == ("planned" if flags else "rolled_back")


@pytest.mark.parametrize("variables, words", [
    ({"livepatch_report_kind": "rollout", "livepatch_report_results": {}}, "livepatch_report_kind"),
    ({"livepatch_report_kind": "status"}, "livepatch_report_results"),
    ({"livepatch_report_kind": "status", "livepatch_report_results": {}, "livepatch_src": "missing/"}, "missing"),
])
def test_the_role_refuses_variables_that_make_no_report(play, tmp_path, variables, words):
    run = play(with_role(tmp_path, variables), {"a": {}})
    assert (run.code, words in run.output, (tmp_path / "reports").exists()) == (2, True, False), run.output
