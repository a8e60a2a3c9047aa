# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks ask for become, and Ansible runs no sudo where the login is root already.

A program in place of ssh writes its command line to a file, and fails.
"""

from __future__ import annotations

import os

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks import written_tasks
from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.conftest import COLLECTION

# The variables of a host, and whether its tasks use sudo.
LOGINS = {
    "plain-root": ({"ansible_user": "root"}, False),
    "root-of-ssh": ({"ansible_ssh_user": "root"}, False),
    "root-of-template": ({"ansible_user": "{{ login }}", "login": "root"}, False),
    "another": ({"ansible_user": "deploy"}, True),
    "default": ({}, True),
    "root-that-becomes-another": ({"ansible_user": "root", "ansible_become_user": "admin"}, True),
    "other-that-refuses": ({"ansible_user": "deploy", "ansible_become": False}, False),
}
SETTINGS = "ask_pass = false\n[ssh_connection]\nretries = 0\npipelining = true\nssh_executable = {}\n"


@pytest.fixture
def real(tmp_path):
    """A collection tree with nothing simulated."""
    namespace = tmp_path / "real" / "ansible_collections" / "kernel"
    namespace.mkdir(parents=True)
    (namespace / "livepatch").symlink_to(COLLECTION)
    return tmp_path / "real"


@pytest.fixture
def uses_sudo(play, tmp_path, build_module, real):
    """uses_sudo(playbook): {host: whether its command has sudo}."""
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())
    program = tmp_path / "ssh"
    program.write_text(f"""#!/bin/sh\necho $* >>{tmp_path}/commands\nexit 255\n""")
    program.chmod(0o755)

    def of(playbook, *flags):
        # Without an interpreter, the first command would look for one.
        known = {"ansible_python_interpreter": "/usr/bin/python3"}
        hosts = {host: {**variables, **known} for host, (variables, _becomes) in LOGINS.items()}
        run = play(playbook, {}, "-e", "livepatch_src=fix.ko", *flags, inventory={"hosts": hosts},
                   settings=SETTINGS.format(program), tree=real)
        lines = (tmp_path / "commands").read_text().splitlines()
        found = {host: {"sudo" in line for line in lines if f" {host} " in line} for host in hosts}
        assert all(len(seen) == 1 for seen in found.values()), (found, run.output)
        return {host: seen.pop() for host, seen in found.items()}
    return of


@pytest.mark.parametrize("playbook", ["rollout", "preflight"])
def test_a_task_uses_sudo_where_the_login_is_not_root(uses_sudo, playbook):
    expected = {host: becomes for host, (_variables, becomes) in LOGINS.items()}
    assert uses_sudo(f"kernel.livepatch.{playbook}") == expected


@pytest.mark.parametrize("user", ["root", "deploy"])
def test_the_login_can_also_be_an_option_of_the_command(uses_sudo, user):
    assert uses_sudo("kernel.livepatch.preflight", "-u", user)["default"] == (user != "root")


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo of another user may ask for a password")
def test_root_on_the_controller_needs_no_sudo(play, tmp_path, real, monkeypatch):
    (tmp_path / "bin").mkdir()
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text(f"#!/bin/sh\ntouch {tmp_path}/used\nexit 1\n")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    run = play("kernel.livepatch.status", {"a": {}}, "-c", "local", tree=real)
    assert run.lines[-1].startswith("1 host: "), run.output
    assert not (tmp_path / "used").exists()


def test_each_play_that_asks_hosts_uses_become():
    plays = [play for playbook in written_tasks.PLAYBOOKS for play in written_tasks.plays_of(playbook)]
    assert {play["become"] for play in plays if play.get("connection") != "local"} == {True}
