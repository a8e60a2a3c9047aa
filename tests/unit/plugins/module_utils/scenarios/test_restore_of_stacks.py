# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of several patches: which one is meant, what may come back, and a trial that is going on meanwhile."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change import acceptance
from ansible_collections.kernel.livepatch.plugins.module_utils._engine import steps
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    THREE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    failure,
    quarantined,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import load, unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

ONE_FUNCTION = {"vmlinux": ["one"]}


def restore(host, to="previous", on_stall="reverse", timeout=3, **options):
    return roll_back(host, to, timeout, on_stall, **options)


def codes(result):
    return [found["code"] for found in result["findings"]]


def leave_in_transition(host, apply, patch):
    """Load a patch whose transition the run does not see the end of, and have it come to that by itself."""
    host.hold(7)
    assert apply(patch, timeout=1, on_stall="wait")["patch"]["state"] == "enabling"
    host.let_go(7)
    host.sleep(5)


def unhook(monkeypatch, name):
    """From now on a patch of this name does not verify after it was loaded."""
    real = steps.verify_patch

    def verify_patch(host, interface, asked, *rest, **more):
        if asked != name:
            return real(host, interface, asked, *rest, **more)
        return [finding("function-not-hooked", asked, name=asked, object="vmlinux", function="one",
                        flag="I")], []
    monkeypatch.setattr(steps, "verify_patch", verify_patch)


# States of the system (klp_state) that the later patch has in a newer version

def versions(objects=None):
    """An earlier and a later patch; the later one knows what the earlier one did, but not the other way round."""
    return [SimulatedPatch(name, build_id=build, replace=objects is None or name == "v2", states=[
        {"id": 1, "version": version}], objects=None if name == "v2" else objects)
        for name, build, version in (("v1", "11" * 20, 1), ("v2", "22" * 20, 2))]


@pytest.mark.parametrize("objects", [None, ONE_FUNCTION])
def test_an_older_version_of_a_state_comes_back_at_the_trials_end(host, interface, apply, objects):
    earlier, later = versions(objects)
    accept(apply, earlier)
    apply(later, trial=60)
    end_trial(host)
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])


@pytest.mark.parametrize("objects", [None, ONE_FUNCTION])
def test_an_older_version_of_a_state_comes_back_after_the_newer_one_has_gone(host, interface, apply, objects):
    earlier, later = versions(objects)
    apply(earlier)
    apply(later)
    host.writes.clear()
    restore(host)
    assert stack(host, interface) == ["v1"]
    assert ("/sys/kernel/livepatch/v2/enabled", "0") in host.writes  # the kernel would refuse v1 over it


# Which change is the previous one

@pytest.mark.parametrize("first, second, before", [(V1, V2, ["v1"]), (ONE, TWO, ["one"])])
def test_a_change_that_was_left_going_is_the_previous_one(host, interface, apply, first, second, before):
    apply(first)
    leave_in_transition(host, apply, second)
    assert restore(host)["target"] == before
    assert stack(host, interface) == before


def test_changes_that_failed_push_no_file_out_of_reach(host, interface, apply):
    apply(V1)
    apply(V2)
    for _try in range(6):
        failure(apply, SimulatedPatch("v3", build_id="66" * 20, replace=True, refused=("EINVAL", [])))
    restore(host)
    assert stack(host, interface) == ["v1"]


# What a rollback changes besides the stack

def test_a_rollback_keeps_what_was_accepted_later(host, interface, apply):
    apply(ONE)
    apply(TWO)
    accept(apply, ONE)
    restore(host)
    assert (stack(host, interface), accepted(host)) == (["one"], ["one"])


def test_a_rollback_that_changes_nothing_keeps_what_was_accepted_since(host, apply):
    apply(V1)
    apply(V2)
    restore(host)
    accept(apply, V1)
    assert (restore(host)["changed"], accepted(host)) == (False, ["v1"])


