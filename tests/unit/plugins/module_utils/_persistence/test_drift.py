# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the simulated kernel differs from what the ledger and the journal say, and what patch_info tells of that."""

import os
import re

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import (
    DRIFT,
    WHEN_CRASHED,
    WHY_NO_BOOT_SERVICE,
    WHY_NOT_LOADED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import AFTER_BOOT, ON_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import (
    EARLIER_BOOT,
    FIX,
    HERE,
    LATER,
    NO_SYSTEMD,
    REBUILT,
    WHO,
    change,
    drift_codes,
    drift_messages,
    entry,
    layer,
    load,
    on_trial,
    quarantined,
    simulated_init_system,
    store_file,
    store_ledger,
    unload,
)


@pytest.fixture(autouse=True)
def init_system(kernel, monkeypatch):
    return simulated_init_system(kernel, monkeypatch)


# What is enabled


def test_enabled_and_not_accepted(kernel):
    load(kernel, FIX)
    store_ledger(kernel, loaded=[entry(FIX, since=None)])
    assert host_inventory(kernel)["drift"] == [{
        "code": "enabled-not-accepted", "level": "note", "subject": "fix",
        "message": "fix is enabled and not accepted, so the boot service does not load it. Set it to state accepted to "
                   "keep it."}]


def test_a_trial_that_nothing_will_end(kernel):
    load(kernel, FIX)
    store_ledger(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    assert drift_codes(kernel) == [("on-trial", "fix"), ("trial-process-missing", "fix")]
    assert "reverts automatically to no live patch" in drift_messages(kernel)["on-trial"]
    with change_lock(kernel, {"transaction": "x", "since": "2026-11-21T09:16:53Z", "who": WHO}):
        assert drift_codes(kernel) == [("on-trial", "fix")]  # what ends it can be what is at work


def test_an_init_system_that_does_not_answer_is_no_failure(kernel, monkeypatch):
    def armed(_host, _transaction):
        raise LivepatchError("not-answered", "systemctl does not answer.")

    load(kernel, FIX)
    store_ledger(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    monkeypatch.setattr("ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info.armed", armed)
    assert drift_codes(kernel) == [("on-trial", "fix")]


def test_loaded_by_hand(kernel):
    load(kernel, FIX)
    assert drift_codes(kernel) == [("loaded-by-hand", "fix")]


def test_what_is_not_enabled_yet_was_not_loaded_by_hand(kernel):
    kernel.hold(7)
    load(kernel, FIX)
    assert (drift_codes(kernel), host_inventory(kernel)["transition"]["state"]) == ([], "enabling")


@pytest.mark.parametrize("known", [
    {"loaded": [entry(FIX, since=None)]}, {"accepted": [entry(FIX)]},
    # A ledger with nothing but `booted` is not written at all.
    {"booted": {"confirmed": False, "patches": [entry(FIX, since=None)]}, "quarantined": [quarantined(LATER)]}])
def test_what_this_collection_has_loaded_was_not_loaded_by_hand(kernel, known):
    store_file(kernel, FIX)
    load(kernel, FIX)
    store_ledger(kernel, **known)
    assert ("loaded-by-hand", "fix") not in drift_codes(kernel)


def test_a_build_without_a_build_id_is_known_by_its_name(kernel):
    unknown = dict(entry(FIX), build_id=None)
    load(kernel, FIX)
    os.unlink(kernel.path("/sys/module/fix/notes/.note.gnu.build-id"))
    assert drift_codes(kernel) == [("loaded-by-hand", "fix")]
    store_ledger(kernel, loaded=[unknown])
    assert drift_codes(kernel) == [("enabled-not-accepted", "fix")]
    store_file(kernel, FIX)
    store_ledger(kernel, accepted=[unknown])
    assert drift_codes(kernel) == []


def test_another_build_under_a_known_name_was_loaded_by_hand(kernel):
    load(kernel, REBUILT)
    store_ledger(kernel, loaded=[entry(FIX, since=None)])
    assert drift_codes(kernel) == [("loaded-by-hand", "fix")]


# What is accepted


def test_another_build_than_accepted(kernel):
    store_file(kernel, FIX)
    load(kernel, REBUILT)
    store_ledger(kernel, accepted=[entry(FIX)], loaded=[entry(REBUILT, since=None)])
    assert drift_codes(kernel) == [("other-build-than-accepted", "fix")]
    message = drift_messages(kernel)["other-build-than-accepted"]
    assert f"build-id {REBUILT.build_id}, and the next boot loads the accepted one ({FIX.build_id})" in message


def why(kernel):
    assert drift_codes(kernel)[-1] == ("accepted-not-loaded", "fix")
    return drift_messages(kernel)["accepted-not-loaded"]


@pytest.fixture
def accepted(kernel):
    """The patch is accepted, and the kernel does not have it."""
    store_file(kernel, FIX)
    store_ledger(kernel, accepted=[entry(FIX)])


@pytest.mark.usefixtures("accepted")
class TestAcceptedAndNotLoaded:
    def test_without_a_reason(self, kernel):
        assert "the reason is not known. See" in why(kernel)

    def test_by_the_boot_switch(self, kernel, init_system):
        init_system.boot["switched_off"] = True
        assert "kernel_livepatch=off. Boot without it" in why(kernel)

    def test_by_a_boot_that_failed(self, kernel):
        change(kernel, "at-boot", "boot", patches=[FIX], outcome="failed", code="signature-rejected")
        assert "loading it at boot failed with signature-rejected (transaction at-boot)" in why(kernel)

    def test_not_by_an_earlier_boot_that_failed(self, kernel):
        change(kernel, "at-boot", "boot", EARLIER_BOOT, patches=[FIX], outcome="failed", code="signature-rejected")
        assert "the reason is not known. See" in why(kernel)

    def test_by_a_boot_that_was_interrupted(self, kernel):
        change(kernel, "at-boot", "boot", patches=[FIX], outcome=None)
        assert "loading it at boot was interrupted (transaction at-boot)" in why(kernel)

    def test_by_somebody_who_has_taken_it_out(self, kernel):
        change(kernel, "at-boot", "boot", after=[layer(FIX, accepted=True)])
        assert "it was enabled after transaction at-boot, and it was not this collection that removed it" in why(kernel)
        assert drift_codes(kernel) == [("accepted-not-loaded", "fix")]

    def test_by_another_patch_that_has_replaced_it(self, kernel):
        load(kernel, LATER)
        store_ledger(kernel, accepted=[entry(FIX)], loaded=[entry(LATER, since=None)])
        change(kernel, "first", after=[layer(FIX)])
        change(kernel, "second", patches=[LATER], replaces=["fix"], after=[layer(LATER)])
        assert "later has replaced it in transaction second" in why(kernel)
        assert drift_codes(kernel)[0] == ("enabled-not-accepted", "later")

    def test_not_by_a_patch_that_has_gone_since(self, kernel):
        change(kernel, "second", patches=[LATER], replaces=["fix"], after=[layer(LATER)])
        change(kernel, "third", patches=[LATER])
        assert "the reason is not known. See" in why(kernel)

    def test_by_its_quarantine(self, kernel):
        store_ledger(kernel, accepted=[entry(FIX)], quarantined=[quarantined(FIX)])
        assert "it is quarantined" in why(kernel)

    @pytest.mark.parametrize("known, reason", [
        ({"enabled": False}, "the unit kernel-livepatch.service is disabled. Run systemctl enable"),
        ({"enabled": False, "installed": False}, "the unit kernel-livepatch.service is missing. Set one"),
        (NO_SYSTEMD, "this host has no systemd"),
    ])
    def test_by_what_loads_it_at_boot(self, kernel, init_system, known, reason):
        init_system.boot.update(known)
        assert "no service loads it at boot" in why(kernel)
        assert drift_codes(kernel)[0] == ("boot-service-missing", "boot")
        assert reason in drift_messages(kernel)["boot-service-missing"]

    def test_not_while_a_change_goes_on(self, kernel):
        with change_lock(kernel, {"transaction": "x", "since": "2026-11-21T09:16:53Z", "who": WHO}):
            assert drift_codes(kernel) == []

    @pytest.mark.parametrize("state", ["enabling", "disabling"])
    def test_not_during_its_transition(self, kernel, interface, state):
        kernel.hold(7, directions=(state,))
        load(kernel, FIX)
        if state == "disabling":
            interface.set_enabled("fix", False)
            kernel.sleep(1)
        assert (drift_codes(kernel), [patch["state"] for patch in host_inventory(kernel)["patches"]]) == ([], [state])

    def test_while_it_is_disabled_and_still_shown(self, kernel, interface):
        load(kernel, FIX)
        interface.set_enabled("fix", False)
        kernel.sleep(0.5)
        assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["disabled"]
        assert drift_codes(kernel) == [("accepted-not-loaded", "fix")]

    def test_and_its_file_is_gone(self, kernel):
        os.unlink(kernel.path(f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.ko"))
        assert drift_codes(kernel) == [("accepted-file-missing", "fix"), ("accepted-not-loaded", "fix")]


def test_a_file_for_another_kernel_is_missed_too(kernel):
    store_file(kernel, FIX)
    store_ledger(kernel, accepted=[entry(FIX), entry(LATER, release="5.10.0-1")])
    assert drift_codes(kernel) == [("accepted-file-missing", "later"), ("accepted-not-loaded", "fix")]


def test_a_kernel_that_nothing_is_accepted_for(kernel):
    for patch in (FIX, LATER):
        store_file(kernel, patch)
    store_ledger(kernel, accepted=[entry(LATER, release="6.1.0-9"), entry(FIX, release="5.10.0-1")])
    assert drift_codes(kernel) == [("kernel-changed", HERE)]
    message = drift_messages(kernel)["kernel-changed"]
    assert f"accepted for kernel 5.10.0-1, 6.1.0-9 and none for the running {HERE}" in message


# What has gone


@pytest.mark.parametrize("at_boot", [False, True])
def test_gone_after_a_reboot(kernel, at_boot):
    change(kernel, "before", boot_id=EARLIER_BOOT, after=[layer(FIX), layer(LATER, accepted=True)])
    store_ledger(kernel, accepted=[entry(LATER, release="5.10.0-1")])
    if at_boot:
        change(kernel, "at-boot", "boot")
    assert drift_codes(kernel)[-1] == ("gone-after-reboot", "fix")
    assert ("gone-after-reboot", "later") not in drift_codes(kernel)
    assert "(transaction before)" in drift_messages(kernel)["gone-after-reboot"]


def test_gone_after_a_reboot_in_the_middle_of_a_change(kernel):
    change(kernel, "cut", boot_id=EARLIER_BOOT, patches=[LATER], before=[layer(FIX)], outcome=None)
    assert drift_codes(kernel) == [("gone-after-reboot", "fix")]


def test_what_is_there_again_or_has_been_dealt_with_is_not_gone(kernel, interface):
    change(kernel, "before", boot_id=EARLIER_BOOT, after=[layer(FIX)])
    load(kernel, FIX)
    assert drift_codes(kernel) == [("loaded-by-hand", "fix")]
    unload(kernel, interface, "fix")
    assert drift_codes(kernel) == [("gone-after-reboot", "fix")]
    change(kernel, "now", before=[], after=[])
    assert drift_codes(kernel) == []


def test_taken_out_by_hand(kernel, interface):
    load(kernel, FIX)
    store_ledger(kernel, loaded=[entry(FIX, since=None)])
    change(kernel, "enabled", patches=[FIX], after=[layer(FIX)])
    assert drift_codes(kernel) == [("enabled-not-accepted", "fix")]
    unload(kernel, interface, "fix")
    assert drift_codes(kernel) == [("removed-by-hand", "fix")]


def test_an_interrupted_change_says_nothing_of_what_is_there(kernel):
    change(kernel, "cut", patches=[FIX], before=[layer(LATER)], outcome=None)
    assert drift_codes(kernel) == []


# After a crash


def test_a_crash_on_trial_before_anything_has_settled_it(kernel):
    change(kernel, "first", boot_id=EARLIER_BOOT, patches=[FIX], after=[layer(FIX)])
    store_ledger(kernel, boot_id=EARLIER_BOOT, watched=True, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    now = host_inventory(kernel)
    assert now["quarantined"] == [quarantined(FIX, since=None)]
    assert now["trial"] is None
    assert drift_codes(kernel) == [("in-quarantine", "fix")]
    assert "crashed while it was enabled and not accepted" in drift_messages(kernel)["in-quarantine"]


def test_a_crash_after_boot(kernel):
    store_ledger(kernel, quarantined=[quarantined(FIX, why="crashed-after-boot")])
    assert "crashed soon after it had been loaded at boot" in drift_messages(kernel)["in-quarantine"]


def test_a_quarantine_is_no_drift_once_something_newer_is_accepted(kernel):
    store_file(kernel, LATER)
    load(kernel, LATER)
    store_ledger(kernel, accepted=[entry(LATER, since="2026-11-21T09:04:59Z")], quarantined=[quarantined(FIX)])
    assert drift_codes(kernel) == [("in-quarantine", "fix")]
    store_ledger(kernel, accepted=[entry(LATER, since="2026-11-21T09:05:01Z")], quarantined=[quarantined(FIX)])
    assert drift_codes(kernel) == []
    assert host_inventory(kernel)["quarantined"] == [quarantined(FIX)]


def test_after_a_clean_reboot_nothing_is_quarantined(kernel):
    change(kernel, "first", boot_id=EARLIER_BOOT, patches=[FIX], after=[layer(FIX)])
    store_ledger(kernel, boot_id=EARLIER_BOOT, watched=False, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    assert (host_inventory(kernel)["quarantined"], drift_codes(kernel)) == ([], [("gone-after-reboot", "fix")])


def test_every_message_says_what_to_do():
    texts = [message for code, (_level, _may, message) in DRIFT.items() if "{why}" not in message]
    clauses = [*WHY_NOT_LOADED.values(), *WHY_NO_BOOT_SERVICE.values()]
    assert all(re.search(r"[.] [A-Z]", text) for text in texts)
    assert all(re.search(r"[.] [A-Z]|, then ", text) for text in clauses)
    assert set(WHEN_CRASHED) == {AFTER_BOOT, ON_TRIAL}
