# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are unreachable in the middle of livepatch_before or livepatch_after; the hosts are simulated."""

from __future__ import annotations

import json

import pytest
from ansible.release import __version__ as ansible_version

from ansible_collections.kernel.livepatch.plugins.callback.hooks import CallbackModule

# In the order of digests of these names, of which the first is the canary.
CANARY, SECOND, THIRD, *LAST = FIVE = ["web2", "web1", "web3", "web4", "web5"]
GONE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
BALANCER = {"children": {"balancers": {"hosts": {"lb1": GONE}}}}
FINE = "- ansible.builtin.debug: {msg: next task}\n"
OWN_CONNECTION = f"- ansible.builtin.ping:\n  vars: {json.dumps(GONE)}\n"
DELEGATED = "- ansible.builtin.ping:\n  delegate_to: lb1\n"
LOOP = ("- ansible.builtin.ping:\n  delegate_to: \"{{ item }}\"\n  loop: [localhost, lb1, localhost]\n")
IN_BLOCK = "- block:\n" + "".join(f"    {line}\n" for line in DELEGATED.splitlines()) + "  rescue: []\n"
INCLUDED = "- ansible.builtin.include_tasks: '{{ own }}/more.yml'\n"
FAILED_LATER = "- ansible.builtin.fail: {msg: later}\n"


def on(host, *tasks):
    """These tasks, each on one host only."""
    return "".join(f"{task}  when: inventory_hostname == '{host}'\n" for task in tasks)


# The host itself, a delegated task, one turn of a loop, in a block, in an included file, and before a task that fails.
WAYS = [(OWN_CONNECTION,), (DELEGATED,), (LOOP,), (IN_BLOCK,), (INCLUDED,), (DELEGATED, FAILED_LATER)]
IN_OWN_PLAY = """
- hosts: web*
  gather_facts: false
  roles:
    - role: kernel.livepatch.apply
"""


@pytest.fixture
def hooked(rollout, tmp_path):
    """hooked(before, after=, hosts=, **variables): the end of a rollout with these tasks in the hooks."""
    def run(before=FINE, after=FINE, hosts=FIVE, **more):
        (tmp_path / "more.yml").write_text(DELEGATED)
        for kind, tasks in (("before", before), ("after", after)):
            (tmp_path / f"{kind}.yml").write_text(tasks + FINE)
        return rollout(hosts, inventory=BALANCER, **{
            "livepatch_before": "before.yml", "livepatch_after": "after.yml", "livepatch_hosts": "web*",
            "livepatch_failure_budget": 1, "own": str(tmp_path), **more})
    return run


@pytest.fixture
def marks(tmp_path):
    """marks(): the hosts whose livepatch_after is due."""
    return lambda: sorted(file.name for file in (tmp_path / "marks").glob("*"))


def failures(run):
    hosts = run.stats["livepatch_rollout"]["hosts"]
    return {name: host["failure"] for name, host in hosts.items() if host["failure"]}


def test_hosts_that_were_unreachable_in_before_in_any_way_are_not_loaded_and_have_their_after(
        hooked, runs, marks, calls):
    lost = [f"web{number}" for number in range(6, 6 + len(WAYS))]
    tasks = "".join(on(host, *way) for host, way in zip(lost, WAYS, strict=True))
    run = hooked(tasks, hosts=[*FIVE, *lost], livepatch_waves="100%", livepatch_failure_budget=len(lost))
    assert (run.code, runs()) == (2, dict.fromkeys(FIVE, "accepted")), run.output
    assert (failures(run), marks(), set(lost) - set(calls("end"))) == (
        dict.fromkeys(lost, "before-failed"), [], set())
    assert run.output.count("livepatch_before failed, so the patch was not loaded. host-unreachable: ") >= len(lost)


def test_the_playbook_apply_keeps_to_it_too(hooked, runs, calls):
    run = hooked(on(SECOND, DELEGATED), playbook="kernel.livepatch.apply", livepatch_waves=None,
                 livepatch_failure_budget=None)
    assert (run.code, runs()) == (2, {name: "accepted" for name in FIVE if name != SECOND}), run.output
    assert sorted(calls("end")) == sorted(FIVE)


def test_a_task_that_runs_once_counts_for_the_whole_wave(hooked, runs, marks):
    run = hooked(DELEGATED + "  run_once: true\n", livepatch_waves="100%", livepatch_failure_budget=5)
    assert (run.code, runs()) == (2, {}), run.output
    if "NO MORE HOSTS LEFT" in run.output:  # ansible-core 2.16 ends the run at such a task, also with a rescue
        assert marks() == sorted(FIVE)
    else:
        assert (failures(run), marks()) == (dict.fromkeys(FIVE, "before-failed"), [])
    assert hooked().code == 0 and (marks(), runs()) == ([], dict.fromkeys(FIVE, "accepted"))


def test_what_the_file_itself_ignores_is_ignored(hooked, runs):
    ignore = "  ignore_unreachable: true\n"
    included = (
        "- ansible.builtin.include_tasks:\n    file: '{{ own }}/more.yml'\n    apply: {ignore_unreachable: true}\n")
    tasks = DELEGATED + ignore + IN_BLOCK + ignore + included
    run = hooked(tasks, tasks)
    assert (run.code, runs()) == (0, dict.fromkeys(FIVE, "accepted")), run.output


def test_unreachable_in_after_keeps_the_mark_for_the_next_run(hooked, runs, marks, calls):
    run = hooked(after=on(SECOND, DELEGATED))
    assert (run.code, runs(), marks()) == (2, dict.fromkeys(FIVE, "accepted"), [SECOND]), run.output
    assert (failures(run), SECOND in calls("end")) == ({SECOND: "after-failed"}, False)
    assert hooked().code == 0 and marks() == []


@pytest.mark.parametrize(("settings", "code"), [("", 2), ("callbacks_enabled = kernel.livepatch.hooks", 0)])
def test_in_a_play_of_others_hooks_need_the_callback(rollout, runs, tmp_path, settings, code):
    (tmp_path / "own.yml").write_text(IN_OWN_PLAY)
    (tmp_path / "before.yml").write_text(FINE)
    run = rollout(FIVE, playbook="own.yml", settings=settings, livepatch_before="before.yml", livepatch_waves=None)
    assert (run.code, len(runs())) == (code, 0 if code else 5), run.output
    assert ("Set callbacks_enabled = kernel.livepatch.hooks" in run.output) is bool(code)


def test_ansible_copies_results_of_successful_tasks_for_the_callback_only_where_it_needs_them():
    is_old = tuple(map(int, ansible_version.split(".")[:2])) < (2, 17)
    assert ("v2_runner_on_ok" in vars(CallbackModule)) is is_old
