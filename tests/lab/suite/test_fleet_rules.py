# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a rollout over a fleet of machines: one run at a time, limits of domains, windows, hooks."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
import yaml
from fleet import ENABLED, HOOKED
from fleet_runs import assert_ends, failures, kill, states_of_waves

pytestmark = pytest.mark.one_kernel

PATCH, OTHER = "cmdline_v1", "cmdline_v2"
# Two machines of each kernel, or four: those of one number are in one rack.
RACK = {"rack": "rack {{ inventory_hostname[-1] }}"}


def test_two_runs_at_once_and_a_rollback_by_hand(fleet, runs, bundle, seen):
    began = time.monotonic()
    assert runs.playbook("status").code == 0
    # Two other playbooks are over before the soak is, however busy the host of the machines is.
    soak = max(120, round(8 * (time.monotonic() - began)))
    going = runs.start_rollout(bundle(PATCH), waves="100%", soak=soak, looks=0)
    fleet.wait_until_watched(fleet.names)
    other = runs.rollout(bundle(OTHER), waves="100%")
    assert (other.code, failures(other)) == (2, dict.fromkeys(fleet.names, ("host-leased", "check"))), other.output
    back = runs.playbook("rollback", rollback_to="original")
    assert (back.code, failures(back)) == (2, dict.fromkeys(fleet.names, ("host-leased", "back"))), back.output
    assert {name: told.patches for name, told in fleet.tell().items()} == {
        name: {PATCH: ENABLED} for name in fleet.names}
    done = going.result()
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    after = runs.playbook("rollback", rollback_to="original")
    assert after.code == 0, after.output
    assert {told.version for told in fleet.tell().values()} == {""}
    seen("a second rollout and a rollback while a wave soaks",
         "both refused with host-leased on every host; later the same rollback succeeds", fleet.kernels)


def test_no_more_hosts_of_a_rack_are_on_trial_than_its_limit(fleet, runs, bundle, seen):
    variables = {"waves": "100%", "limits": {"rack": 1}}
    done = runs.rollout(bundle(PATCH), "--extra-vars", str(RACK).replace("'", '"'), **variables)
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    waves = [wave["hosts"] for wave in done.record["waves"]]
    for hosts in waves:
        racks = [name[-1] for name in hosts]
        assert len(racks) == len(set(racks)), waves
    assert len(waves) == len(fleet.names) // len({name[-1] for name in fleet.names})
    seen(f"{len(fleet.names)} hosts in {len(waves)} racks with limit 1, one wave",
         f"the wave is cut into {len(waves)} parts; accepted everywhere", fleet.kernels)


@pytest.mark.exhaustive
def test_a_rollout_that_comes_out_of_its_window(fleet, runs, bundle, seen):
    now = datetime.now(timezone.utc)
    # Long enough for the first wave to begin, and over before its soak is.
    closes, soak = now + timedelta(minutes=5), 400
    window = {"hours": f"{now - timedelta(minutes=1):%H:%M}-{closes:%H:%M}"}
    first, *others = fleet.waves()
    src = bundle(PATCH)
    left = runs.rollout(src, window=window, soak=soak, looks=0, trial=3600)
    assert left.code == 2, left.output
    assert_ends(fleet, left, PATCH, accepted=first, untouched=[name for wave in others for name in wave])
    assert states_of_waves(left)[:2] == ["passed", "waits"]
    done = runs.rollout(src)
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    seen("the window closes while wave 1 soaks", "wave 1 is accepted, wave 2 waits; exit code 2; later run completes",
         fleet.kernels)


def test_a_frozen_day(fleet, runs, bundle, seen):
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    tomorrow = f"{datetime.now(timezone.utc) + timedelta(days=1):%Y-%m-%d}"
    frozen = runs.rollout(bundle(PATCH), window={"freezes": [f"{today} to {tomorrow}"]})
    assert frozen.code == 2, frozen.output
    assert_ends(fleet, frozen, PATCH, untouched=fleet.names)
    seen("a rollout on a frozen day", "nothing touched; exit code 2", fleet.kernels)


@pytest.fixture
def hooks(tmp_path):
    """The variables of a rollout whose hooks write a line each on the host."""
    for kind, line in (("before", "before"), ("after", "after {{ livepatch_outcome.state }}")):
        tasks = [{"name": f"Note {kind}", "ansible.builtin.shell": f"echo {line} >>{HOOKED}"}]
        (tmp_path / f"{kind}.yml").write_text(yaml.safe_dump(tasks), encoding="utf-8")
    return {kind: str(tmp_path / f"{kind}.yml") for kind in ("before", "after")}


def hooked(fleet):
    """The lines of the hooks on each host, one after the other."""
    return {name: " ".join(text.split("\n")).strip() for name, text in fleet.run(f"cat {HOOKED}", fleet.names).items()}


def test_hooks_around_a_clean_rollout(fleet, runs, bundle, hooks, seen):
    done = runs.rollout(bundle(PATCH), waves="100%", **hooks)
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    assert hooked(fleet) == dict.fromkeys(fleet.names, "before after accepted")
    seen("livepatch_before and livepatch_after", "each ran once on each host", fleet.kernels)


@pytest.mark.exhaustive
def test_a_controller_that_dies_between_before_and_after(fleet, runs, bundle, hooks, seen):
    src = bundle(PATCH)
    process = runs.begin_rollout(src, waves="100%", soak=600, trial=1800, looks=0, **hooks)
    fleet.wait_until_watched(fleet.names)
    kill(process)
    assert hooked(fleet) == dict.fromkeys(fleet.names, "before")
    done = runs.rollout(src, waves="100%", take_lease=True, **hooks)
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    assert hooked(fleet) == dict.fromkeys(fleet.names, "before after unfinished before after accepted")
    seen("the controller dies after livepatch_before",
         "the next run begins with livepatch_after on these hosts, and completes", fleet.kernels)
