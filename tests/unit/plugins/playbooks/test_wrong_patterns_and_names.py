# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook refuses a pattern without hosts, and a misspelled variable, before it asks a host."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.tests.unit.plugins.playbooks.written_tasks import PLAYBOOKS

# Not awx, which asks no host; see test_awx_playbook.py.
OF_HOSTS = [name for name in PLAYBOOKS if name != "awx"]
GROUPS = {"children": {"db": {"hosts": {"db1": {}}}}}
HOSTS = {"web1": {}, "web2": {}}


@pytest.fixture
def start(play):
    """start(playbook, *flags, **variables): the end of a run with three hosts."""
    def run(playbook, *flags, **variables):
        return play(f"kernel.livepatch.{playbook}", HOSTS, *flags, variables=variables, inventory=GROUPS)
    return run


def refused(start, playbook, pattern, words, *flags):
    variable = "livepatch_build_host" if playbook == "build" else "livepatch_hosts"
    run = start(playbook, *flags, **{variable: pattern})
    assert run.code not in (0, 2) and words in run.output, run.output
    assert f"{variable}, --limit or the inventory." in run.output and "PLAY [" not in run.output


@pytest.mark.parametrize("playbook", OF_HOSTS)
def test_a_pattern_without_hosts_is_one_error_of_each_playbook(start, playbook):
    refused(start, playbook, "db", "No host matches db with --limit web*, so nothing was done. Correct ",
            "--limit", "web*")


@pytest.mark.parametrize(("flags", "pattern", "words"), [
    ((), "wbe*", "No host matches wbe*, so nothing was done. Correct "),
    ((), ["wbe1", "wbe2"], "so nothing was done. Correct "),
    (("--limit", "@limit.txt"), "db", "No host matches db with --limit @limit.txt, so nothing was done. Correct "),
])
@pytest.mark.parametrize("playbook", ["rollout", "build"])
def test_any_pattern_without_hosts_is_one_error(start, tmp_path, playbook, flags, pattern, words):
    (tmp_path / "limit.txt").write_text("web1\n\n")
    refused(start, playbook, pattern, words, *flags)


@pytest.mark.parametrize("playbook", [name for name in OF_HOSTS if name not in ("build", "pull")])
def test_without_any_host_a_playbook_fails_where_ansible_alone_would_do_nothing(play, playbook):
    run = play(f"kernel.livepatch.{playbook}", {}, variables={"livepatch_src": "fix.ko"})
    assert run.code not in (0, 2), run.output
    assert "The inventory has no hosts, so nothing was done. Give an inventory with -i, " in run.output
    assert "or set livepatch_hosts=localhost for this machine." in run.output


@pytest.mark.parametrize("flag", ["--syntax-check", "--list-hosts", "--list-tasks", "--list-tags"])
def test_a_playbook_is_shown_without_any_host(play, flag):
    assert play("kernel.livepatch.rollout", {}, flag).code == 0


@pytest.mark.parametrize(("flags", "pattern", "hosts"), [
    ((), None, ["db1", "web1", "web2"]), ((), "", ["db1", "web1", "web2"]), ((), ["db1", "web1"], ["db1", "web1"]),
    ((), "all:!db", ["web1", "web2"]), ((), "localhost", ["localhost"]), ((), "db:nosuch", ["db1"]),
    (("--limit", "web1:db"), "db,web2", ["db1"]), (("--limit", "@limit.txt"), "web*", ["web1"]),
    (("--limit", "web2,@limit.txt"), "all", ["web1", "web2"]),
])
def test_any_other_pattern_has_its_hosts(start, tmp_path, flags, pattern, hosts):
    (tmp_path / "limit.txt").write_text("web1\n")
    run = start("rollout", *flags, "--list-hosts", **({} if pattern is None else {"livepatch_hosts": pattern}))
    _before, _hosts, lines = run.output.split("play #2")[0].partition("hosts (")
    assert run.code == 0 and sorted(lines.split()[1:]) == hosts, run.output


def test_with_a_limit_the_default_build_host_is_named(start):
    run = start("build", "--limit", "web*")
    assert run.code != 0 and "No host matches localhost with --limit web*" in run.output, run.output


@pytest.mark.parametrize("playbook", OF_HOSTS)
def test_a_misspelled_variable_is_refused_with_the_right_one(start, playbook):
    run = start(playbook, livepatch_aprove="all")
    assert run.code == 2, run.output
    assert "livepatch_aprove is no variable of this collection. Write livepatch_approve" in run.output


@pytest.mark.parametrize("playbook", OF_HOSTS)
def test_an_unknown_extra_variable_is_refused(start, playbook):
    run = start(playbook, livepatch_to="original")
    assert run.code == 2, run.output
    assert "livepatch_to is no variable of this collection. Write livepatch_rollback_to" in run.output


def test_an_unknown_variable_of_the_inventory_can_be_of_another_role(play):
    run = play("kernel.livepatch.rollback", HOSTS, inventory={"vars": {"livepatch_to": "mail"}})
    assert "no variable of this collection" not in run.output and "2 hosts" in run.output, run.output
