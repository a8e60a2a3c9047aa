# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch that is on trial and is asked for again, as after a controller that died: on a simulated kernel."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change import safeguards, trial_renewal
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import armed
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    V1,
    V2,
    accept,
    accepted,
    failure,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)


@pytest.fixture
def host(kernel, apply):
    """A simulated kernel with V1 accepted, which knows which boot it is."""
    kernel.put(BOOT_ID, "boot-1\n")
    accept(apply, V1)
    return kernel


def trial_of(host):
    return read_ledger(host)["trial"]


def newest(host):
    entry = history(host)["journal"][0]
    return entry["action"], entry["outcome"], entry["code"], names_of(entry["before"]), names_of(entry["after"])


def lose_guard(host):
    """The process that waits for the trial's end was killed."""
    for name in host.names("/proc"):
        if name.isdigit() and int(name) > 5000:
            os.unlink(host.path(f"/proc/{name}/stat"))


def test_it_begins_anew_and_goes_back_to_what_ran_before_the_first(host, interface, apply):
    first = apply(V2, trial=60)
    known = trial_of(host)
    host.sleep(50)
    again = apply(V2, trial=100)
    assert (again["changed"], again["transaction"], again["findings"]) == (True, first["transaction"], [])
    assert (again["patch"]["state"], again["patch"]["previous_state"]) == ("enabled", "enabled")
    assert trial_of(host) == dict(
        known, seconds=100, since="2026-11-21T09:17:44Z", ends=host.now() + 100)
    assert names_of(trial_of(host)["back_to"]) == ["v1"]
    assert (newest(host), host.loads) == (("patch", "done", None, ["v2"], ["v2"]), [("v1", ""), ("v2", "")])
    began = host.now()
    end_trial(host)
    assert 100 <= host.now() - began < 115
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])


@pytest.mark.parametrize("trial", [0, 100])
def test_its_transaction_is_the_way_back_to_what_ran_before(host, interface, apply, trial):
    apply(V2, trial=60)
    roll_back(host, apply(V2, trial=trial)["transaction"], 3, "reverse")
    assert (stack(host, interface), trial_of(host), accepted(host)) == (["v1"], None, ["v1"])


def test_previous_is_still_what_ran_before_the_load(host, interface, apply):
    apply(V2, trial=60)
    apply(V2, trial=60)
    roll_back(host, "previous", 3, "reverse")
    assert stack(host, interface) == ["v1"]


def test_who_waits_for_its_end_goes_on_waiting(host, apply):
    apply(V2, trial=60)
    processes = len(host.spawned)
    apply(V2, trial=60)
    assert len(host.spawned) == processes


def test_where_nobody_waits_for_its_end_any_more_somebody_does_again(host, apply):
    first = apply(V2, trial=60)["transaction"]
    processes = len(host.spawned)
    lose_guard(host)
    assert not armed(host, first)
    apply(V2, trial=60)
    assert (armed(host, first), len(host.spawned)) == (True, processes + 1)


def test_with_systemd_too(host, apply):
    systemd = SimulatedSystemd(host)
    first = apply(V2, trial=60)["transaction"]
    unit = f"kernel-livepatch-trial-{first}.service"
    apply(V2, trial=60)
    assert systemd.asked().count("systemd-run") == 1
    systemd.units.pop(unit)
    apply(V2, trial=60)
    assert (systemd.asked().count("systemd-run"), unit in systemd.units) == (2, True)
    apply(V2)
    assert unit not in systemd.units


def test_a_trial_whose_end_cannot_be_armed_again_is_left_as_it_was(host, interface, apply, monkeypatch):
    apply(V2, trial=60)
    known = trial_of(host)
    lose_guard(host)

    def broken(*_arguments):
        raise LivepatchError("trial-not-armed", "It does not run.")
    monkeypatch.setattr(safeguards, "arm", broken)
    error = failure(apply, V2, trial=100)
    assert (error.code, error.details["patch"]["state"]) == ("trial-not-armed", "enabled")
    assert (trial_of(host), stack(host, interface)) == (known, ["v2"])
    assert newest(host) == ("patch", "failed", "trial-not-armed", ["v2"], ["v2"])


@pytest.mark.parametrize("trial", [0, 100])
def test_check_mode_tells_it_and_changes_nothing(host, apply, trial):
    apply(V2, trial=60)
    known = read_ledger(host)
    entries = len(history(host)["journal"])
    result = apply(V2, trial=trial, check_mode=True)
    assert (result["changed"], result["transaction"]) == (True, None)
    assert (read_ledger(host), len(history(host)["journal"])) == (known, entries)


