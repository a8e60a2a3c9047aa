# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What should be there and is not, and what is there and should not: told by patch_info, mended by patch."""

from __future__ import annotations

import pytest
from wholeness import codes

OFF = "echo 0 >/sys/kernel/livepatch/{0}/enabled && until test ! -e /sys/kernel/livepatch/{0}; do sleep 0.1; done"
OUT = OFF + " && until rmmod {0} 2>/dev/null; do sleep 0.1; done"


@pytest.fixture
def drift(play):
    """What patch_info calls drift, as (code, subject)."""
    return lambda: [(found["code"], found["subject"]) for found in play("patch_info").result["livepatch"]["drift"]]


@pytest.mark.exhaustive
def test_what_is_enabled_and_not_accepted(play, guest, patches, drift):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert drift() == [("enabled-not-accepted", "cmdline_v1")]
    assert play("patch", name="cmdline_v1", state="accepted").code == 0
    assert drift() == []


def test_what_is_accepted_and_not_loaded(play, guest, patches, drift, seen):
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.run(OUT.format("cmdline_v1"))
    assert drift() == [("accepted-not-loaded", "cmdline_v1")]
    assert play("patch", src=patches["cmdline_v1"], state="accepted").result["changed"] is True
    assert (drift(), guest.version()) == ([], "v1")
    seen("an accepted patch removed by hand", "accepted-not-loaded, until patch restores it")


@pytest.mark.exhaustive
def test_another_build_than_the_accepted_one(play, guest, patches, drift, seen):
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.run(OUT.format("cmdline_v1"))
    guest.load(patches["cmdline_v1_rebuilt"])
    guest.wait("test $(cat /sys/kernel/livepatch/cmdline_v1/transition) = 0")
    assert ("other-build-than-accepted", "cmdline_v1") in drift()
    assert play("patch", name="cmdline_v1", state="absent").code == 0
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    assert (drift(), guest.version()) == ([], "v1")
    seen("another build than the accepted one loaded by hand", "other-build-than-accepted, until patch corrects it")


@pytest.mark.exhaustive
def test_a_patch_loaded_by_hand_is_drift(play, guest, patches, drift, seen):
    guest.load(patches["cmdline_v1"])
    guest.wait("test $(cat /sys/kernel/livepatch/cmdline_v1/transition) = 0")
    assert drift() == [("loaded-by-hand", "cmdline_v1")]
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    assert drift() == []
    seen("a patch loaded by hand", "loaded-by-hand, until it is accepted")


@pytest.mark.exhaustive
def test_a_patch_unloaded_by_hand_is_drift(play, guest, patches, drift):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    guest.run(OUT.format("cmdline_v1"))
    assert drift() == [("removed-by-hand", "cmdline_v1")]
    assert play("patch", src=patches["cmdline_v1"]).result["changed"] is True
    assert drift() == [("enabled-not-accepted", "cmdline_v1")]


@pytest.mark.exhaustive
def test_what_was_only_enabled_is_gone_after_a_reboot(start, patches, seen):
    guest, play = start()
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    guest.reboot()
    assert guest.live_patches() == []
    livepatch = play("patch_info").result["livepatch"]
    assert codes(livepatch["drift"]) == {"gone-after-reboot"}
    assert livepatch["quarantined"] == []
    assert play("patch", src=patches["cmdline_v1"]).result["changed"] is True
    assert codes(play("patch_info").result["livepatch"]["drift"]) == {"enabled-not-accepted"}
    seen("reboot with a patch enabled and not accepted", "not loaded: gone-after-reboot, until patch loads it")


@pytest.mark.exhaustive
def test_a_file_that_the_next_boot_needs_is_missed(play, guest, patches, drift):
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.run("rm /var/lib/kernel-livepatch/patches/*.ko")
    assert drift() == [("accepted-file-missing", "cmdline_v1")]
    guest.run("systemctl --quiet disable kernel-livepatch.service")
    assert [code for code, _subject in drift()] == ["accepted-file-missing", "boot-service-missing"]


@pytest.mark.exhaustive
def test_the_boot_service_is_installed_again_unless_an_operator_masked_it(play, guest, patches, drift):
    accepted = {"src": patches["cmdline_v1"], "state": "accepted"}
    remove = "rm /etc/systemd/system/kernel-livepatch.service && systemctl daemon-reload"
    assert play("patch", **accepted).code == 0
    for damage in ("systemctl --quiet disable kernel-livepatch.service", remove):
        guest.run(damage)
        assert drift() == [("boot-service-missing", "boot")]
        assert play("patch", **accepted).result["changed"] is True
        assert drift() == []
    guest.run(f"{remove} && systemctl --quiet mask kernel-livepatch.service")
    try:
        assert drift() == [("boot-service-missing", "boot")]
        assert play("patch", **accepted).result["changed"] is False
    finally:
        guest.run("systemctl --quiet unmask kernel-livepatch.service")


@pytest.mark.exhaustive
def test_a_damaged_ledger_is_told(play, guest, patches, drift):
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.run("echo '{' >/var/lib/kernel-livepatch/ledger.json")
    assert ("ledger-damaged" in [code for code, _subject in drift()]) is True
    refused = play("patch", src=patches["second_of_two"])
    assert (refused.code, refused.result["code"]) == (2, "ledger-damaged"), refused.output
    assert play("patch_rollback", to="original").code == 0
    assert guest.live_patches() == []
