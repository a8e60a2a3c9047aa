# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every rollout, whatever its hosts do and answer; the hosts are simulated, and the clock is."""

from __future__ import annotations

import json
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    ANSWERS,
    Rollout,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=9)
PARTS = (
    "patch", "state", "findings", "blockers", "health", "transaction", "baseline", "trial", "code", "msg", "failed",
    "watch", "unreachable", "skipped", "target", "patches", "well", "removed", "arch", "compatible", "changed")


@st.composite
def hostile(draw, step):
    """An answer of which parts make no sense."""
    answer = dict(ANSWERS[step][draw(st.sampled_from(sorted(ANSWERS[step])))])
    for part in draw(st.lists(st.sampled_from(PARTS), max_size=3)):
        answer[part] = draw(ANYTHING)
    if isinstance(answer.get("patch"), dict):
        patch = answer["patch"] = dict(answer["patch"])
        for part in draw(st.lists(st.sampled_from(sorted(patch) or ["state"]), max_size=2)):
            patch[part] = draw(ANYTHING)
    # A list would be one answer for each time.
    nonsense = ANYTHING.map(lambda answer: tuple(answer) if isinstance(answer, list) else answer)
    return draw(st.just(answer) | nonsense)


def behaviours(answers):
    """Mostly well, else one way or another to fail in each step."""
    return st.fixed_dictionaries({}, optional={
        "kernel": st.sampled_from(["6.1.0-56-amd64", "6.12.1"]),
        **{step: answers(step) for step in ANSWERS},
        "look": st.lists(answers("look"), min_size=1, max_size=4)})


def ways(step):
    return st.sampled_from(["ok", "ok", "ok", *sorted(ANSWERS[step])])


def fleets(answers):
    return st.lists(st.just({}) | behaviours(answers), min_size=1, max_size=7).map(
        lambda hosts: {f"web{number}": host for number, host in enumerate(hosts)})


OPTIONS = st.fixed_dictionaries({
    "livepatch_waves": st.sampled_from(["canary, 50%, 100%", "1", "2, 100%", "100%", "canary, 2, 60%, 100%"]),
    "livepatch_failure_budget": st.sampled_from(["0", "1", "2", "30%", "100%"]),
    "livepatch_on_breach": st.sampled_from(["rollback_wave", "rollback_all", "hold"]),
    "livepatch_state": st.sampled_from(["accepted", "enabled"]),
    "livepatch_soak": st.sampled_from([0, 300]), "livepatch_looks": st.sampled_from(["", "0", "3"])})


@pytest.fixture(scope="module")
def patch_file(build_module):
    return build_module("source_simple", '-DNAME="fix"')


def carried_out(hosts, options, patch_file):
    with tempfile.TemporaryDirectory() as directory:
        run = Rollout(hosts, directory, patch_file, **options)
        return run, run.run()


def on(run, step):
    return {host for one, host in run.calls if one == step}


def holds_of_any(run, record):
    """What is true however hosts answer."""
    json.dumps(record, allow_nan=False)
    told = run.ended
    wanted = {"accepted", run.options["livepatch_state"]}
    states = {name: host["state"] for name, host in record["hosts"].items()}
    assert record["ok"] == all(state in wanted for state in states.values() if state != "no_build")
    assert record["ok"] == (told["verdict"] is None) and not (record["ok"] and told["problems"])
    assert all(line.isprintable() for line in run.said + record["lines"])
    breach = record["breach"]
    size = 0
    for name, host in record["hosts"].items():
        if breach and host["wave"]:
            assert host["wave"] <= breach["wave"] or ("load", name) not in run.calls
            size += host["wave"] == breach["wave"]
        if host["done"] or not host["wave"]:
            assert name not in on(run, "load") | on(run, "back")
    if breach:
        failures = {name: host["failure"] for name, host in record["hosts"].items() if host["failure"]}
        # One that cannot be taken back has failed only afterwards.
        begun = [name for name in failures if name in on(run, "load") and failures[name]["step"] != "back"]
        assert len(begun) <= breach["budget"] + size
    else:
        assert record["failures"] <= record["options"]["budget"]["hosts"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(hosts=fleets(ways), options=OPTIONS)
def test_of_every_rollout(hosts, options, patch_file):
    run, record = carried_out(hosts, options, patch_file)
    holds_of_any(run, record)
    breach = record["breach"]
    for name, host in record["hosts"].items():
        state, said = host["state"], hosts[name]
        looks = said.get("look", ["ok"])
        looks = [looks[min(look, len(looks) - 1)] for look in range(run.calls.count(("look", name)))]
        if name not in on(run, "load"):
            assert state in ("pending", "unchanged", "no_build") or host["done"]
            continue
        if state in ("accepted", "enabled"):
            assert said.get("load", "ok") in ("ok", "waiting") and said.get("keep", "ok") == "ok"
            assert set(looks) <= {"ok", "waiting"}
            assert "waiting" not in [said.get("load"), *looks] or looks[-1] == "ok"
            assert not host["failure"] and not host["trial_ends"] and host["accepted_at"]
        if state == "rolled_back":
            assert name in on(run, "back") and (said.get("back", "ok"), said.get("proof", "ok")) == ("ok", "ok")
        if state in ("reverting", "on_trial", "waiting"):
            assert host["trial_ends"] and (host["failure"] or breach)
            assert name in run.ended["problems"]
            assert said.get("keep", "ok") != "unreachable" or name not in on(run, "keep")
        if state == "unchanged":
            assert not host["transaction"] or said.get("load") in ("failed", "stalled", "no_build")
        if breach and breach["action"] == "rollback_wave" and host["wave"] < breach["wave"]:
            assert state in ("accepted", "enabled") or host["failure"]
        if breach and breach["action"] == "rollback_all":
            assert state not in ("accepted", "enabled") or host["done"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(hosts=fleets(lambda step: ways(step) | hostile(step)), options=OPTIONS)
def test_of_rollouts_with_hosts_that_answer_nonsense(hosts, options, patch_file):
    holds_of_any(*carried_out(hosts, options, patch_file))