def test_another_build_than_the_one_on_trial_is_told_and_the_trial_goes_on(host, apply):
    apply(V2, trial=60)
    known = trial_of(host)
    host.put("/sys/kernel/tracing/enabled_functions", "")
    assert failure(apply, V2, trial=100).code == "function-not-hooked"
    assert trial_of(host) == known


@pytest.mark.parametrize("trial", [0, 100])
def test_a_transition_that_a_dead_controller_has_left_going(host, interface, apply, trial):
    host.hold(7)
    first = apply(V2, trial=60, on_stall="wait")
    assert first["patch"]["state"] == "enabling"
    host.at(host.now() + 1, lambda: host.let_go(7))
    again = apply(V2, trial=trial)
    assert (again["patch"]["state"], again["transaction"]) == ("enabled", first["transaction"])
    assert stack(host, interface) == ["v2"]
    if trial:
        known = trial_of(host)
        assert (known["seconds"], known["transaction"]) == (100, first["transaction"])
        assert 97 <= known["ends"] - host.now() <= 100
    else:
        assert trial_of(host) is None
    roll_back(host, again["transaction"], 3, "reverse")
    assert stack(host, interface) == ["v1"]


def test_a_transition_that_stalls_again_is_turned_round_and_the_trial_is_over_with_it(host, interface, apply):
    host.hold(7)
    apply(V2, trial=60, on_stall="wait")
    assert failure(apply, V2, trial=100).code == "transition-stalled"
    assert (stack(host, interface), trial_of(host)) == (["v1"], None)


def test_a_trial_does_not_end_with_a_change_that_fails(host, apply):
    host.hold(7, directions=("enabling", "disabling"))
    apply(V2, trial=60, on_stall="wait")
    assert failure(apply, V2).code == "reverse-stalled"
    assert trial_of(host)["name"] == "v2"


def test_without_a_trial_it_stays_enabled_and_nothing_ends_it(host, interface, apply):
    first = apply(V2, trial=60)
    result = apply(V2)
    assert (result["changed"], result["transaction"]) == (True, first["transaction"])
    assert (result["patch"]["state"], trial_of(host)) == ("enabled", None)
    assert newest(host) == ("patch", "done", None, ["v2"], ["v2"])
    assert end_trial(host) is None
    host.sleep(1000)
    assert (stack(host, interface), accepted(host)) == (["v2"], ["v1"])
    again = apply(V2)
    assert (again["changed"], again["transaction"]) == (False, None)


@pytest.mark.parametrize("trial", [0, 100])
def test_a_trial_that_ends_until_this_run_has_the_lock_is_not_taken_for_going_on(
        host, interface, apply, before_the_lock, trial):
    first = apply(V2, trial=60)["transaction"]
    before_the_lock(trial_renewal, lambda: end_trial(host))
    result = apply(V2, trial=trial)
    assert result["transaction"] != first
    assert (result["patch"]["state"], stack(host, interface)) == ("enabled", ["v2"])
    assert bool(trial_of(host)) is bool(trial)


def test_what_is_only_to_be_kept_is_not_loaded_again(host, interface, apply, before_the_lock):
    apply(V2, trial=60)
    before_the_lock(trial_renewal, lambda: end_trial(host))
    assert failure(apply, V2, fresh=True).code == "trial-over"
    assert (failure(apply, V2, fresh=True).code, stack(host, interface)) == ("trial-over", ["v1"])


def test_one_that_is_accepted_until_then_stays_so(host, apply, before_the_lock):
    apply(V2, trial=60)
    before_the_lock(trial_renewal, lambda: accept(apply, V2))
    result = apply(V2, trial=100)
    assert (result["changed"], result["patch"]["state"], trial_of(host)) == (False, "accepted", None)


def test_what_was_accepted_after_its_trial_goes_back_to_what_ran_and_was_accepted_before(host, interface, apply):
    load = apply(V2, trial=60)["transaction"]
    accept(apply, V2)
    assert accepted(host) == ["v2"]
    result = roll_back(host, load, 3, "reverse")
    assert (names_of(result["removed"]), names_of(result["restored"])) == (["v2"], ["v1"])
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])


def test_the_same_where_nothing_ran_before(kernel, interface, apply):
    kernel.put(BOOT_ID, "boot-1\n")
    load = apply(V2, trial=60)["transaction"]
    accept(apply, V2)
    roll_back(kernel, load, 3, "reverse")
    assert (stack(kernel, interface), accepted(kernel)) == ([], [])
