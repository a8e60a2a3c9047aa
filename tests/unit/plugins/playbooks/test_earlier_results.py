# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A summary has no result of an earlier play for a host that it did not ask. The hosts are simulated."""

from __future__ import annotations

import pytest
import yaml

ANSWERS = {
    "patch_info": {"livepatch": {
        "kernel": {"release": "6.1.0-56-amd64", "arch": "x86_64"}, "interface": "livepatch", "patches": [],
        "trial": None, "drift": [], "quarantined": []}},
    "patch_check": {
        "compatible": True, "arch": "x86_64", "findings": [], "trial": None,
        "patch": {"name": "fix", "kernel": "6.1.0-56-amd64", "state": "absent", "build_id": "b", "sha256": "5" * 64}},
    "patch_rollback": {"target": ["old"], "removed": [{"name": "new"}], "restored": [], "findings": []},
    "patch_verify": {"ok": True, "patches": ["old"], "findings": []}}


@pytest.mark.parametrize("playbook", ["preflight", "rollback", "status"])
def test_a_host_lost_between_two_runs_has_no_result_in_the_second(play, tmp_path, playbook):
    asking = {"name": "Ask", "ansible.builtin.import_playbook": f"kernel.livepatch.{playbook}"}
    losing = {"name": "Lose a host", "hosts": "all", "gather_facts": False, "tasks": [
        {"name": "Fail", "ansible.builtin.fail": {"msg": "lost"}, "when": "inventory_hostname == 'lost'"}]}
    (tmp_path / "site.yml").write_text(yaml.safe_dump([asking, losing, asking]))
    run = play("site.yml", {"kept": ANSWERS, "lost": ANSWERS},
               variables={"livepatch_src": "patches"} if playbook == "preflight" else {})
    assert run.lines[-2] == "without a result, skipped or unreachable before: lost", run.output
    assert run.lines[-1].startswith("2 hosts: 1 ") and run.lines[-1].endswith("1 without a result"), run.output
