# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks ask for become where the login is not root, and only there; what a user says of it wins.

The hosts are simulated: what is seen is whether Ansible gave the task of a module a become plugin.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks

# The variables of a host, and whether a task becomes root there.
LOGINS = {
    "root": ({"ansible_user": "root"}, False),
    "root-of-ssh": ({"ansible_ssh_user": "root"}, False),
    "root-of-template": ({"ansible_user": "{{ login }}", "login": "root"}, False),
    "other": ({"ansible_user": "deploy"}, True),
    "default": ({}, True),
    "root-that-insists": ({"ansible_user": "root", "ansible_become": True}, True),
    "root-that-becomes-another": ({"ansible_user": "root", "ansible_become_user": "admin"}, True),
    "other-that-refuses": ({"ansible_user": "deploy", "ansible_become": False}, False),
    "controller": ({"ansible_connection": "local"}, os.getuid() != 0),
    "controller-with-a-login": ({"ansible_connection": "local", "ansible_user": "root"}, os.getuid() != 0),
}
EXPECTED = {host: becomes for host, (_variables, becomes) in LOGINS.items()}
INFO = {"livepatch": {
    "kernel": {"release": "6.1.0-56-amd64", "arch": "x86_64"}, "interface": "livepatch", "patches": [], "trial": None,
    "drift": [], "quarantined": []}}


@pytest.fixture
def became(tmp_path):
    """became(): {step: {host: whether the module became root}}."""
    def of():
        found = {}
        for line in map(json.loads, (tmp_path / "calls.jsonl").read_text().splitlines()):
            found.setdefault(line["step"], {})[line["host"]] = line["became_root"]
        return found
    return of


def inventory(logins):
    return {"hosts": {host: variables for host, (variables, _becomes) in logins.items()}}


@pytest.mark.parametrize(("playbook", "steps"), [
    ("rollout", ("check", "load", "look", "keep")), ("apply", ("check", "load", "look", "keep")),
    ("preflight", ("check",)), ("rollback", ("back", "proof"))])
def test_each_task_of_a_host_becomes_root_where_the_login_is_not(rollout, became, playbook, steps):
    run = rollout(list(LOGINS), playbook=f"kernel.livepatch.{playbook}", inventory=inventory(LOGINS))
    assert run.code == 0, run.output
    assert became() == dict.fromkeys(steps, EXPECTED)


def test_a_rollback_of_a_rollout_becomes_root_where_the_login_is_not(rollout, became):
    run = rollout(
        {host: {"look": "ill"} for host in LOGINS}, inventory=inventory(LOGINS), livepatch_waves="100%")
    assert (run.code, became()["back"], became()["proof"]) == (2, EXPECTED, EXPECTED), run.output


@pytest.mark.parametrize(("flags", "becomes"), [((), True), (("-u", "root"), False), (("-u", "deploy"), True)])
def test_a_query_becomes_root_where_the_login_is_not(play, flags, becomes):
    run = play("kernel.livepatch.status", {host: {"patch_info": INFO} for host in LOGINS}, "-v", *flags,
               inventory=inventory(LOGINS))
    seen = dict(re.findall(r'^ok: \[(.+?)\] => \{"became_root": (true|false)', run.output, re.MULTILINE))
    assert {host: word == "true" for host, word in seen.items()} == {**EXPECTED, "default": becomes}, run.output


def test_a_connection_that_is_local_by_a_flag_needs_no_sudo_of_root(play):
    run = play("kernel.livepatch.status", {"a": {"patch_info": INFO}}, "-v", "-c", "local")
    assert f'"became_root": {str(os.getuid() != 0).lower()}' in run.output, run.output


def test_each_play_that_asks_hosts_says_the_same_of_become():
    plays = [play for playbook in written_tasks.PLAYBOOKS for play in written_tasks.plays_of(playbook)]
    assert len({play["become"] for play in plays if play.get("connection") != "local"}) == 1
