# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollout under inventories, settings and flags that it was not made for; the hosts are simulated."""

from __future__ import annotations

import pytest

FOUR = ["web1", "web2", "web3", "web4"]
WELL = {name: {} for name in FOUR}
CACHED = "fact_caching = jsonfile\nfact_caching_connection = cache"


@pytest.mark.parametrize("settings", [
    "inject_facts_as_vars = false", "jinja2_native = true\nstrategy = free\nforks = 1",
    CACHED + "\ntask_timeout = 60\ngathering = smart\nforce_handlers = true"])
def test_settings_of_ansible_that_others_have(rollout, runs, settings, tmp_path):
    run = rollout({**WELL, "web1": {"look": "ill"}}, settings=settings, livepatch_failure_budget=1)
    assert (run.code, runs()) == (2, {**dict.fromkeys(FOUR, "accepted"), "web1": "absent"}), run.output


def test_no_password_of_a_health_check_gets_into_the_cache_of_facts(rollout, tmp_path):
    keep = f"{{cmd: cp -r cache seen, chdir: {tmp_path}, creates: seen}}"
    (tmp_path / "own.yml").write_text(
        f"- name: Keep what is cached now\n  ansible.builtin.command: {keep}\n"
        "  delegate_to: localhost\n  become: false\n")
    run = rollout(
        FOUR, settings=CACHED, livepatch_params={"key": "secret"},
        livepatch_health_checks=[{"url": "http://me:secret@127.0.0.1/"}, {"tasks": "own.yml"}])
    assert run.code == 0, run.output
    cached = [file.read_text() for directory in ("cache", "seen") for file in (tmp_path / directory).glob("*")]
    assert len(cached) == 2 and "secret" not in "".join(cached)


@pytest.mark.parametrize("names", [["fe80::1", "fe80::2", "10.0.0.1"], ["web 1", "web,2", "web3", "~web4", "!web5"]])
def test_names_that_mean_something_to_ansible(rollout, runs, names):
    run = rollout(names)
    assert (run.code, runs()) == (0, dict.fromkeys(names, "accepted")), run.output


def test_a_group_that_is_called_like_a_host(rollout, calls):
    run = rollout(
        {**WELL, "web3": {"load": "failed"}}, livepatch_waves="1",
        inventory={"children": {"web2": {"hosts": {"web3": {}, "web4": {}}}}})
    assert (run.code, calls("load")) == (2, ["web2", "web1", "web3"]), run.output


def test_an_unfinished_rollout_fails_under_a_limit_too(rollout, calls):
    run = rollout(FOUR, "--limit", "web*", livepatch_approve="2")
    assert (run.code, calls("load")) == (2, ["web2"]), run.output


def test_the_first_host_can_be_one_that_nobody_gets_into(rollout, runs):
    run = rollout(WELL, livepatch_failure_budget=1, livepatch_report_dir="reports", inventory={"hosts": {
        "web1": {"ansible_become_method": "nosuch", "ansible_python_interpreter": "/nosuch"},
        **{name: {} for name in FOUR[1:]}}})
    assert (run.code, runs()) == (2, dict.fromkeys(FOUR[1:], "accepted")), run.output
    assert "4 hosts: 3 accepted, 1 unchanged" in run.output and sorted(run.failed) == ["localhost", "web1"]


def test_localhost_can_be_one_of_the_fleet(rollout, runs):
    run = rollout(
        {**WELL, "localhost": {}}, inventory={"hosts": {
            **{name: {} for name in FOUR}, "localhost": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1"}}})
    assert (run.code, runs()) == (0, dict.fromkeys([*FOUR, "localhost"], "accepted")), run.output


def test_no_template_in_what_a_host_answers_is_followed(rollout, tmp_path):
    evil = "{{ lookup('ansible.builtin.pipe', 'touch %s') }}" % (tmp_path / "followed")
    answer = {"failed": True, "msg": evil, "code": evil}
    run = rollout(
        {"web1": {"check": answer}, "web2": {"load": answer}, "web3": {"look": answer}, "web4": {"keep": answer}},
        livepatch_failure_budget=4, livepatch_report_dir="reports")
    assert (run.code, run.stats["livepatch_rollout"]["failures"]) == (2, 4), run.output
    assert not (tmp_path / "followed").exists()
    assert "{{ lookup" in "".join(file.read_text() for file in (tmp_path / "reports").glob("*.json"))


@pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
def test_a_host_that_ansible_takes_for_localhost_is_refused_before_any_host_is_asked(rollout, tmp_path, name):
    run = rollout([*FOUR, name])
    assert (run.code, f"The inventory has {name} but no localhost" in run.output) == (2, True), run.output
    assert "no-localhost" in run.output and not (tmp_path / "calls.jsonl").exists()


@pytest.mark.parametrize(("names", "playbook"), [
    (["127.0.0.1", "localhost"], "kernel.livepatch.rollout"), (["127.0.0.1", "web1"], "kernel.livepatch.apply")])
def test_it_does_not_matter_beside_localhost_nor_where_no_later_play_needs_it(rollout, runs, names, playbook):
    run = rollout(names, playbook=playbook, inventory={"hosts": {name: {} for name in names}})
    assert (run.code, runs()) == (0, dict.fromkeys(names, "accepted")), run.output


@pytest.mark.parametrize("flags", [("--tags", "web"), ("--skip-tags", "web,slow")])
@pytest.mark.parametrize("playbook", ["kernel.livepatch.rollout", "kernel.livepatch.apply"])
def test_tags_that_are_not_used_here_leave_nothing_out(rollout, runs, calls, playbook, flags, tmp_path):
    (tmp_path / "own.yml").write_text(
        f"- name: See it\n  ansible.builtin.file: {{path: {tmp_path}/looked, state: touch}}\n"
        "  delegate_to: localhost\n  become: false\n")
    hosts = {**WELL, "web1": {"look": "ill"}}
    run = rollout(
        hosts, *flags, playbook=playbook, livepatch_failure_budget=1, livepatch_report_dir="reports",
        livepatch_health_checks=[{"tasks": str(tmp_path / "own.yml")}])
    assert (run.code, runs()) == (2, {**dict.fromkeys(FOUR, "accepted"), "web1": "absent"}), run.output
    assert {step: len(calls(step)) for step in ("check", "load", "back", "proof")} == {
        "check": 4, "load": 4, "back": 1, "proof": 1}
    assert [len(list(tmp_path.glob(f"**/{file}"))) for file in ("looked", "reports/*.html")] == [1, 1]
