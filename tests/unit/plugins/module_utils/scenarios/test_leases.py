# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of playbooks on one host, a task without a run, a dead controller: on a simulated kernel."""

import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import patch as patch_job
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PULL_RUN
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import read_lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEASE
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    V2,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.leased_host import (
    ALICE,
    BOB,
    BY_HAND,
    TRIAL,
    accept_by,
    host_with_v1,
    lease_of,
    put_lease,
    roll_back_by,
    run_of,
    taking,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import unload


@pytest.fixture
def host(kernel, apply):
    return host_with_v1(kernel, apply)


def facts_of(host):
    """What a refusal must not change."""
    ledger = read_ledger(host)
    return ledger["trial"], ledger["accepted"], history(host)["journal"], host.loads, host.read(LEASE)


# Each call that changes a host, with its options.
CALLS = {
    "the load of another patch": lambda host, apply, who, **mode: apply(V1, trial=TRIAL, controller=who, **mode),
    "the load of the same patch": lambda host, apply, who, **mode: apply(V2, trial=TRIAL, controller=who, **mode),
    "the end of its trial": lambda host, apply, who, **mode: apply(V2, controller=who, **mode),
    "its acceptance": lambda host, apply, who, **mode: apply(V2, state="accepted", controller=who, **mode),
    "its acceptance over a new connection":
        lambda host, apply, who, **mode: apply(V2, state="accepted", fresh=True, controller=who, **mode),
    "its removal": lambda host, apply, who, **mode: apply(name="v2", state="absent", controller=who, **mode),
    "its disabling": lambda host, apply, who, **mode: apply(name="v2", state="disabled", controller=who, **mode),
    "a rollback": lambda host, _apply, who, **mode: roll_back_by(host, who, **mode),
    "a rollback to no patch": lambda host, _apply, who, **mode: roll_back_by(host, who, "original", **mode),
}


def test_a_run_leaves_its_lease_with_the_trial_and_returns_it_with_the_acceptance(host, interface, apply):
    assert lease_of(host) is None
    apply(V2, trial=TRIAL, controller=ALICE)
    assert lease_of(host) == {
        "run": ALICE["run"], "since": "2026-11-21T09:16:54Z", "until": "2026-11-21T09:26:54Z",
        "who": {"controller_user": "alice", "controller_node": "control1", "user": "root", "address": None}}
    assert read_lease(host)[0]["ends"] == read_ledger(host)["trial"]["ends"]
    assert os.stat(host.path(LEASE)).st_mode & 0o777 == 0o600
    host.sleep(1)
    apply(V2, state="accepted", fresh=True, controller=ALICE)
    assert (lease_of(host), accepted(host), host.exists(LEASE)) == (None, ["v2"], False)


@pytest.mark.parametrize("end", [
    lambda host, apply, who: roll_back_by(host, who),
    lambda host, apply, who: roll_back_by(host, who, "original"),
    lambda host, apply, who: apply(V2, controller=who),  # state enabled: only the trial ends
    lambda host, apply, who: apply(name="v2", state="absent", controller=who)])
def test_every_other_end_of_the_trial_by_the_run_returns_it_too(host, apply, end):
    apply(V2, trial=TRIAL, controller=ALICE)
    end(host, apply, ALICE)
    assert (read_ledger(host)["trial"], host.exists(LEASE)) == (None, False)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("who", [BOB, BY_HAND, None], ids=["run", "by hand", "unknown"])
def test_another_run_and_a_task_without_one_are_refused(host, apply, call, who):
    apply(V2, trial=TRIAL, controller=ALICE)
    before = facts_of(host)
    error = failure(call, host, apply, who)
    assert (error.code, error.details["lease"]) == ("host-leased", lease_of(host))
    assert error.message == (
        "The run 20261121T091500Z-aaaaaa of alice@control1 holds this host since 2026-11-21T09:16:54Z, until "
        "2026-11-21T09:26:54Z. Wait until then, or take the lease over with take_lease: true (in a playbook "
        "livepatch_take_lease: true).")
    assert facts_of(host) == before


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_check_mode_is_refused_as_the_change_would_be(host, apply, call):
    apply(V2, trial=TRIAL, controller=ALICE)
    before = facts_of(host)
    assert failure(call, host, apply, BOB, check_mode=True).code == "host-leased"
    assert facts_of(host) == before


def test_what_changes_nothing_is_not_refused(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    assert apply(name="one", state="absent", controller=BOB)["changed"] is False
    assert check_host(host, V2.offer(), None, report_only=True)["changed"] is False


def test_a_run_that_took_the_lease_between_the_look_and_the_lock_is_respected(host, apply, before_the_lock):
    before_the_lock(patch_job, lambda: apply(V2, trial=TRIAL, controller=ALICE))
    error = failure(apply, V2, trial=TRIAL, controller=BOB)
    assert (error.code, run_of(host)) == ("host-leased", ALICE["run"])
    assert len([entry for entry in history(host)["journal"] if entry["who"]["controller_user"] == "bob"]) == 0


# Two operators at once

def load(host, apply, who):
    return apply(V2, trial=TRIAL, controller=who)


def accept_it(host, apply, who):
    host.sleep(1)
    return apply(V2, state="accepted", fresh=True, controller=who)


def undo(host, _apply, who):
    return roll_back_by(host, who)


@pytest.mark.parametrize("ends", [(accept_it, accept_it), (undo, accept_it), (accept_it, undo), (undo, undo)])
@pytest.mark.parametrize("order", ["abab", "abba", "baab", "baba"])
def test_two_runs_in_any_order_of_their_calls_never_mix(host, interface, apply, order, ends):
    """While the run that loads first is at work, the other one is refused and has changed nothing."""
    calls = {"a": [load, ends[0]], "b": [load, ends[1]]}
    by, refused = {"a": ALICE, "b": BOB}, []
    first = order[0]
    for number, letter in enumerate(order):
        journal, call = history(host)["journal"], calls[letter].pop(0)
        leased = run_of(host) == by[first]["run"]
        assert leased == (0 < number <= order.rindex(first))
        try:
            call(host, apply, by[letter])
        except LivepatchError as error:
            refused.append((letter, error.code))
            assert history(host)["journal"] == journal
        else:
            assert not (leased and letter != first)
    last = order.rindex(first) == 3
    second = "b" if first == "a" else "a"
    assert [code for letter, code in refused if letter == first] == []
    assert [code for letter, code in refused if letter == second][:2 if last else 1] == ["host-leased"] * (1 + last)
    assert lease_of(host) is None


def test_two_runs_after_each_other_are_not_refused(host, interface, apply):
    load(host, apply, ALICE)
    undo(host, apply, ALICE)
    load(host, apply, BOB)
    accept_it(host, apply, BOB)
    assert (stack(host, interface), accepted(host), lease_of(host)) == (["v2"], ["v2"], None)


def test_the_same_run_prolongs_its_lease_with_its_trial(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    first = lease_of(host)
    host.sleep(100)
    apply(V2, trial=60, controller=ALICE)  # shorter
    assert lease_of(host) == dict(first, until="2026-11-21T09:19:34Z")
    apply(V2, trial=TRIAL, controller=ALICE)
    assert lease_of(host) == dict(first, until="2026-11-21T09:28:34Z")


def test_a_task_of_the_same_run_is_not_told_of_its_own_lease(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    assert apply(V2, trial=TRIAL, controller=ALICE)["findings"] == []


def test_a_task_without_a_run_leaves_none(host, apply):
    apply(V2, trial=TRIAL, controller=BY_HAND)
    assert (lease_of(host), host.exists(LEASE)) == (None, False)
    apply(V2, trial=TRIAL, controller=BOB)
    assert run_of(host) == BOB["run"]


def test_a_change_without_a_trial_leaves_none(host, apply):
    apply(ONE, controller=ALICE)
    roll_back_by(host, ALICE)
    assert (lease_of(host), host.exists(LEASE)) == (None, False)


def test_a_refused_load_leaves_none(host, apply):
    apply(ONE, trial=TRIAL, controller=BY_HAND)
    assert failure(apply, TWO, trial=TRIAL, controller=ALICE).code == "trial-running"
    assert lease_of(host) is None


def test_a_task_that_only_clears_the_ledger_leaves_none(host, interface, apply):
    apply(ONE, trial=TRIAL, controller=BY_HAND)
    unload(host, interface, "one")
    assert apply(name="three", state="absent", controller=ALICE)["changed"] is False
    assert ([entry["name"] for entry in read_ledger(host)["loaded"]], host.exists(LEASE)) == (["v1"], False)


def test_a_stalled_load_leaves_none(host, apply):
    host.hold(7)
    assert failure(apply, V2, trial=TRIAL, controller=ALICE).code == "transition-stalled"
    assert (read_ledger(host)["trial"], lease_of(host)) == (None, None)


def test_a_transition_that_goes_on_keeps_it(host, apply):
    host.hold(7)
    apply(V2, trial=TRIAL, on_stall="wait", timeout=1, controller=ALICE)
    assert run_of(host) == ALICE["run"]
    assert read_lease(host)[0]["ends"] <= read_ledger(host)["trial"]["ends"]


# Its end

def test_the_lease_of_a_dead_controller_ends_with_the_trial(host, interface, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    end_trial(host)
    assert (lease_of(host), stack(host, interface)) == (None, ["v1"])
    apply(V2, trial=TRIAL, controller=BOB)
    assert run_of(host) == BOB["run"]


def test_a_host_that_reverts_early_has_no_lease_any_more(host, interface, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    write_ledger(host, dict(read_ledger(host), trial=dict(read_ledger(host)["trial"], ends=host.now() + 5)))
    end_trial(host)
    assert (stack(host, interface), lease_of(host), host.now() < TRIAL) == (["v1"], None, True)


def test_it_ends_although_no_process_ends_the_trial(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    host.sleep(TRIAL - 1)
    assert run_of(host) == ALICE["run"]
    host.sleep(1)
    assert lease_of(host) is None
    assert roll_back_by(host, BOB)["changed"] is True


@pytest.mark.parametrize("jump", [-10 ** 8, 10 ** 8])
def test_a_jump_of_the_wall_clock_does_not_move_its_end(host, apply, monkeypatch, jump):
    apply(V2, trial=TRIAL, controller=ALICE)
    real = host.wall_clock
    monkeypatch.setattr(host, "wall_clock", lambda: real() + jump)
    host.sleep(TRIAL - 1)
    assert failure(roll_back_by, host, BOB).code == "host-leased"
    host.sleep(1)
    roll_back_by(host, BOB)


def test_a_reboot_ends_it(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    content = host.read_bytes(LEASE)
    reboot(host)
    assert not host.exists(LEASE)
    put_lease(host, content)  # where /run is not in memory
    assert (lease_of(host), read_lease(host)) == (None, (None, None))
    apply(V2, trial=TRIAL, controller=BOB)
    assert run_of(host) == BOB["run"]


def test_the_host_itself_is_never_stopped_by_one(host, interface, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    content = json.loads(host.read(LEASE))
    put_lease(host, dict(content, ends=content["ends"] + 10 * TRIAL))
    end_trial(host)
    assert (stack(host, interface), host.exists(LEASE)) == (["v1"], False)
    reboot(host)
    put_lease(host, dict(content, ends=10 * TRIAL + host.now(), boot_id="boot-2"))
    boot(host)
    assert stack(host, interface) == ["v1"]


# Take-over

def test_a_run_takes_it_over_and_the_earlier_run_is_refused(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    taken = apply(V2, trial=TRIAL, controller=taking(BOB))
    assert [found["message"] for found in taken["findings"] if found["code"] == "lease-taken-over"] == [
        "This change took the lease of this host over from the run 20261121T091500Z-aaaaaa of alice@control1. The host "
        "refuses the earlier run now."]
    assert (run_of(host), lease_of(host)["since"]) == (BOB["run"], "2026-11-21T09:16:54Z")
    for call in ("its acceptance over a new connection", "a rollback"):
        error = failure(CALLS[call], host, apply, ALICE)
        assert (error.code, error.details["lease"]["run"]) == ("host-leased", BOB["run"])
    apply(V2, state="accepted", fresh=True, controller=BOB)
    assert (accepted(host), lease_of(host)) == (["v2"], None)


@pytest.mark.parametrize("who", [BOB, BY_HAND])
def test_a_rollback_takes_it_over(host, interface, apply, who):
    apply(V2, trial=TRIAL, controller=ALICE)
    assert [found["code"] for found in roll_back_by(host, taking(who))["findings"]] == ["lease-taken-over"]
    assert (stack(host, interface), lease_of(host)) == (["v1"], None)


def test_pull_has_one_run_for_ever_and_is_refused_for_as_long_as_the_lease_only(host, apply):
    pull = dict(ALICE, run=PULL_RUN)
    apply(V2, trial=TRIAL, controller=pull)
    apply(V2, trial=TRIAL, controller=taking(BOB))
    assert failure(apply, V1, trial=TRIAL, controller=pull).code == "host-leased"
    accept_by(host, apply, BOB)
    apply(V1, trial=TRIAL, controller=pull)
    assert run_of(host) == PULL_RUN


def test_a_host_that_changes_hands_often_remembers_the_last_runs(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    for number in range(30):
        apply(V2, trial=TRIAL, controller=dict(taking(BOB), run=f"{'r' * 60}-{number}", user="\u00fc" * 60))
    assert (run_of(host), os.stat(host.path(LEASE)).st_size <= 4096) == (f"{'r' * 60}-29", True)
    accept_by(host, apply, BY_HAND)
    refused = [json.loads(host.read(LEASE))["refused"][place]["run"] for place in (0, -1)]
    assert (refused[0] != ALICE["run"], refused[1], lease_of(host)) == (True, f"{'r' * 60}-29", None)


def test_a_full_disk_does_not_keep_a_lease_that_is_over(host, apply, monkeypatch):
    apply(V2, trial=TRIAL, controller=ALICE)

    def refuse(path, _write):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(lease, "replace_private", refuse)
    accept_by(host, apply, BY_HAND)
    assert (lease_of(host), os.path.lexists(host.path(LEASE))) == (None, False)


def test_a_take_over_that_changes_nothing_leaves_the_lease(host, apply):
    apply(ONE, trial=TRIAL, controller=ALICE)
    assert failure(apply, TWO, trial=TRIAL, controller=taking(BOB)).code == "trial-running"
    assert run_of(host) == ALICE["run"]


# What other runs are told

def test_a_check_tells_it_as_a_blocker(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    result = check_host(host, V2.offer(), None, report_only=True)
    assert (result["compatible"], result["findings"][0]["code"]) == (False, "host-leased")
    error = failure(check_host, host, V2.offer(), None)
    assert (error.code, ALICE["run"] in error.message) == ("host-leased", True)


def test_a_check_of_an_accepted_patch_is_not_blocked(host, apply):
    apply(ONE, trial=TRIAL, controller=ALICE)
    assert check_host(host, V1.offer(), None)["compatible"] is True


def test_without_root_there_is_none(host, apply, monkeypatch):
    apply(V2, trial=TRIAL, controller=ALICE)

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(host, "status", refuse)
    monkeypatch.setattr(host, "user_id", lambda: 1000)
    assert read_lease(host) == (None, None)