def test_a_rollback_that_only_changes_the_next_boot_is_a_change(host, apply):
    accept(apply, V1)
    reboot(host)
    for check_mode in (True, False):
        assert restore(host, "original", check_mode=check_mode)["changed"] is True
    assert accepted(host) == []
    assert restore(host, "original")["changed"] is False


def test_a_rollback_that_only_ends_a_trial_is_a_change(host, interface, apply):
    apply(ONE, trial=60)
    unload(host, interface, "one")
    for check_mode in (True, False):
        assert restore(host, "original", check_mode=check_mode)["changed"] is True
    assert read_ledger(host)["trial"] is None


def test_a_build_without_an_id_is_gone_back_to_once(host, interface, apply, monkeypatch):
    plain = SimulatedPatch("plain", build_id="", objects=ONE_FUNCTION)
    plain.description["build_id"] = None
    real = host.plain_module

    def plain_module(name, build_id="", **more):
        real(name, build_id=build_id or "00" * 20, **more)
        if name == "plain":
            os.unlink(host.path("/sys/module/plain/notes/.note.gnu.build-id"))
    monkeypatch.setattr(host, "plain_module", plain_module)
    accept(apply, plain)
    apply(TWO)
    assert [restore(host)["transaction"] is None for _time in range(2)] == [False, True]
    assert (stack(host, interface), accepted(host)) == (["plain"], ["plain"])


# What may not come back, or not stay

def test_a_rollback_brings_back_nothing_that_is_in_quarantine(host, interface, apply, systemd):
    apply(V2)
    apply(ONE)
    reboot(host, clean=False)
    boot(host)
    assert quarantined(host) == ["v2", "one"]
    assert failure(restore, host).code == "quarantined"
    assert stack(host, interface) == []


def test_a_trials_end_brings_back_what_is_in_quarantine(host, interface, apply, systemd):
    """It ran until just now, and somebody has loaded it in spite of that."""
    apply(V1)
    reboot(host, clean=False)
    boot(host)
    apply(V1, ignore_findings=["quarantined"])
    apply(V2, trial=60)
    end_trial(host)
    assert (stack(host, interface), quarantined(host)) == (["v1"], ["v1"])


def test_what_does_not_verify_at_boot_is_taken_out(host, interface, apply, systemd, monkeypatch):
    accept(apply, ONE)
    accept(apply, TWO)
    reboot(host)
    unhook(monkeypatch, "one")
    error = failure(boot, host)
    assert error.code == "function-not-hooked"
    assert "The patch was removed again." in error.message
    assert (stack(host, interface), accepted(host)) == (["two"], ["one", "two"])


def test_what_does_not_verify_when_it_comes_back_is_taken_out(host, interface, apply, monkeypatch):
    apply(V1)
    apply(V2)
    unhook(monkeypatch, "v1")
    error = failure(restore, host)
    assert "The patch was removed again." in error.message
    assert stack(host, interface) == []
    assert error.details["changed"] is True


def test_what_does_not_verify_at_a_trials_end_is_not_loaded_again_and_again(host, interface, apply, monkeypatch):
    accept(apply, V1)
    apply(V2, trial=60)
    unhook(monkeypatch, "v1")
    assert failure(end_trial, host).code == "function-not-hooked"
    assert [name for name, _parameters in host.loads] == ["v1", "v2", "v1"]
    assert (stack(host, interface), read_ledger(host)["trial"]) == ([], None)


def test_a_trial_that_does_not_verify_leaves_what_it_had_replaced(host, interface, apply):
    accept(apply, V1, params={"count": 3})
    error = failure(apply, SimulatedPatch("v2", build_id="22" * 20, replace=True, defect="unhooked"), trial=60)
    assert error.details["changed"] is False
    assert (stack(host, interface), accepted(host), read_ledger(host)["trial"]) == (["v1"], ["v1"], None)
    assert host.loads[-1] == ("v1", "count=3")


