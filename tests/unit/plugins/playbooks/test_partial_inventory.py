# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook under an inventory that Ansible could read only in part; the hosts are simulated."""

from __future__ import annotations

import pytest

HOSTS = ["web1", "web2"]
BROKEN = ("-i", "broken.yml")
KNOWINGLY = {"livepatch_partial_inventory": "true"}


@pytest.fixture
def broken(tmp_path):
    """A source of hosts that lacks a bracket."""
    path = tmp_path / "broken.yml"
    path.write_text("all: {hosts: {web3: }\n")
    return path


@pytest.mark.parametrize("playbook", ["rollout", "apply"])
def test_no_host_is_patched_before_the_user_allows_it(rollout, runs, broken, tmp_path, playbook):
    options = {"playbook": f"kernel.livepatch.{playbook}"}
    run = rollout(HOSTS, *BROKEN, **options)
    assert (run.code, runs(), (tmp_path / "calls.jsonl").exists()) == (2, {}, False), run.output
    assert f"could not read the inventory source {broken}, so hosts" in run.output
    assert run.output.count("inventory-incomplete") == 1
    run = rollout(HOSTS, *BROKEN, livepatch_report_dir="reports", **options, **KNOWINGLY)
    assert (run.code, runs()) == (0, dict.fromkeys(HOSTS, "accepted")), run.output
    page = next((tmp_path / "reports").glob("*.html")).read_text()
    assert f"Ansible could not read the inventory source {broken}." in page


@pytest.mark.parametrize(("playbook", "module"), [
    ("status", "patch_info"), ("rollback", "patch_rollback"), ("preflight", "patch_check")])
def test_no_host_is_asked_before_the_user_allows_it(play, broken, playbook, module, tmp_path, build_module):
    (tmp_path / "fix.ko").write_bytes(build_module("source_simple", '-DNAME="fix"').read_bytes())
    answers, variables = {host: {module: "unreachable"} for host in HOSTS}, {"livepatch_src": "fix.ko"}
    run = play(f"kernel.livepatch.{playbook}", answers, *BROKEN, variables=variables)
    assert run.code == 2 and run.output.count("inventory-incomplete") == 1, run.output
    assert f"could not read the inventory source {broken}" in run.output and "UNREACHABLE" not in run.output
    run = play(f"kernel.livepatch.{playbook}", answers, *BROKEN, variables={**variables, **KNOWINGLY})
    assert "2 unreachable" in run.output and "inventory-incomplete" not in run.output, run.output


def test_a_directory_as_runners_make_it_is_read_whole(rollout, runs, tmp_path):
    directory = tmp_path / "inventory"
    (directory / "group_vars").mkdir(parents=True)
    (directory / "hosts").write_text("web1\nweb2\n")
    (directory / "group_vars" / "all.yml").write_text("rack: r1\n")
    (directory / "README.md").write_text("# Hosts\n")
    run = rollout(HOSTS, "-i", "inventory")
    assert (run.code, runs()) == (0, dict.fromkeys(HOSTS, "accepted")), run.output


@pytest.mark.parametrize("playbook", ["rollout", "apply", "rollback", "preflight", "status"])
def test_an_inventory_of_which_nothing_was_read_is_no_success(play, broken, playbook):
    run = play(f"kernel.livepatch.{playbook}", {}, "-i", "broken.yml", variables={"livepatch_src": "fix.ko"})
    assert run.code != 0 and f"could not read the inventory source {broken}" in run.output, run.output


def test_no_inventory_at_all_is_not_one_that_could_not_be_read(play):
    assert "could not read" not in play("kernel.livepatch.status", {}).output
