# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No fact of a host is an option: not one that it sets in its answers, and not one that Ansible has from before.

The hosts are simulated, and so are their answers: they reach the playbooks as they are, as if no action had stripped
them. The hostile host is the first of the play, whose variables the tasks have that run once.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml

CANARY, SECOND, THIRD = ["web2", "web1", "web3"]
PLAYBOOKS = ("apply", "preflight", "rollback", "rollout", "status")
# Each option with a value that would be seen in what other hosts are asked for, on the controller or in the end.
OPTIONS = {
    "livepatch_on_stall": "force", "livepatch_ignore_findings": ["quarantined"], "livepatch_failure_budget": "100%",
    "livepatch_health_checks": [{"command": "touch /trapped"}], "livepatch_on_breach": "hold",
    "livepatch_report_dir": "trapped", "livepatch_cohort_by": ["inventory_hostname"], "livepatch_src": "trapped.ko",
    "livepatch_name": "trapped", "livepatch_fail_on_drift": True, "livepatch_approve": "all",
    "livepatch_approved": "all", "livepatch_waves": "100%", "livepatch_soak": 7000, "livepatch_trial": 1,
    "livepatch_state": "enabled", "livepatch_params": {"trapped": 1}, "livepatch_transition_timeout": 7000,
    "livepatch_take_lease": True, "livepatch_rollback_to": "trapped", "livepatch_hosts": "none",
    "livepatch_wave": "misspelt"}
# The collection's own variables, and those of Ansible that a task on the controller could go by.
PRIVATE = {
    "__livepatch_alone": True, "__livepatch_step": {"end": True}, "__livepatch_options": {}, "__livepatch_load": {},
    "__livepatch_variables": OPTIONS, "__livepatch_rollout": {"hosts": ["all"], "sizes": [3]}, "__livepatch_end": {},
    "__livepatch_problems": {SECOND: "trapped"}, "__livepatch_report": {"dir": "trapped", "kind": "status"},
    "__livepatch_run": "trapped", "__livepatch_take_lease": True,
    "__livepatch_summary": {}, "__livepatch_rollback_to": "trapped", "__livepatch_before": "trapped",
    "ansible_limit": "web1", "ansible_forks": 1, "ansible_check_mode": True, "ansible_play_hosts": ["web2"]}
FACTS = {**OPTIONS, **PRIVATE}
INFO = {"livepatch": {
    "kernel": {"release": "6.1.0-56-amd64", "arch": "x86_64"}, "interface": "livepatch", "patches": [], "trial": None,
    "drift": [{"code": "loaded-by-hand", "level": "warning", "subject": "x", "message": "Loaded by hand."}],
    "quarantined": []}}
BACK = {"target": ["old"], "removed": [{"name": "new"}], "restored": [{"name": "old"}], "findings": []}
PROOF = {"ok": True, "patches": ["old"], "findings": []}
CHECKED = {
    "compatible": True, "arch": "x86_64", "findings": [], "trial": None,
    "patch": {"name": "fix", "kernel": "6.1.0-56-amd64", "state": "absent", "build_id": "b", "sha256": "5" * 64}}
ANSWERS = {"patch_info": INFO, "patch_rollback": BACK, "patch_verify": PROOF, "patch_check": CHECKED}


def without_run(text):
    """Each run of a playbook has its own identifier."""
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", text)


@pytest.fixture
def everything(tmp_path, runs):
    """everything(run): what a run has done: its end, what each host was asked for and runs, and the files there are."""
    def of(run):
        calls = sorted(without_run((tmp_path / "calls.jsonl").read_text()).splitlines())
        files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "livepatch-" not in path.name)
        for file in (tmp_path / "fleet").glob("*"):
            file.unlink()
        return run.code, run.failed, run.stats["livepatch_rollout"]["counts"], calls, files
    return of


@pytest.mark.parametrize("playbook", ["kernel.livepatch.rollout", "kernel.livepatch.apply"])
@pytest.mark.parametrize("others", [{}, {SECOND: {"look": ["ok", "ill"]}}])
def test_what_the_first_host_sets_in_its_answers_changes_nothing_of_a_rollout(rollout, everything, playbook, others):
    hosts = {CANARY: {}, SECOND: {}, THIRD: {}, **others}
    asked = {
        "livepatch_waves": "100%", "livepatch_looks": 2, "livepatch_report_dir": "reports", "playbook": playbook}
    honest = everything(rollout(hosts, **asked))
    run = rollout({**hosts, CANARY: {"facts": FACTS}}, **asked)
    assert everything(run) == honest, run.output
    assert not any("trapped" in call and CANARY not in call for call in honest[3])


def test_a_wave_to_approve_is_approved_by_no_host(rollout, runs):
    run = rollout(
        {CANARY: {"facts": FACTS}, SECOND: {}, THIRD: {}}, livepatch_approve="3", livepatch_waves="canary, 1, 100%")
    assert (run.code, sorted(runs().values())) == (2, ["accepted"] * 2), run.output
    assert "livepatch_approved=3" in run.output


@pytest.mark.parametrize(("playbook", "variables"), [
    ("status", {"livepatch_report_dir": "reports"}), ("status", {}),
    ("rollback", {"livepatch_report_dir": "reports"}), ("rollback", {}),
    ("preflight", {"livepatch_src": "patches"})])