def test_a_crash_is_blamed_on_what_a_rollback_had_loaded(host, interface, apply, systemd):
    apply(V2)
    apply(V1)
    reboot(host)
    systemd.stop_all()
    boot(host)
    restore(host)
    assert (stack(host, interface), read_ledger(host)["watched"]) == (["v2"], True)
    reboot(host, "boot-3", clean=False)
    systemd.stop_all()
    boot(host)
    assert quarantined(host) == ["v2"]


def test_no_crash_after_a_trial_is_blamed_where_nobody_sees_how_a_boot_ends(host, apply):
    apply(ONE)
    apply(TWO, trial=60)
    end_trial(host)
    reboot(host, clean=False)
    apply(THREE)
    assert quarantined(host) == []


# A trial that is going on

def test_a_trial_of_what_would_pin_the_earlier_patch_is_refused(host, apply):
    accept(apply, V1)
    error = failure(apply, V2, trial=60, on_stall="force")
    assert (error.code, [name for name, _parameters in host.loads]) == ("trial-without-rollback", ["v1"])
    assert "on_stall: force may keep its module in memory until the next reboot" in error.message
    assert apply(ONE, trial=60, on_stall="force")["patch"]["state"] == "enabled"  # it replaces nothing


def test_a_rollback_that_is_left_going_has_the_last_word_on_what_comes_back(host, interface, apply):
    accept(apply, V1)
    apply(V2, trial=60)
    host.hold(7, directions=("disabling",))
    assert restore(host, "original", "wait", timeout=1)["changed"] is True
    host.let_go(7)
    end_trial(host)
    assert (stack(host, interface), accepted(host), read_ledger(host)["trial"]) == ([], [], None)


def test_what_is_to_be_absent_does_not_come_back_at_the_trials_end(host, interface, apply):
    accept(apply, V1)
    apply(V2, trial=60)
    assert apply(name="v1", state="absent")["changed"] is True
    end_trial(host)
    assert stack(host, interface) == []


def test_a_trial_whose_patch_is_gone_is_over_when_that_is_to_be_absent(host, interface, apply):
    apply(ONE, trial=600)
    unload(host, interface, "one")
    assert apply(name="one", state="absent")["changed"] is True
    assert read_ledger(host)["trial"] is None
    assert apply(name="one", state="absent")["changed"] is False


def test_a_trial_whose_patch_is_gone_is_in_no_other_ones_way(host, interface, apply):
    apply(ONE, trial=600)
    unload(host, interface, "one")
    assert apply(TWO)["patch"]["state"] == "enabled"
    assert read_ledger(host)["trial"] is None


def test_a_later_load_without_a_trial_is_not_on_the_earlier_one(host, interface, apply):
    apply(ONE, trial=60)
    unload(host, interface, "one")
    apply(ONE)
    end_trial(host)
    assert stack(host, interface) == ["one"]


def test_a_patch_that_was_going_out_is_turned_round_without_a_trial_and_that_is_told(host, apply):
    apply(V1)
    host.hold(7, directions=("disabling",))
    apply(name="v1", state="absent", timeout=1, on_stall="wait")
    assert codes(apply(V1, trial=60)) == ["trial-not-begun"]
    assert read_ledger(host)["trial"] is None


def test_a_trial_that_began_before_the_lock_was_free_is_over_when_the_patch_is_accepted(
        host, interface, apply, monkeypatch):
    apply(ONE)
    real = acceptance.accept

    def meanwhile(change, controller, faults):
        monkeypatch.setattr(acceptance, "accept", real)
        apply(name="one", state="absent")
        apply(ONE, trial=60)
        return real(change, controller, faults)
    monkeypatch.setattr(acceptance, "accept", meanwhile)
    apply(ONE, state="accepted", fresh=True)
    end_trial(host)
    assert stack(host, interface) == ["one"]


@pytest.mark.parametrize("by_hand", [THREE, V2])
def test_a_trial_ends_under_a_patch_that_was_loaded_by_hand(host, interface, apply, by_hand):
    apply(TWO)
    apply(ONE, trial=60)
    load(host, by_hand)
    end_trial(host)
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["two"], None)
    assert history(host)["journal"][0]["outcome"] == "done"
