# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_info tells of the ledger, and where it differs from the simulated kernel."""

import os
from io import BytesIO
from types import SimpleNamespace

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils import _inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._aftermath import AFTER_BOOT, ON_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._findings_of_drift import (
    DRIFT,
    WHEN_CRASHED,
    WHY_NO_BOOT_PART,
    WHY_NOT_LOADED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._inventory import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._journal import append_record
from ansible_collections.kernel.livepatch.plugins.module_utils._ledger import PATH, empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulated_patch import SimulatedPatch

FIX = SimulatedPatch()
REBUILT = SimulatedPatch(build_id="ab" * 20)  # another build of the same name
LATER = SimulatedPatch("later", build_id="cc" * 20, replace=True)
HERE = "6.1.0-56-amd64"
THIS_BOOT = "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11"
EARLIER_BOOT = "00000000-7a54-4c1c-8d55-7a8f3d0c9d11"
WHO = {"controller_user": None, "controller_node": None, "user": "root", "address": None}
UNKNOWN = {"accepted": None, "boot": None, "quarantined": None, "trial": None, "drift": None}
SYSTEMD = {"installed": True, "enabled": True, "switched_off": False, "init": "systemd"}
NO_SYSTEMD = {"installed": False, "enabled": False, "switched_off": False, "init": "none"}


@pytest.fixture(autouse=True)
def init_system(kernel, monkeypatch):
    """What stands for the init system: `boot` is what it tells, `armed` the transactions whose trial it will end."""

    kernel.put("/proc/sys/kernel/random/boot_id", f"{THIS_BOOT}\n")
    stand_in = SimpleNamespace(boot=dict(SYSTEMD), armed=())
    monkeypatch.setattr(_inventory, "boot_part", lambda _host: dict(stand_in.boot))
    monkeypatch.setattr(_inventory, "armed", lambda _host, transaction: transaction in stand_in.armed)
    return stand_in


@pytest.fixture
def load(kernel, tmp_path):
    """load(patch): the kernel has it enabled; whoever did it."""

    def by_hand(patch):
        path = tmp_path / f"{patch.sha256}.ko"
        path.write_bytes(patch.image)
        descriptor = os.open(str(path), os.O_RDONLY)
        kernel.finit_module(descriptor, "")
        os.close(descriptor)
        kernel.sleep(2)

    return by_hand


@pytest.fixture
def take_out(kernel, interface):
    def by_hand(name):
        interface.turn(name, False)
        kernel.sleep(1)
        kernel.sleep(1)
        kernel.delete_module(name)

    return by_hand


def keep(kernel, patch):
    Store(kernel).put(BytesIO(patch.image), patch.description)


def entry(patch, since="2026-11-21T09:00:00Z", **more):
    """What the ledger has of a patch; of `loaded` without `since`."""
    known = {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "release": HERE,
             "parameters": "count=3", "transaction": "first"}
    return dict(known, since=since, **more) if since else dict(known, **more)


def layer(patch, accepted=False):
    return {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "parameters": "",
            "accepted": accepted}


def remember(kernel, boot_id=THIS_BOOT, **known):
    """Write a ledger of this boot."""
    write_ledger(kernel, dict(empty_ledger(), boot_id=boot_id, **known))


def on_trial(patch, back_to=()):
    return {"transaction": "trial", "name": patch.name, "since": "2026-11-21T09:10:00Z", "seconds": 300, "ends": 120.6,
            "back_to": [layer(one, accepted=True) for one in back_to]}


def quarantined(patch, since="2026-11-21T09:05:00Z", why="crashed-on-trial"):
    return {"name": patch.name, "build_id": patch.build_id, "sha256": patch.sha256, "why": why, "transaction": "first",
            "since": since}


def change(kernel, name, action="patch", boot_id=THIS_BOOT, patches=(), before=(), after=(), outcome="done", code=None,
           replaces=()):
    """A change in the journal; one without `outcome` was interrupted."""
    append_record(kernel, "begin", {
        "transaction": name, "time": "2026-11-21T09:00:00Z", "boot_id": boot_id, "kernel": HERE, "action": action,
        "who": WHO, "before": list(before), "patches": [
            {"name": patch.name, "sha256": patch.sha256, "build_id": patch.build_id, "previous_state": "absent",
             "wanted_state": "enabled"} for patch in patches]})
    if outcome:
        append_record(kernel, "end", {
            "transaction": name, "time": "2026-11-21T09:00:01Z", "outcome": outcome, "code": code, "seconds": 1.0,
            "replaces": list(replaces), "after": list(after), "patches": []})


def told(kernel):
    return [(found["code"], found["subject"]) for found in host_inventory(kernel)["drift"]]


def messages(kernel):
    return {found["code"]: found["message"] for found in host_inventory(kernel)["drift"]}


def remembered(kernel):
    inventory = host_inventory(kernel)
    return {key: inventory[key] for key in UNKNOWN}


# What there is


@pytest.mark.parametrize("known", [SYSTEMD, NO_SYSTEMD])
def test_a_host_with_nothing_to_remember(kernel, init_system, known):
    init_system.boot.update(known)
    assert remembered(kernel) == {
        "accepted": [], "boot": dict(known, patches=[]), "quarantined": [], "trial": None, "drift": []}


def test_an_accepted_patch_that_runs(kernel, load):
    keep(kernel, FIX)
    load(FIX)
    remember(kernel, accepted=[entry(FIX)], loaded=[entry(FIX, since=None)])
    assert remembered(kernel) == {
        "accepted": [dict(entry(FIX), kept=True)], "boot": dict(SYSTEMD, patches=["fix"]), "quarantined": [],
        "trial": None, "drift": []}
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["accepted"]


def test_a_patch_on_trial(kernel, load, init_system):
    load(LATER)
    init_system.armed = ("trial",)
    keep(kernel, FIX)
    remember(kernel, accepted=[entry(FIX)], loaded=[entry(LATER, since=None)], trial=on_trial(LATER, back_to=[FIX]))
    assert kernel.now() == 2
    assert host_inventory(kernel)["trial"] == {
        "transaction": "trial", "name": "later", "since": "2026-11-21T09:10:00Z", "seconds": 300, "seconds_left": 119,
        "back_to": ["fix"]}
    assert told(kernel) == [("on-trial", "later")]  # that it has replaced what is accepted is as it should be
    assert "for 300 s, and then the host goes back to fix by itself" in messages(kernel)["on-trial"]
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["enabled"]


def test_a_trial_that_is_over_has_no_seconds_left(kernel):
    remember(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    kernel.sleep(200)
    assert host_inventory(kernel)["trial"]["seconds_left"] == 0


def test_what_the_next_boot_loads_is_in_order_and_only_what_it_can(kernel, init_system):
    for patch in (LATER, FIX, REBUILT):
        keep(kernel, patch)
    other, gone = SimulatedPatch("other", build_id="dd" * 20), SimulatedPatch("gone", build_id="ee" * 20)
    keep(kernel, other)
    remember(kernel, accepted=[
        entry(LATER), entry(FIX), entry(gone), entry(other, release="5.10.0-1"), entry(REBUILT)],
        quarantined=[quarantined(REBUILT)])
    assert host_inventory(kernel)["boot"]["patches"] == ["later", "fix"]
    assert [one["kept"] for one in host_inventory(kernel)["accepted"]] == [True, True, False, True, True]
    init_system.boot["switched_off"] = True
    assert host_inventory(kernel)["boot"]["patches"] == ["later", "fix"]
    init_system.boot["enabled"] = False
    assert host_inventory(kernel)["boot"]["patches"] == []


def test_a_user_who_may_not_read_the_ledger_is_told_none(kernel, load):
    load(FIX)
    remember(kernel, accepted=[entry(FIX)])
    kernel.forbidden = ("/var/lib/kernel-livepatch", "/run/kernel-livepatch")
    assert remembered(kernel) == UNKNOWN
    assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["enabled"]


def test_a_damaged_ledger_is_told_and_the_rest_is(kernel, load):
    load(FIX)
    kernel.put(PATH, '{"schema": 1, "accepted": [')
    assert remembered(kernel) == dict(UNKNOWN, drift=[{
        "code": "ledger-damaged", "level": "warning", "subject": PATH, "message": messages(kernel)["ledger-damaged"]}])
    assert "move it away" in messages(kernel)["ledger-damaged"]
    assert [patch["name"] for patch in host_inventory(kernel)["patches"]] == ["fix"]


def test_looking_changes_nothing(kernel, load):
    load(FIX)
    remember(kernel, boot_id=EARLIER_BOOT, watched=True, loaded=[entry(FIX, since=None)])
    ledger = kernel.read_bytes(PATH)
    kernel.writes.clear()
    host_inventory(kernel)
    assert (kernel.read_bytes(PATH), kernel.writes) == (ledger, [])


# What is enabled


def test_enabled_and_not_accepted(kernel, load):
    load(FIX)
    remember(kernel, loaded=[entry(FIX, since=None)])
    assert host_inventory(kernel)["drift"] == [{
        "code": "enabled-not-accepted", "level": "note", "subject": "fix",
        "message": "fix is enabled and not accepted, so the next boot does not load it: bring it to state accepted to "
                   "keep it."}]


def test_a_trial_that_nothing_will_end(kernel, load):
    load(FIX)
    remember(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    assert told(kernel) == [("on-trial", "fix"), ("trial-not-guarded", "fix")]
    assert "goes back to no live patch" in messages(kernel)["on-trial"]
    with change_lock(kernel, {"transaction": "x", "since": "2026-11-21T09:16:53Z", "who": WHO}):
        assert told(kernel) == [("on-trial", "fix")]  # what ends it can be what is at work


def test_an_init_system_that_does_not_answer_is_no_failure(kernel, load, monkeypatch):
    def armed(_host, _transaction):
        raise LivepatchError("not-answered", "systemctl does not answer.")

    load(FIX)
    remember(kernel, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    monkeypatch.setattr(_inventory, "armed", armed)
    assert told(kernel) == [("on-trial", "fix")]


def test_loaded_by_hand(kernel, load):
    load(FIX)
    assert told(kernel) == [("loaded-by-hand", "fix")]


def test_what_is_not_enabled_yet_was_not_loaded_by_hand(kernel, load):
    kernel.hold(7)
    load(FIX)
    assert (told(kernel), host_inventory(kernel)["transition"]["state"]) == ([], "enabling")


@pytest.mark.parametrize("known", [
    {"loaded": [entry(FIX, since=None)]}, {"accepted": [entry(FIX)]},
    # A ledger with nothing but `booted` is not written at all.
    {"booted": {"proven": False, "patches": [entry(FIX, since=None)]}, "quarantined": [quarantined(LATER)]}])
def test_what_this_collection_has_loaded_was_not_loaded_by_hand(kernel, load, known):
    keep(kernel, FIX)
    load(FIX)
    remember(kernel, **known)
    assert ("loaded-by-hand", "fix") not in told(kernel)


def test_another_build_under_a_known_name_was_loaded_by_hand(kernel, load):
    load(REBUILT)
    remember(kernel, loaded=[entry(FIX, since=None)])
    assert told(kernel) == [("loaded-by-hand", "fix")]


# What is accepted


def test_another_build_than_accepted(kernel, load):
    keep(kernel, FIX)
    load(REBUILT)
    remember(kernel, accepted=[entry(FIX)], loaded=[entry(REBUILT, since=None)])
    assert told(kernel) == [("other-build-than-accepted", "fix")]
    assert f"(build-id {REBUILT.build_id}) than the accepted one ({FIX.build_id})" in messages(kernel)[
        "other-build-than-accepted"]


def why(kernel):
    assert told(kernel)[-1] == ("accepted-not-loaded", "fix")
    return messages(kernel)["accepted-not-loaded"]


@pytest.fixture
def accepted(kernel):
    """The patch is accepted, and the kernel does not have it."""
    keep(kernel, FIX)
    remember(kernel, accepted=[entry(FIX)])


@pytest.mark.usefixtures("accepted")
class TestAcceptedAndNotLoaded:
    def test_without_a_reason(self, kernel):
        assert "why is not known; look at" in why(kernel)

    def test_by_the_boot_switch(self, kernel, init_system):
        init_system.boot["switched_off"] = True
        assert "kernel_livepatch=off; boot without it" in why(kernel)

    def test_by_a_boot_that_failed(self, kernel):
        change(kernel, "at-boot", "boot", patches=[FIX], outcome="failed", code="signature-rejected")
        assert "loading it at boot ended with signature-rejected (transaction at-boot)" in why(kernel)

    def test_not_by_an_earlier_boot_that_failed(self, kernel):
        change(kernel, "at-boot", "boot", EARLIER_BOOT, patches=[FIX], outcome="failed", code="signature-rejected")
        assert "why is not known; look at" in why(kernel)

    def test_by_a_boot_that_was_interrupted(self, kernel):
        change(kernel, "at-boot", "boot", patches=[FIX], outcome=None)
        assert "loading it at boot was interrupted (transaction at-boot)" in why(kernel)

    def test_by_somebody_who_has_taken_it_out(self, kernel):
        change(kernel, "at-boot", "boot", after=[layer(FIX, accepted=True)])
        assert "it was after transaction at-boot, and something else" in why(kernel)
        assert told(kernel) == [("accepted-not-loaded", "fix")]

    def test_by_another_patch_that_has_replaced_it(self, kernel, load):
        load(LATER)
        remember(kernel, accepted=[entry(FIX)], loaded=[entry(LATER, since=None)])
        change(kernel, "first", after=[layer(FIX)])
        change(kernel, "second", patches=[LATER], replaces=["fix"], after=[layer(LATER)])
        assert "later has replaced it in transaction second" in why(kernel)
        assert told(kernel)[0] == ("enabled-not-accepted", "later")

    def test_not_by_a_patch_that_has_gone_since(self, kernel):
        change(kernel, "second", patches=[LATER], replaces=["fix"], after=[layer(LATER)])
        change(kernel, "third", patches=[LATER])
        assert "why is not known; look at" in why(kernel)

    def test_by_its_quarantine(self, kernel):
        remember(kernel, accepted=[entry(FIX)], quarantined=[quarantined(FIX)])
        assert "it is quarantined" in why(kernel)

    @pytest.mark.parametrize("known, reason", [
        ({"enabled": False}, "the unit kernel-livepatch.service is disabled; run systemctl enable"),
        ({"enabled": False, "installed": False}, "the unit kernel-livepatch.service is missing or masked"),
        (NO_SYSTEMD, "this host has no systemd"),
    ])
    def test_by_what_loads_it_at_boot(self, kernel, init_system, known, reason):
        init_system.boot.update(known)
        assert "nothing loads it at boot" in why(kernel)
        assert told(kernel)[0] == ("boot-part-missing", "boot")
        assert reason in messages(kernel)["boot-part-missing"]

    def test_not_while_a_change_goes_on(self, kernel):
        with change_lock(kernel, {"transaction": "x", "since": "2026-11-21T09:16:53Z", "who": WHO}):
            assert told(kernel) == []

    @pytest.mark.parametrize("state", ["enabling", "disabling"])
    def test_not_during_its_transition(self, kernel, interface, load, state):
        kernel.hold(7, directions=(state,))
        load(FIX)
        if state == "disabling":
            interface.turn("fix", False)
            kernel.sleep(1)
        assert (told(kernel), [patch["state"] for patch in host_inventory(kernel)["patches"]]) == ([], [state])

    def test_while_it_is_disabled_and_still_shown(self, kernel, interface, load):
        load(FIX)
        interface.turn("fix", False)
        kernel.sleep(0.5)
        assert [patch["state"] for patch in host_inventory(kernel)["patches"]] == ["disabled"]
        assert told(kernel) == [("accepted-not-loaded", "fix")]

    def test_and_its_file_is_gone(self, kernel):
        os.unlink(kernel.path(f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.ko"))
        assert told(kernel) == [("accepted-file-missing", "fix"), ("accepted-not-loaded", "fix")]


def test_a_file_for_another_kernel_is_missed_too(kernel):
    keep(kernel, FIX)
    remember(kernel, accepted=[entry(FIX), entry(LATER, release="5.10.0-1")])
    assert told(kernel) == [("accepted-file-missing", "later"), ("accepted-not-loaded", "fix")]


def test_a_kernel_that_nothing_is_accepted_for(kernel):
    for patch in (FIX, LATER):
        keep(kernel, patch)
    remember(kernel, accepted=[entry(LATER, release="6.1.0-9"), entry(FIX, release="5.10.0-1")])
    assert told(kernel) == [("kernel-changed", HERE)]
    assert f"accepted for kernel 5.10.0-1, 6.1.0-9 and none for {HERE}" in messages(kernel)["kernel-changed"]


# What has gone


@pytest.mark.parametrize("at_boot", [False, True])
def test_gone_after_a_reboot(kernel, at_boot):
    change(kernel, "before", boot_id=EARLIER_BOOT, after=[layer(FIX), layer(LATER, accepted=True)])
    remember(kernel, accepted=[entry(LATER, release="5.10.0-1")])
    if at_boot:
        change(kernel, "at-boot", "boot")
    assert told(kernel)[-1] == ("gone-after-reboot", "fix")
    assert ("gone-after-reboot", "later") not in told(kernel)
    assert "(transaction before)" in messages(kernel)["gone-after-reboot"]


def test_gone_after_a_reboot_in_the_middle_of_a_change(kernel):
    change(kernel, "cut", boot_id=EARLIER_BOOT, patches=[LATER], before=[layer(FIX)], outcome=None)
    assert told(kernel) == [("gone-after-reboot", "fix")]


def test_what_is_there_again_or_has_been_dealt_with_is_not_gone(kernel, load, take_out):
    change(kernel, "before", boot_id=EARLIER_BOOT, after=[layer(FIX)])
    load(FIX)
    assert told(kernel) == [("loaded-by-hand", "fix")]
    take_out("fix")
    assert told(kernel) == [("gone-after-reboot", "fix")]
    change(kernel, "now", before=[], after=[])
    assert told(kernel) == []


def test_taken_out_by_hand(kernel, load, take_out):
    load(FIX)
    remember(kernel, loaded=[entry(FIX, since=None)])
    change(kernel, "enabled", patches=[FIX], after=[layer(FIX)])
    assert told(kernel) == [("enabled-not-accepted", "fix")]
    take_out("fix")
    assert told(kernel) == [("taken-out-by-hand", "fix")]


def test_an_interrupted_change_says_nothing_of_what_is_there(kernel):
    change(kernel, "cut", patches=[FIX], before=[layer(LATER)], outcome=None)
    assert told(kernel) == []


# After a crash


def test_a_crash_on_trial_before_anything_has_settled_it(kernel):
    change(kernel, "first", boot_id=EARLIER_BOOT, patches=[FIX], after=[layer(FIX)])
    remember(kernel, boot_id=EARLIER_BOOT, watched=True, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    now = remembered(kernel)
    assert now["quarantined"] == [quarantined(FIX, since=None)]
    assert now["trial"] is None
    assert told(kernel) == [("in-quarantine", "fix")]
    assert "crashed while it was enabled and not accepted" in messages(kernel)["in-quarantine"]


def test_a_crash_after_boot(kernel):
    remember(kernel, quarantined=[quarantined(FIX, why="crashed-after-boot")])
    assert "crashed soon after it had been loaded at boot" in messages(kernel)["in-quarantine"]


def test_a_quarantine_is_no_drift_once_something_newer_is_accepted(kernel, load):
    keep(kernel, LATER)
    load(LATER)
    remember(kernel, accepted=[entry(LATER, since="2026-11-21T09:04:59Z")], quarantined=[quarantined(FIX)])
    assert told(kernel) == [("in-quarantine", "fix")]
    remember(kernel, accepted=[entry(LATER, since="2026-11-21T09:05:01Z")], quarantined=[quarantined(FIX)])
    assert told(kernel) == []
    assert host_inventory(kernel)["quarantined"] == [quarantined(FIX)]


def test_after_a_clean_reboot_nothing_is_quarantined(kernel):
    change(kernel, "first", boot_id=EARLIER_BOOT, patches=[FIX], after=[layer(FIX)])
    remember(kernel, boot_id=EARLIER_BOOT, watched=False, loaded=[entry(FIX, since=None)], trial=on_trial(FIX))
    assert (remembered(kernel)["quarantined"], told(kernel)) == ([], [("gone-after-reboot", "fix")])


def test_every_message_says_what_to_do():
    texts = [message for code, (_level, _may, message) in DRIFT.items() if "{why}" not in message]
    clauses = [*WHY_NOT_LOADED.values(), *WHY_NO_BOOT_PART.values()]
    assert all(": " in text for text in texts)
    assert all("; " in text or "see " in text for text in clauses)
    assert set(WHEN_CRASHED) == {AFTER_BOOT, ON_TRIAL}
