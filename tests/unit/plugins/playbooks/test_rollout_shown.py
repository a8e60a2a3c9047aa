# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clean rollout shows with Ansible's own output, and what it asks the hosts; the hosts are simulated."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks

# In the order of digests of these names, of which the first is the canary.
CANARY, *OTHERS = FIVE = ["web2", "web1", "web3", "web4", "web5"]
MOST_TASKS = 8  # that a wave shows, without those of its looks
SKIPPED_ONCE = {"Fail if the rollout was not successful"}  # after the waves, on the controller
OWN_TASKS = "- name: Look at it\n  ansible.builtin.debug: {msg: fine}\n"


class Shown(t.NamedTuple):
    """A task in the output: its name, and the lines below it, without texts of several lines."""

    name: str
    lines: list[str]


def plays(output: str) -> list[tuple[str, list[Shown]]]:
    """The plays in the output, each wave one of its own, with their tasks; without the lines of the controller."""
    found: list[tuple[str, list[Shown]]] = []
    for line in output.splitlines():
        header = re.match(r"(PLAY|TASK) \[(.*)\] \*+$", line)
        if line.startswith("PLAY RECAP"):
            break
        if header and header[1] == "PLAY":
            found.append((header[2], []))
        elif header:
            found[-1][1].append(Shown(header[2], []))
        elif found and found[-1][1] and line and not line.startswith("==>"):
            found[-1][1][-1].lines.append(line)
    return found


def about(host: str, tasks: list[Shown]) -> list[str]:
    """The tasks with a line about a host."""
    return [task.name for task in tasks if any(re.search(rf"\b{host}\b", line) for line in task.lines)]


def skipped(run, host=""):
    """The tasks that are skipped on a host, or on any."""
    return [task.name for _play, tasks in plays(run.output) for task in tasks
            if task.name not in SKIPPED_ONCE and any(line.startswith(f"skipping: [{host}") for line in task.lines)]


def waves(run):
    return [tasks for play, tasks in plays(run.output) if play.startswith("Patch the next wave") and tasks]


@pytest.mark.parametrize("looks", [0, 1])
def test_a_clean_wave_shows_few_tasks_and_none_that_is_skipped(rollout, calls, looks):
    hosts = {**{name: {} for name in FIVE}, "old1": {"check": "no_build"}}
    run = rollout(hosts, livepatch_looks=looks, livepatch_health_checks=[{"unit": "nginx.service"}])
    assert run.code == 0, run.output
    assert skipped(run) == []
    assert len(waves(run)) == 3
    for tasks in waves(run):
        assert len(tasks) <= MOST_TASKS + 2 * looks, [task.name for task in tasks]
    # The load, the acceptance, each look, and with looks the line of all hosts for their files. Ansible also shows the
    # steps of the controller as tasks of the first host.
    assert len(about("web5", waves(run)[2])) == 2 + 2 * looks, about("web5", waves(run)[2])
    assert Counter({step: len(calls(step)) for step in ("check", "load", "look", "keep", "back", "proof")}) == {
        "check": 6, "load": 5, "look": 5 * looks, "keep": 5, "back": 0, "proof": 0}
    assert all(calls(step).count(name) == 1 for step in ("check", "load", "keep") for name in FIVE)


def test_a_rollout_with_own_tasks_skips_nothing_either(rollout, tmp_path):
    (tmp_path / "own.yml").write_text(OWN_TASKS)
    run = rollout(FIVE, livepatch_health_checks=[{"tasks": "own.yml"}], livepatch_waves="100%")
    assert (run.code, skipped(run)) == (0, []), run.output
    assert [task.name for task in waves(run)[0]].count("kernel.livepatch.apply : Look at it") == 2


@pytest.mark.parametrize("looks", [0, 1])
def test_only_a_host_that_failed_is_rolled_back_and_no_other_is_shown_there(rollout, runs, looks):
    run = rollout(
        {**{name: {} for name in FIVE}, "web3": {"keep": "reverted"}}, livepatch_failure_budget=1,
        livepatch_waves="100%", livepatch_looks=looks)
    assert (run.code, runs()) == (2, {**dict.fromkeys(FIVE, "accepted"), "web3": "absent"}), run.output
    assert skipped(run) == []
    rolled_back = [task for task in waves(run)[0] if "live patches of each host" in task.name]
    assert [about(name, rolled_back) for name in ("web3", "web1")] == [[task.name for task in rolled_back], []]
    assert len(rolled_back) == 2


@pytest.mark.parametrize("budget", [0, 5])
@pytest.mark.parametrize("problem", [
    {"keep": "reverted"}, {"keep": "failed"}, {"load": "waiting"}, {"load": "failed"}], ids=str)
def test_a_file_of_the_user_never_takes_the_place_of_one_of_the_role(rollout, tmp_path, problem, budget):
    for file in (written_tasks.COLLECTION / "roles" / "apply" / "tasks").iterdir():
        (tmp_path / file.name).write_text("- ansible.builtin.debug: {msg: of the user}\n")
    run = rollout(
        {**{name: {} for name in FIVE}, "web3": problem}, livepatch_failure_budget=budget, livepatch_waves="100%",
        livepatch_looks=0)
    assert "PLAY RECAP" in run.output and "of the user" not in run.output, run.output


def test_a_wave_without_looks_still_looks_at_a_host_whose_transition_goes_on(rollout, runs, calls):
    run = rollout(
        {**{name: {} for name in FIVE}, "web3": {"load": "waiting"}}, livepatch_waves="100%", livepatch_looks=0)
    assert (run.code, runs()) == (0, dict.fromkeys(FIVE, "accepted")), run.output
    assert (calls("look"), sorted(calls("keep"))) == (["web3"], sorted(FIVE))


def test_a_wave_that_fails_at_its_load_shows_no_acceptance(rollout, runs):
    run = rollout(
        {**{name: {} for name in FIVE}, "web3": {"load": "failed"}}, livepatch_waves="100%", livepatch_looks=0)
    shown = [task.name for task in waves(run)[0]]
    assert (run.code, skipped(run), [name for name in shown if "Accept" in name]) == (2, [], []), run.output
    assert set(runs().values()) == {"absent"}


def test_the_role_apply_shows_hosts_without_a_build_as_skipped_in_the_load_alone(rollout):
    run = rollout(
        {**{name: {} for name in FIVE}, "old1": {"check": "no_build"}}, playbook="kernel.livepatch.apply",
        livepatch_waves=None)
    assert (run.code, skipped(run, "old1"), skipped(run, "web")) == (
        0, ["kernel.livepatch.apply : Load the patch on trial"], []), run.output


@pytest.mark.parametrize("how", ["failed", "reverted", "rebooted", "unreachable"])
def test_a_host_that_is_not_accepted_ends_the_wave_and_its_tasks_as_before(rollout, calls, runs, how):
    run = rollout({**{name: {} for name in FIVE}, CANARY: {"keep": how}}, livepatch_looks=0)
    assert (run.code, calls("load"), calls("back"), calls("proof")) == (2, [CANARY], [CANARY], [CANARY]), run.output
    assert runs() == {CANARY: "absent"}
    code = {"failed": "not-verified", "reverted": "watch-failed", "rebooted": "host-rebooted",
            "unreachable": "host-unreachable"}[how]
    assert run.stats["livepatch_rollout"]["hosts"][CANARY] == {"state": "rolled_back", "wave": 1, "failure": code}
