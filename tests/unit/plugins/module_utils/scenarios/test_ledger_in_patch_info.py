# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_info tells of the ledger: what is accepted, what the next boot loads, what is on trial or quarantined."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import NOT_KNOWN, host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import (
    EARLIER_BOOT,
    FIX,
    LATER,
    NO_SYSTEMD,
    REBUILT,
    SYSTEMD,
    drift_codes,
    drift_messages,
    entry,
    load,
    on_trial,
    quarantined,
    simulated_init_system,
    store_file,
    store_ledger,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


@pytest.fixture(autouse=True)
def init_system(kernel, monkeypatch):
    return simulated_init_system(kernel, monkeypatch)


def remembered(kernel):
    """The part of the inventory from the ledger; the next kernel has tests of its own."""
    inventory = host_inventory(kernel)
    (inventory["boot"] or {}).pop("next", None)
    return {key: inventory[key] for key in NOT_KNOWN}


@pytest.mark.parametrize("known", [SYSTEMD, NO_SYSTEMD])
def test_a_host_with_nothing_to_remember(kernel, init_system, known):
    init_system.boot.update(known)
    assert remembered(kernel) == {
        "accepted": [], "boot": dict(known, patches=[]), "quarantined": [], "trial": None, "failed_watch": None,
        "drift": []}


def test_an_accepted_patch_that_runs(kernel):
    store_file(kernel, FIX)
    load(kernel, FIX)
    store_ledger(kernel, accepted=[entry(FIX)], loaded=[entry(FIX, since=None)])
    assert remembered(kernel) == {
        "accepted": [dict(entry(FIX), kept=True, untried=False)], "boot": dict(SYSTEMD, patches=["fix"]),
        "quarantined": [], "trial": None, "failed_watch": None, "drift": []}
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["accepted"]


def test_a_patch_on_trial(kernel, init_system):
    load(kernel, LATER)
    init_system.armed = ("trial",)
    store_file(kernel, FIX)
    store_ledger(kernel, accepted=[entry(FIX)], loaded=[entry(LATER, since=None)], trial=on_trial(LATER, back_to=[FIX]))
    assert kernel.now() == 2
    assert host_inventory(kernel)["trial"] == {
        "transaction": "trial", "name": "later", "since": "2026-11-21T09:10:00Z", "seconds": 300, "seconds_left": 119,
        "back_to": ["fix"], "watch": None}
    assert drift_codes(kernel) == [("on-trial", "later")]  # that it has replaced what is accepted is as it should be
    assert "for 300 s. The host then reverts automatically to fix." in drift_messages(kernel)["on-trial"]
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["enabled"]


def test_a_trial_that_is_over_has_no_seconds_left(kernel):
    store_ledger(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    kernel.sleep(200)
    assert host_inventory(kernel)["trial"]["seconds_left"] == 0


def test_what_the_next_boot_loads_is_in_order_and_only_what_it_can(kernel, init_system):
    for patch in (LATER, FIX, REBUILT):
        store_file(kernel, patch)
    other, gone = SimulatedPatch("other", build_id="dd" * 20), SimulatedPatch("gone", build_id="ee" * 20)
    store_file(kernel, other)
    store_ledger(kernel, accepted=[
        entry(LATER), entry(FIX), entry(gone), entry(other, release="5.10.0-1"), entry(REBUILT)],
        quarantined=[quarantined(REBUILT)])
    assert host_inventory(kernel)["boot"]["patches"] == ["later", "fix"]
    assert [one["kept"] for one in host_inventory(kernel)["accepted"]] == [True, True, False, True, True]
    init_system.boot["switched_off"] = True
    assert host_inventory(kernel)["boot"]["patches"] == ["later", "fix"]
    init_system.boot["enabled"] = False
    assert host_inventory(kernel)["boot"]["patches"] == []


def test_a_user_who_may_not_read_the_ledger_is_told_none(kernel):
    load(kernel, FIX)
    store_ledger(kernel, accepted=[entry(FIX)])
    kernel.forbidden = ("/var/lib/kernel-livepatch", "/run/kernel-livepatch")
    kernel.user_id = lambda: 1000
    assert remembered(kernel) == NOT_KNOWN
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["enabled"]


def test_a_damaged_ledger_is_told_and_the_rest_is(kernel):
    load(kernel, FIX)
    kernel.put(LEDGER, '{"schema": 1, "accepted": [')
    message = drift_messages(kernel)["ledger-damaged"]
    assert remembered(kernel) == dict(NOT_KNOWN, drift=[{
        "code": "ledger-damaged", "level": "warning", "subject": LEDGER, "message": message}])
    assert "Move the file away" in drift_messages(kernel)["ledger-damaged"]
    assert [patch["name"] for patch in host_inventory(kernel)["patches"]] == ["fix"]


def test_looking_changes_nothing(kernel):
    load(kernel, FIX)
    store_ledger(kernel, boot_id=EARLIER_BOOT, watched=True, loaded=[entry(FIX, since=None)])
    ledger = kernel.read_bytes(LEDGER)
    kernel.writes.clear()
    host_inventory(kernel)
    assert (kernel.read_bytes(LEDGER), kernel.writes) == (ledger, [])
