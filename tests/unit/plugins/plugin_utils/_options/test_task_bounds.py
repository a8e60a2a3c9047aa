# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound of a task follows what it waits for."""

from __future__ import annotations

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change.watch_verdict import LATE_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._health.watch_options import INTERVAL
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import WORK_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import START_SECONDS
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.bounds import (
    RELOAD,
    SLOWEST,
    START,
    VERDICT,
    WAITS,
    task_bounds,
)

BASE = task_bounds(size=0)


def test_a_host_is_not_given_up_while_it_waits_for_its_own_systemd():
    assert (RELOAD, START, VERDICT) == (WORK_SECONDS, START_SECONDS, LATE_SECONDS + INTERVAL)
    assert WAITS["accept"].base > VERDICT
    assert min(BASE["load"], BASE["accept"], BASE["rollback"]) > WORK_SECONDS + START_SECONDS
    assert BASE["query"] > START_SECONDS
    assert {name: BASE[name] - wait.base for name, wait in WAITS.items() if BASE[name] != wait.base} == {
        "query": START, "load": RELOAD + START, "accept": RELOAD + START, "rollback": RELOAD + START}


@pytest.mark.parametrize(("asked", "more"), [
    ({"transition_timeout": 90, "reverses": False}, {"load": 90, "rollback": 540}),
    ({"transition_timeout": 90}, {"load": 180, "rollback": 1080}),
    ({"size": SLOWEST + 1}, {"check": 2, "load": 2, "accept": 2}),
    ({"checks": [{"unit": "a", "timeout": 10}, {"tasks": "b", "timeout": 300}, {"url": "c", "timeout": 5}]},
     {"watch": 15, "accept": 15}),
])
def test_a_bound_grows_with_what_the_task_waits_for(asked, more):
    bounds = task_bounds(**{"size": 0, **asked})
    assert {name: bounds[name] - base for name, base in BASE.items() if bounds[name] != base} == more


def test_a_file_of_unknown_size_has_time_to_be_sent():
    assert task_bounds()["check"] == BASE["check"] + 120
