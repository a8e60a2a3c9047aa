# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No text of a host is a template, wherever a playbook hands it on: to the next task, a summary, a report or a fact.

The hosts and their answers are simulated.
"""

from __future__ import annotations

import json

import pytest

FIRST, SECOND = "web1", "web2"
TEXT = "{{ lookup('ansible.builtin.pipe', 'touch owned') }}{% raw %}{{ undefined_here }}{% endraw %}{{"
FINDING = {"code": "loaded-by-hand", "level": "warning", "subject": TEXT, "message": TEXT}
INFO = {"livepatch": {
    "kernel": {"release": TEXT, "arch": TEXT}, "interface": "livepatch", "trial": None, "drift": [FINDING],
    "patches": [{"name": TEXT, "state": "enabled", "build_id": TEXT}], "quarantined": []}}
BACK = {"target": [TEXT], "removed": [{"name": TEXT}], "restored": [{"name": TEXT}], "findings": [FINDING]}
CHECKED = {
    "compatible": False, "arch": TEXT, "findings": [dict(FINDING, level="blocker")], "trial": None,
    "patch": {"name": TEXT, "kernel": TEXT, "state": "absent", "build_id": TEXT, "sha256": TEXT}}
ANSWERS = {
    "patch_info": INFO, "patch_rollback": BACK, "patch_check": CHECKED,
    "patch_verify": {"ok": True, "patches": [TEXT], "findings": [FINDING]}}
FAILURE = {"failed": True, "code": TEXT, "msg": TEXT, "module_stderr": TEXT}


@pytest.mark.parametrize("how", [
    {}, {"load": "failed"}, {"load": "stalled"}, {"look": "ill"}, {"look": "waiting"}, {"keep": "failed"}])
def test_no_text_of_a_host_is_a_template_in_a_rollout(rollout, tmp_path, how):
    run = rollout({FIRST: {"says": TEXT, **how}, SECOND: {}}, livepatch_report_dir="reports", livepatch_waves="100%")
    assert run.code == (2 if how else 0) and not (tmp_path / "owned").exists(), run.output
    asked = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    names = {call["args"]["name"] for call in asked if call["host"] == FIRST and call["step"] in ("look", "keep")}
    targets = {call["args"]["to"] for call in asked if call["host"] == FIRST and call["step"] == "back"}
    assert names | targets == (set() if "load" in how else {TEXT})
    assert not any("owned" in json.dumps(call) for call in asked if call["host"] == SECOND)


@pytest.mark.parametrize("answers", [ANSWERS, dict.fromkeys(ANSWERS, FAILURE)])
@pytest.mark.parametrize("playbook", ["status", "rollback", "preflight"])
def test_no_text_of_a_host_is_a_template_in_other_playbooks(play, tmp_path, playbook, answers):
    variables = {"livepatch_src": "patches"} if playbook == "preflight" else {
        "livepatch_report_dir": "reports", "livepatch_cohort_by": "inventory_hostname"}
    run = play(f"kernel.livepatch.{playbook}", {FIRST: answers}, "-v", variables=variables)
    assert not (tmp_path / "owned").exists() and "undefined_here" in run.output, run.output
