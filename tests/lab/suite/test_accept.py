# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acceptance: over a connection of its own, verified, and only then kept."""

from __future__ import annotations

import pytest
from wholeness import assert_whole, codes


def accepted(guest, play, patches, **options):
    outcome = play("patch", state="accepted", **options)
    assert outcome.code == 0, outcome.output
    assert outcome.result["patch"]["state"] == "accepted"
    return outcome


@pytest.mark.core
def test_from_absent_to_accepted_in_one_task(play, guest, patches, seen):
    outcome = accepted(guest, play, patches, src=patches["cmdline_v1"])
    assert (outcome.result["changed"], outcome.result["patch"]["previous_state"]) == (True, "absent")
    livepatch = assert_whole(guest, play, "accept done", "patch done")
    assert [(entry["name"], entry["release"], entry["kept"]) for entry in livepatch["accepted"]] == [
        ("cmdline_v1", guest.release(), True)]
    assert livepatch["boot"] == {
        "init": "systemd", "installed": True, "enabled": True, "obstacle": None, "switched_off": False,
        "patches": ["cmdline_v1"], "next": {  # QEMU starts the kernel from outside
            "loader": None, "entry": None, "kernel": None, "patches": None,
            "why": "neither a configuration of GRUB nor of systemd-boot is found"}}
    assert (livepatch["trial"], codes(livepatch["drift"]), guest.guards()) == (None, set(), [])
    again = play("patch", src=patches["cmdline_v1"], state="accepted")
    assert (again.result["changed"], again.trips) == (False, ["ssh"])
    assert play("patch", src=patches["cmdline_v1"]).result["changed"] is False
    assert_whole(guest, play, "accept done", "patch done")
    seen("state: accepted from absent", "loaded on trial, accepted over a new connection, nothing left armed")


@pytest.mark.exhaustive
def test_acceptance_ends_a_trial(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"], trial=300).code == 0
    outcome = accepted(guest, play, patches, name="cmdline_v1")
    assert outcome.result["changed"] is True
    livepatch = assert_whole(guest, play, "accept done", "patch done")
    assert (livepatch["trial"], guest.guards(), guest.version()) == (None, [], "v1")


@pytest.mark.exhaustive
def test_a_host_that_no_new_connection_reaches_accepts_nothing(play, guest, patches, seen):
    lost = play("patch", src=patches["drop_network"], state="accepted", trial=30, transition_timeout=20)
    assert lost.code in (2, 4), lost.output
    guest.machine.wait_for_ssh(120)
    guest.wait_until_back("drop_network")
    livepatch = assert_whole(guest, play, "trial done", "patch done")
    assert (livepatch["accepted"], livepatch["boot"]["patches"], livepatch["trial"]) == ([], [], None)
    seen("state: accepted for a patch dropping all network traffic", "never accepted; reverted automatically")


@pytest.mark.exhaustive
def test_check_mode_accepts_nothing(play, guest, patches):
    forecast = play("patch", "--check", src=patches["cmdline_v1"], state="accepted").result
    assert (forecast["changed"], forecast["patch"]["state"]) == (True, "accepted")
    assert guest.live_patches() == []
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    forecast = play("patch", "--check", src=patches["cmdline_v1"], state="accepted").result
    assert (forecast["changed"], forecast["patch"]["state"]) == (True, "accepted")
    assert assert_whole(guest, play, "patch done")["accepted"] == []


@pytest.mark.exhaustive
def test_what_is_absent_is_accepted_no_more(play, guest, patches):
    accepted(guest, play, patches, src=patches["cmdline_v1"])
    assert play("patch", name="cmdline_v1", state="absent").code == 0
    livepatch = assert_whole(guest, play, "patch done", "accept done", "patch done")
    assert (livepatch["accepted"], livepatch["boot"]["patches"], codes(livepatch["drift"])) == ([], [], set())


@pytest.mark.exhaustive
def test_a_replacing_patch_takes_the_place_of_what_it_replaces(play, guest, patches):
    accepted(guest, play, patches, src=patches["cmdline_v1"])
    accepted(guest, play, patches, src=patches["second_of_two"])
    assert assert_whole(guest, play, *["accept done", "patch done"] * 2)["boot"]["patches"] == [
        "cmdline_v1", "second_of_two"]
    accepted(guest, play, patches, src=patches["cmdline_v2"], ignore_findings=["replaces-foreign-patch"])
    livepatch = assert_whole(guest, play, *["accept done", "patch done"] * 3)
    assert livepatch["boot"]["patches"] == ["cmdline_v2"]
    assert codes(livepatch["drift"]) == set()