def test_what_the_first_host_sets_in_its_answers_changes_nothing_of_other_playbooks(
        play, tmp_path, playbook, variables):
    seen = []
    for facts in ({}, FACTS):
        hostile = {module: {**answer, "ansible_facts": facts} for module, answer in ANSWERS.items()}
        run = play(
            f"kernel.livepatch.{playbook}", {"bad": hostile, "good": ANSWERS}, "-v",
            inventory={"vars": variables})
        lines = without_run(run.output).splitlines()
        called = [line for line in lines if line.startswith(("ok: [good]", "changed: [good]"))]
        files = sorted(path.suffix for path in tmp_path.glob("reports/*"))
        records = [json.loads(path.read_text())["options"] for path in tmp_path.glob("reports/*.json")]
        for path in tmp_path.glob("reports/*"):
            path.unlink()
        seen.append((run.code, run.failed, run.stats, called, files, records, (tmp_path / "trapped").exists()))
    assert seen[0][0] == 0 and len(seen[0][4]) == (
        {"status": 4}.get(playbook, 2) if "livepatch_report_dir" in variables else 0), seen
    assert seen[1] == seen[0]


@pytest.fixture
def after_facts(tmp_path):
    """after_facts(playbook, name): a playbook of one's own in which a host has a cached fact from before."""
    def of(playbook, name):
        task = {"name": "Set", "ansible.builtin.set_fact": {name: "force", "cacheable": True},
                "when": "inventory_hostname == 'web3'"}
        play = {"name": "Own", "hosts": "all", "gather_facts": False, "tasks": [task]}
        (tmp_path / "own.yml").write_text(yaml.safe_dump([
            play, {"name": "Go on", "ansible.builtin.import_playbook": f"kernel.livepatch.{playbook}"}]))
        return "own.yml"
    return of


@pytest.mark.parametrize(("playbook", "name"), [
    *((playbook, "livepatch_on_stall") for playbook in PLAYBOOKS), ("rollout", "__livepatch_alone")])
def test_a_fact_that_is_there_before_is_refused_before_any_host_is_asked(
        rollout, after_facts, tmp_path, playbook, name):
    run = rollout([CANARY, SECOND, THIRD], playbook=after_facts(playbook, name))
    assert run.code == 2 and not (tmp_path / "calls.jsonl").exists(), run.output
    assert f"The facts of web3 set {name}, and facts override" in run.output and "--flush-cache" in run.output


@pytest.mark.parametrize(("playbook", "where", "variables"), [
    ("apply", "inventory", {"livepatch_rolback_to": "original"}),
    ("preflight", "extra", {"livepatch_cohort_bye": "ring"}),
    ("rollback", "extra", {"livepatch_rolback_to": "original"}),
    ("rollback", "extra", {"livepatch_rollback": "original"}),
    ("rollback", "inventory", {"livepatch_rollback": "original"}),
    ("rollout", "extra", {"livepatch_wave": "1"}),
    ("status", "inventory", {"livepatch_fail_on_drfit": True})])
def test_a_variable_that_looks_misspelt_is_refused_before_any_host_is_asked(
        rollout, tmp_path, playbook, where, variables):
    inventory = {"hosts": {SECOND: variables}} if where == "inventory" else None
    run = rollout(
        [CANARY, SECOND], playbook=f"kernel.livepatch.{playbook}", inventory=inventory,
        **(variables if where == "extra" else {}))
    assert run.code == 2 and not (tmp_path / "calls.jsonl").exists(), run.output
    assert "Write livepatch_" in run.output and "or rename your own variable." in run.output, run.output
    assert "bad-option" in run.output


# The words of every option are in plugin_utils/_options/test_wrong_values.py.
@pytest.mark.parametrize(("playbook", "name", "value", "words"), [
    ("apply", "cohort_by", {"a": 1}, "has {'a': 1} in it. Give a list of texts"),
    ("preflight", "name", ["a"], "is ['a']. Give the name of a patch in the bundle"),
    ("rollback", "on_stall", "panic", "is 'panic'. Give reverse, wait or force."),
    ("rollout", "report_dir", ["reports"], "is ['reports']. Give a directory on the"),
    ("status", "fail_on_drift", "maybe", "is 'maybe'. Give true or false.")])
def test_a_wrong_value_is_refused_before_any_host_is_asked(rollout, tmp_path, playbook, name, value, words):
    run = rollout([CANARY, SECOND], playbook=f"kernel.livepatch.{playbook}", **{f"livepatch_{name}": value})
    assert run.code == 2 and not (tmp_path / "calls.jsonl").exists(), run.output
    assert f"livepatch_{name} {words}" in run.output.replace('\\"', '"') and "bad-option" in run.output


def test_a_wrong_value_of_one_host_is_refused_with_its_name(rollout, tmp_path):
    run = rollout([CANARY, SECOND], playbook="kernel.livepatch.rollback", inventory={
        "hosts": {CANARY: {}, SECOND: {"livepatch_rollback_to": "prevous"}}})
    assert run.code == 2 and not (tmp_path / "calls.jsonl").exists(), run.output
    assert f"{SECOND}: livepatch_rollback_to is 'prevous'. Give previous" in run.output
