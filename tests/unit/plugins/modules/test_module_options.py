# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that are refused before the host is looked at, and what they are when they are not given."""

import re

import pytest
import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import FINDINGS
from ansible_collections.kernel.livepatch.plugins.modules import patch
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()


@pytest.mark.parametrize("module, options, words", [
    ("patch", {}, "src is missing. Name a patch file or a bundle"),
    ("patch", {"state": "absent"}, "src is missing"),
    ("patch", {"name": "fix"}, "src is missing"),
    ("patch", {"scr": "fix.ko"}, "Unsupported parameters"),
    ("patch", {"name": "fix", "state": "loaded"}, "value of state must be one of: accepted, enabled, disabled, absent"),
    ("patch", {"name": "fix", "state": "absent", "on_stall": "kill"},
     "value of on_stall must be one of: reverse, wait, force"),
    ("patch", {"name": "fix", "state": "absent", "transition_timeout": "soon"}, "transition_timeout"),
    ("patch", {"name": "fix", "state": "absent", "force": True}, "Unsupported parameters"),
    ("patch", {"name": "fix", "state": "absent", "trial": 60}, "trial is 60. Give 0 for none"),
    ("patch", {"src": "fix.ko", "trial": -1}, "trial is -1. Give 0 for none, or up to 2592000 seconds"),
    ("patch", {"name": "fix", "state": "absent", "version": "1.0"}, "version is set without src"),
    ("patch", {"src": "fix.ko", "kernel": "6.1"}, "kernel is set and state is enabled. Set state to"),
    ("patch", {"src": "fix.ko", "state": "accepted", "kernel": "../6.1"}, "Set it to the release of"),
    ("patch_verify", {"version": "1.0"}, "version is set without src"),
    ("patch", {"src": "fix.ko", "watch": {"interval": 5}}, "watch has no effect without a trial. Give trial too"),
    ("patch", {"name": "fix", "state": "absent", "watch": {}}, "watch has no effect without a trial"),
    ("patch", {"src": "fix.ko", "trial": 60, "watch": {"interval": 0}}, "watch: interval is 0. Give 1 to 300."),
    ("patch", {"src": "fix.ko", "trial": 60, "watch": {"health_checks": [{"name": "x"}]}}, "has nothing to check"),
    ("patch", {"src": "fix.ko", "trial": 60, "watch": {"min_call": 1}}, "Unsupported parameters"),
    ("patch", {"src": "fix.ko", "trial": 60, "watch": {"min_calls": -1}}, "min_calls is -1. Give 0 to"),
    ("patch_rollback", {}, "The journal has no earlier change of this kernel's live patches to roll back"),
    ("patch_rollback", {"to": "earlier"}, "The journal has no change called earlier of this kernel"),
    ("patch_check", {}, "src is missing. Name a patch file or a bundle."),
    ("patch_check", {"name": "fix"}, "src is missing"),
    ("patch_check", {"src": "fix.ko", "state": "enabled"}, "Unsupported parameters"),
    ("patch_info", {"name": "fix"}, "Unsupported parameters"),
    ("patch_hook", {}, "missing required arguments: state"),
    ("patch_hook", {"state": "begun", "seconds": -1}, "seconds is -1. Give 0 to"),
    ("patch_hook", {"state": "begun", "via_controller": {"run": "a b"}}, "has a run that is no identifier"),
    ("patch_watch", {}, "missing required arguments: name"),
    ("patch_watch", {"name": "fix", "baseline": {"taint": 0}}, "Unsupported parameters"),
    ("patch_watch", {"name": "fix", "health_checks": [{"comand": "true"}]}, "Unsupported parameters"),
    ("patch_watch", {"name": "fix", "health_checks": [{"unit": "x", "timeout": "soon"}]}, "timeout"),
    ("patch_watch", {"name": "fix", "health_checks": [{"name": "x"}]}, "health_checks (1.) has nothing to check"),
])
def test_a_wrong_option_is_refused(kernel, run, module, options, words):
    code, result = run(module, **options)
    assert (code, result["failed"]) == (1, True)
    assert words in result["msg"]
    assert kernel.writes == []


def test_what_can_be_ignored_is_documented():
    options = yaml.safe_load(patch.DOCUMENTATION)["options"]
    named = re.findall(r"^V\(([a-z-]+)\)", "\n".join(options["ignore_findings"]["description"]), re.MULTILINE)
    assert sorted(named) == sorted(code for code, (_level, may, _message) in FINDINGS.items() if may)


@pytest.mark.parametrize("module, options", [
    ("patch", {"name": "fix", "state": "absent"}), ("patch_rollback", {"to": "original"})])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_is_a_second_or_more(kernel, run, module, options, seconds):
    code, result = run(module, transition_timeout=seconds, **options)
    assert (code, result["code"]) == (1, "bad-option")
    assert result["msg"] == f"transition_timeout is {seconds}. Give one second or more."


def test_a_stall_takes_ninety_seconds_and_is_turned_round_when_nothing_is_said(kernel, run, tmp_path):
    kernel.hold(7)
    path = tmp_path / "fix.ko"
    path.write_bytes(FIX.image)
    code, result = run("patch", src="fix.ko", offer=FIX.offer(str(path)))
    assert (code, result["code"]) == (1, "transition-stalled")
    assert "did not end within 90 s and was reversed" in result["msg"]
    assert result["blockers"][0]["comm"] == "worker"
