# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the operator's own that do to a wave what Ansible lets them do; the hosts are simulated."""

from __future__ import annotations

import pytest

# In the order of digests of these names, of which the first is the canary.
CANARY, SECOND, THIRD, *LAST = FIVE = ["web2", "web1", "web3", "web4", "web5"]
OF_OTHERS = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  roles:
    - role: kernel.livepatch.apply
      livepatch_src: fix.ko
"""


@pytest.fixture
def with_own(rollout, tmp_path):
    """with_own(tasks, **variables): the end of a rollout to five hosts with these tasks as its health check."""
    def run(tasks, hosts=None, **more):
        (tmp_path / "own.yml").write_text(tasks.strip())
        return rollout(hosts or FIVE, livepatch_health_checks=[{"tasks": "own.yml"}], **more)
    return run


def outcome(run):
    return run.stats["livepatch_rollout"]["outcome"]


@pytest.mark.parametrize("meta", ["end_batch", "end_play"])
def test_a_wave_that_they_end_is_the_last_one_and_goes_back(with_own, calls, runs, tmp_path, meta):
    run = with_own(f"- ansible.builtin.meta: {meta}", livepatch_report_dir="reports")
    assert (run.code, calls("load"), runs()) == (2, [CANARY], {CANARY: "absent"}), run.output
    assert (outcome(run), sorted(run.failed)) == ("stopped", sorted([CANARY, "localhost"]))
    page = next((tmp_path / "reports").glob("*.html")).read_text()
    assert "Complete" not in page and "the wave ended before its gate" in page


def test_hosts_that_end_early_have_failed(with_own, runs):
    run = with_own(f"- ansible.builtin.meta: end_host\n  when: inventory_hostname == '{SECOND}'")
    assert (run.code, runs()) == (2, {CANARY: "accepted", SECOND: "absent", THIRD: "absent"}), run.output


@pytest.mark.parametrize(("step", "how"), [
    ("check", "unreachable"), ("load", "failed"), ("load", "unreachable"), ("look", "unreachable"),
    ("keep", "unreachable"), ("back", "unreachable")])
def test_in_a_play_whose_errors_are_fatal_each_host_stands_for_itself_too(rollout, runs, tmp_path, step, how):
    (tmp_path / "others.yml").write_text(OF_OTHERS)
    hosts = {**{name: {} for name in FIVE}, SECOND: {step: how}}
    if step == "back":
        hosts[SECOND]["look"] = "ill"
    run = rollout(hosts, playbook="others.yml", livepatch_waves=None)
    assert run.code == 2 and "5 hosts: 4 accepted" in run.output, run.output
    assert {name: state for name, state in runs().items() if name != SECOND} == dict.fromkeys(
        [name for name in FIVE if name != SECOND], "accepted")


HANDLED = """
- block:
    - ansible.builtin.fail: {msg: fine without}
  rescue:
    - ansible.builtin.debug: {msg: fine}
"""
NO_FILE = "- ansible.builtin.include_tasks: '{{ playbook_dir }}/none.yml'\n"
ON_SECOND = f"  when: inventory_hostname == '{SECOND}'\n"
NOT_ON_CANARY = f"  when: inventory_hostname != '{CANARY}'\n"
# Of the second wave and not of the canary, whose acceptance is to be rolled back.
BAD = {
    "no file": NO_FILE + NOT_ON_CANARY,
    "no file after a rescue": HANDLED + NO_FILE + NOT_ON_CANARY,
    "no file for one": NO_FILE + ON_SECOND,
    "no role": "- ansible.builtin.include_role: {name: nosuch}\n" + NOT_ON_CANARY,
    "once": "- ansible.builtin.fail: {msg: ill}\n  run_once: true\n" + NOT_ON_CANARY,
    "fatal": "- ansible.builtin.fail: {msg: ill}\n  any_errors_fatal: true\n" + ON_SECOND,
}


@pytest.mark.parametrize("how", BAD)
def test_where_they_cannot_be_run_all_hosts_go_back_and_it_is_summed_up(with_own, calls, runs, how):
    run = with_own(BAD[how], livepatch_on_breach="rollback_all")
    assert (run.code, sorted(calls("load"))) == (2, sorted([CANARY, SECOND, THIRD])), run.output
    assert runs() == dict.fromkeys([CANARY, SECOND, THIRD], "absent"), run.output
    assert outcome(run) == "stopped" and SECOND in run.failed and "localhost" in run.failed


def test_where_they_cannot_be_run_on_one_the_others_are_accepted_within_the_budget(with_own, runs):
    run = with_own(BAD["no file for one"], livepatch_failure_budget=1)
    assert (run.code, runs()) == (2, {**dict.fromkeys(FIVE, "accepted"), SECOND: "absent"}), run.output


@pytest.mark.parametrize("tasks", ["- ansible.builtin.debug: {msg: [}", "- no.such.module: {msg: 1}", "a: task"])
def test_what_ansible_cannot_read_as_tasks_is_one_error_before_any_host_is_asked(with_own, tmp_path, tasks):
    run = with_own(tasks)
    assert (run.code, "which Ansible cannot read as tasks (" in run.output) == (2, True), run.output
    assert not (tmp_path / "calls.jsonl").exists()


def test_nobody_accepts_where_they_import_a_file_that_is_not_there(with_own, runs):
    run = with_own("- ansible.builtin.import_tasks: none.yml")
    assert (run.code, "accepted" in runs().values()) == (2, False), run.output
    assert "it imports a missing file" in run.output or "none.yml" in run.output


def test_modules_without_their_collection_and_files_beside_it_are_found(with_own, runs, tmp_path):
    (tmp_path / "more.yml").write_text("- ping:\n  when: false\n")
    run = with_own("- import_tasks: more.yml\n- patch_watch: {}\n  when: false\n")
    assert (run.code, runs()) == (0, dict.fromkeys(FIVE, "accepted")), run.output


def test_a_probe_that_cannot_be_reached_fails_the_host_as_the_guide_says(with_own, runs):
    probe = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    run = with_own(
        "- ansible.builtin.ping:\n  delegate_to: probe\n  register: asked\n"
        "- ansible.builtin.assert: {that: asked is reachable}\n",
        inventory={"children": {"probes": {"hosts": {"probe": probe}}}}, livepatch_hosts="web*")
    assert (run.code, runs(), outcome(run)) == (2, {CANARY: "absent"}, "stopped"), run.output
