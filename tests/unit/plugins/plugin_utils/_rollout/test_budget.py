# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts may fail, and how long a trial is."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.module_utils._health.watch_options import INTERVAL
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.budget import Budget, is_breached, parse_budget
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.gate import judge_budget
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import number_of_tasks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import rollout_options
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.schedule import (
    NEXT_RESULT,
    largest_wave,
    trial_seconds,
    wave_phases,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

DEFAULTS = rollout_options({"livepatch_src": "fix.ko"})


@pytest.mark.parametrize(("asked", "budget"), [
    (None, Budget("0", 0)), (0, Budget("0", 0)), ("3", Budget("3", 3)), (3.0, Budget("3", 3)),
    ("5%", Budget("5%", share=Fraction(1, 20))), ("0.5 %", Budget("0.5%", share=Fraction(1, 200))),
    ("0%", Budget("0%", share=Fraction(0))), ("100%", Budget("100%", share=Fraction(1))),
])
def test_a_budget_is_a_number_or_a_share(asked, budget):
    assert parse_budget(asked) == budget


@pytest.mark.parametrize("asked", [-1, "-1", "-5%", "101%", "5 hosts", 0.05, True, "some", "%", ["5%"], "1/2", "nan"])
def test_anything_else_is_refused(asked):
    with pytest.raises(TaskError, match=r"livepatch_failure_budget is .*. Give a number of hosts from 0") as caught:
        parse_budget(asked)
    assert caught.value.code == "bad-option"


@pytest.mark.parametrize(("asked", "covered", "hosts"), [
    ("5%", 40, 2), ("5%", 39, 1), ("5%", 19, 0), ("5%", 0, 0), ("29%", 100, 29), ("0.5%", 5000, 25), ("100%", 7, 7),
    (3, 40, 3), (3, 0, 3),
])
def test_a_share_is_rounded_down(asked, covered, hosts):
    assert parse_budget(asked).allowed(covered) == hosts


def test_as_many_as_allowed_may_fail_and_no_more():
    assert not is_breached(0, 0)
    assert is_breached(1, 0)
    assert not is_breached(2, 2)
    assert is_breached(3, 2)


@pytest.mark.parametrize(("codes", "why"), [
    (["a", "a"], "(web1, web2: a: About a on web1)"),
    (["a", "b"], "(web1: a: About a on web1; 1 with another failure)"),
    ([None, "b", None, "c"], "(web1, web3: About None on web1; 2 with another failure)")])
def test_a_breach_names_the_hosts_of_the_failure_that_it_tells(codes, why):
    hosts = {f"web{number}": {"failure": {"code": code, "message": f"About {code} on web{number}."}}
             for number, code in enumerate(codes, 1)}
    record = {"hosts": hosts, "breach": None, "options": {"budget": {"hosts": 0}, "on_breach": "hold"}}
    assert judge_budget(record, 1)
    assert record["breach"]["why"] == f"Failure budget exceeded: {len(codes)} failed, 0 allowed {why}"


CHECKS = ({"name": "x", "unit": "x", "timeout": 10}, {"name": "y", "unit": "y", "timeout": 5})


# How much longer a host can stand still than an honest one takes: in the load, in the acceptance and in a look.
LOAD, ACCEPTANCE, LOOK = 120 + 300 + 180 + 1 - 30, 180 + 40 + 300 + 180 + 1, 90


@pytest.mark.parametrize(("changes", "sizes", "forks", "seconds", "raised"), [
    ({}, [1], 5, 30 + 180 + 300 + 120, False),
    ({}, [1, 4, 16, 20], 5, 4 * (30 + 180) + 300 + 120, False),
    ({}, [], 5, 30 + 180 + 300 + 120, False),
    ({}, [16], 5, 4 * (30 + 180) + 300 + 120, False),
    ({"on_stall": "wait"}, [1], 5, 30 + 90 + 300 + 120, False),
    ({"on_stall": "force", "transition_timeout": 60}, [400], 5, 80 * (30 + 60) + 300 + 120, False),
    ({"health_checks": CHECKS}, [10], 5, 2 * (30 + 180 + 10 + 10) + 300 + 120, False),
    ({"trial": 3600}, [1], 5, 3600, False),
    ({"trial": 630}, [1], 5, 630, False),
    ({"trial": 629}, [1], 5, 630, True),
])
def test_a_trial_outlives_load_soak_and_margin(changes, sizes, forks, seconds, raised):
    assert trial_seconds(dataclasses.replace(DEFAULTS, **changes), sizes, forks, 5000) == (seconds, raised)


def test_a_trial_outlives_a_host_that_stands_still_only_where_hosts_may_fail():
    assert trial_seconds(DEFAULTS, [1], 5, 5000, tolerant=False) == (630, False)
    assert trial_seconds(DEFAULTS, [1], 5, 5000, tolerant=True) == (630 + LOAD + 2 * LOOK + ACCEPTANCE, False)
    more = dataclasses.replace(DEFAULTS, looks=5)
    assert trial_seconds(more, [1], 5, 5000, tolerant=True) == (630 + LOAD + 6 * LOOK + ACCEPTANCE, False)


@pytest.mark.parametrize(("text", "number"), [
    ("- ping:\n- ping:\n", 2), ("- ping:\n  no_log: true\n", 1),
    ("- block: [{ping: }, {block: [{ping: }]}]\n  rescue: [{ping: }]\n  always: [{ping: }]\n- ping:\n", 5),
    ("- debug: {msg: !unsafe '{{'}\n- debug: {msg: !vault 'x'}\n", 2),
    ("", 1), ("[]", 1), ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", 1), ("{", 1), ("- [ping]\n- 7\n- block: 7\n", 2),
    ("- {? [a] : b}\n", 1), (None, 1),
])
def test_each_task_of_ones_own_has_the_time_of_its_check(text, number, tmp_path):
    file = tmp_path / "own.yml"
    if text is not None:
        file.write_text(text)
    checks = (*CHECKS, {"name": "z", "tasks": str(file), "timeout": 20})
    assert trial_seconds(dataclasses.replace(DEFAULTS, health_checks=checks), [10], 5, 5000) == (
        2 * (30 + 180 + 10 + 10 + 2 * 20 * number) + 300 + 120, False)


def test_own_tasks_that_no_program_of_the_controller_can_read_count_as_one(tmp_path):
    for content in (b"\xff\xfe- a", b"- " * 9000, b"- &a [*a]"):
        (tmp_path / "own.yml").write_bytes(content)
        assert number_of_tasks(str(tmp_path / "own.yml")) == 1
    assert number_of_tasks(str(tmp_path)) == 1


def test_a_trial_that_cannot_be_so_long_is_refused():
    options = dataclasses.replace(DEFAULTS, health_checks=CHECKS)
    with pytest.raises(TaskError, match=f"livepatch_waves need a trial of 11500420 seconds, .* {LONGEST_TRIAL}"):
        trial_seconds(options, [500_000], 10, 5000)


@pytest.mark.parametrize(("changes", "forks", "tolerant", "hosts"), [
    ({}, 5, False, 75), ({}, 50, False, 750), ({}, 5, True, 40), ({"on_stall": "wait"}, 5, False, 130),
    ({"health_checks": CHECKS}, 5, False, 65), ({"longest_trial": 630}, 5, False, 5), ({"soak": 3270}, 1, False, 1),
    # A longer trial that is asked for allows larger waves, and a shorter one is raised as far as the longest.
    ({"trial": 7200}, 5, False, 160), ({"trial": 60}, 5, False, 75),
    ({"longest_trial": 840, "trial": 630}, 5, False, 10),
])
def test_the_largest_wave_has_the_longest_trial(changes, forks, tolerant, hosts):
    options = dataclasses.replace(DEFAULTS, **changes)
    longest = max(options.longest_trial, options.trial or 0)
    assert largest_wave(options, forks, 5000, tolerant) == hosts
    assert trial_seconds(options, [hosts], forks, 5000, tolerant)[0] <= longest
    assert trial_seconds(options, [hosts + 1], forks, 5000, tolerant)[0] > longest


@pytest.mark.parametrize("changes", [{"soak": 3271}, {"transition_timeout": 1576}, {"longest_trial": 629}])
def test_where_no_wave_has_so_short_a_trial_the_rollout_is_refused(changes):
    options = dataclasses.replace(DEFAULTS, **changes)
    sentence = r"livepatch_longest_trial is \d+ seconds, and every wave needs a trial of \d+ seconds. Raise it"
    with pytest.raises(TaskError, match=sentence):
        largest_wave(options, 5, 5000)


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(0, 86400))
def test_a_trial_is_never_shorter_than_the_soak(size, forks, soak):
    options = dataclasses.replace(DEFAULTS, soak=soak, transition_timeout=1)
    assert soak + 120 < trial_seconds(options, [size], forks)[0] <= LONGEST_TRIAL


@pytest.mark.parametrize(("given", "shares"), [
    ({}, [0.5]), ({"soak": 59}, []), ({"soak": 60}, [0.5]), ({"soak": 60, "looks": 0}, []),
    ({"looks": 3}, [0.25, 0.5, 0.75]), ({"soak": 0, "looks": 1}, [0.5])])
def test_the_looks_are_spread_evenly_over_the_soak(given, shares):
    options = dataclasses.replace(DEFAULTS, **given)
    assert wave_phases(options) == [
        *({"kind": "look", "after": share} for share in shares), {"kind": "accept", "after": 1}]
    own = dataclasses.replace(options, health_checks=(*CHECKS, {"name": "z", "tasks": "own.yml", "timeout": 20}))
    kinds = [(phase["kind"], phase["after"]) for phase in wave_phases(own)]
    assert kinds == [("tasks", 0), *(("look", share) for share in shares), ("tasks", 1), ("accept", 1)]


def test_a_result_of_a_health_check_is_not_later_than_the_host_says():
    assert NEXT_RESULT == INTERVAL
