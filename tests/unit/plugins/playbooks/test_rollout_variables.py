# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What variables of the user's come to in each step of a rollout; the hosts are simulated."""

from __future__ import annotations

import json

import pytest

THREE = CANARY, SECOND, THIRD = ["web2", "web1", "web3"]


@pytest.fixture
def arguments(tmp_path):
    """arguments(step): what that module was called with on each host, by the host's name."""
    def of(step):
        lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
        return {line["host"]: line["args"] for line in lines if line["step"] == step}
    return of


@pytest.mark.parametrize(("budget", "taken_back"), [(0, {CANARY, SECOND, THIRD}), (1, {SECOND})])
def test_a_way_back_of_the_users_own_is_not_that_of_a_rollout(rollout, arguments, budget, taken_back):
    run = rollout(
        {CANARY: {}, SECOND: {"look": "ill"}, THIRD: {}}, livepatch_failure_budget=budget,
        livepatch_on_breach="rollback_all", livepatch_rollback_to="original")
    assert run.code == 2, run.output
    assert {host: given["to"] for host, given in arguments("back").items()} == dict.fromkeys(taken_back, "t1")
