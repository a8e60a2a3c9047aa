# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to an earlier stack of patches, from what the host keeps itself."""

from __future__ import annotations

import pytest
from wholeness import assert_whole, codes


def names(entries):
    return [entry["name"] for entry in entries]


@pytest.mark.core
def test_between_cumulative_patches_there_is_no_gap(play, guest, patches, seen):
    guest.run("dmesg --clear")  # what earlier tests have left
    assert play("patch", src=patches["cmdline_cumulative_1"]).code == 0
    assert play("patch", src=patches["cmdline_cumulative_2"]).code == 0
    back = play("patch_rollback")
    assert back.code == 0, back.output
    assert (back.result["target"], names(back.result["restored"]), back.trips) == (
        ["cmdline_cumulative_1"], ["cmdline_cumulative_1"], ["ssh"])
    assert (guest.version(), guest.live_patches()) == ("c1", ["cmdline_cumulative_1"])
    assert not guest.has_module("cmdline_cumulative_2")
    log = guest.run("dmesg")
    # Nothing was disabled in between: the older one was loaded over the newer one.
    assert "'cmdline_cumulative_2': starting unpatching" not in log
    assert log.count("'cmdline_cumulative_1': patching complete") == 2
    again = play("patch_rollback")
    assert (again.code, again.result["changed"], again.trips) == (0, False, ["ssh"])
    assert_whole(guest, play, "rollback done", "patch done", "patch done")
    assert play("patch_verify").result["verified"] is True
    seen("rollback from one cumulative patch to the one before", "loaded over it; nothing was disabled in between")


@pytest.mark.exhaustive
def test_a_replaced_stack_comes_back_in_its_order(play, guest, patches, seen):
    assert play("patch", src=patches["with_params"], params={"text": "first", "number": 1}).code == 0
    assert play("patch", src=patches["second_of_two"]).code == 0
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    over = play("patch", src=patches["cmdline_v2"])
    assert sorted(over.result["patch"]["replaces"]) == ["cmdline_v1", "second_of_two", "with_params"]
    back = play("patch_rollback")
    assert back.code == 0, back.output
    assert names(back.result["restored"]) == ["with_params", "second_of_two", "cmdline_v1"]
    assert guest.version() == "v1"
    assert guest.live_patches() == ["cmdline_v1", "second_of_two", "with_params"]
    assert guest.read("/sys/module/with_params/parameters/text") == "first\n"
    assert_whole(guest, play, "rollback done", *["patch done"] * 4)
    assert play("patch_rollback", to="original").result["target"] == []
    assert guest.live_patches() == []
    seen("rollback of a patch after it replaced three", "the stack is restored, in its order, with its parameters")


@pytest.mark.exhaustive
def test_a_run_undoes_its_own_change_unless_others_have_changed_the_host_since(play, guest, patches, seen):
    run = {"run": "run-of-a-rollout"}
    begun = play("patch", src=patches["cmdline_v1"], trial=600, via_controller=run).result["transaction"]
    assert play("patch", src=patches["cmdline_v1"], via_controller=run).code == 0  # its trial and its lease end
    later = play("patch", src=patches["second_of_two"]).result["transaction"]
    refused = play("patch_rollback", to=begun, via_controller=run)
    assert (refused.code, refused.result["code"]) == (2, "changed-since"), refused.output
    assert later in refused.result["msg"]
    assert guest.live_patches() == ["cmdline_v1", "second_of_two"]
    assert play("patch_rollback", to=begun).code == 0
    assert guest.live_patches() == []
    seen("a run rolls back after others have changed the host", "refused, both patches stay; by hand, both go")


@pytest.mark.exhaustive
def test_back_to_where_a_transaction_began(play, guest, patches):
    assert play("patch", src=patches["cmdline_cumulative_1"]).code == 0
    point = play("patch", src=patches["second_of_two"]).result["transaction"]
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    back = play("patch_rollback", to=point)
    assert back.code == 0, back.output
    assert (names(back.result["removed"]), back.result["restored"]) == (["cmdline_v1", "second_of_two"], [])
    assert guest.live_patches() == ["cmdline_cumulative_1"]
    assert play("patch_rollback", to=point).result["changed"] is False
    unknown = play("patch_rollback", to="20200101T000000.000000Z-00000000")
    assert (unknown.code, guest.live_patches()) == (2, ["cmdline_cumulative_1"])
    assert_whole(guest, play, "rollback done", *["patch done"] * 3)


@pytest.mark.exhaustive
def test_what_the_next_boot_loads_goes_back_too(play, guest, patches):
    assert play("patch", src=patches["cmdline_cumulative_1"], state="accepted").code == 0
    assert play("patch", src=patches["cmdline_cumulative_2"], state="accepted").code == 0
    assert play("patch_info").result["livepatch"]["boot"]["patches"] == ["cmdline_cumulative_2"]
    assert play("patch_rollback").code == 0
    livepatch = assert_whole(guest, play, "rollback done", *["accept done", "patch done"] * 2)
    assert (guest.version(), livepatch["boot"]["patches"], codes(livepatch["drift"])) == (
        "c1", ["cmdline_cumulative_1"], set())
    assert play("patch_rollback", to="original").code == 0
    livepatch = play("patch_info").result["livepatch"]
    assert (livepatch["accepted"], codes(livepatch["drift"])) == ([], set())


@pytest.mark.exhaustive
def test_check_mode_goes_nowhere(play, guest, patches):
    assert play("patch", src=patches["cmdline_cumulative_1"]).code == 0
    assert play("patch", src=patches["cmdline_cumulative_2"]).code == 0
    forecast = play("patch_rollback", "--check").result
    assert (forecast["changed"], names(forecast["restored"])) == (True, ["cmdline_cumulative_1"])
    assert guest.live_patches() == ["cmdline_cumulative_2"]
    assert_whole(guest, play, "patch done", "patch done")


@pytest.mark.exhaustive
def test_a_file_that_is_gone_is_told_before_anything_is_changed(play, guest, patches):
    assert play("patch", src=patches["cmdline_cumulative_1"]).code == 0
    digest, = [file for file in guest.kept_files() if file.endswith(".ko")]
    assert play("patch", src=patches["cmdline_cumulative_2"]).code == 0
    guest.run(f"rm /var/lib/kernel-livepatch/patches/{digest}")
    refused = play("patch_rollback")
    assert (refused.code, refused.result["code"]) == (2, "earlier-file-missing"), refused.output
    assert guest.live_patches() == ["cmdline_cumulative_2"]
    assert play("patch_rollback", to="original").code == 0


@pytest.mark.exhaustive
def test_what_was_forced_is_reported_and_not_fought(start, patches, seen):
    guest, play = start()
    guest.hold(patches["lab_holder"])
    guest.run("echo 1 >/sys/module/lab_holder/parameters/release")
    assert play("patch", src=patches["holder_fix"]).code == 0
    guest.run("echo 0 >/sys/module/lab_holder/parameters/release")
    guest.wait_for_thread("fixed")
    back = play("patch_rollback", to="original", transition_timeout=3, on_stall="force")
    assert back.code == 0, back.output
    assert {"transition-forced", "module-kept"} <= codes(back.result["findings"])
    assert (guest.live_patches(), guest.has_module("holder_fix")) == ([], True)
    again = play("patch_rollback", to="original")
    assert (again.code, again.result["changed"]) == (0, False), again.output
    assert "module-kept" in codes(again.result["findings"])
    assert_whole(guest, play, "rollback done", "patch done")
    seen("rollback whose transition is held, forced", "off; its module is pinned, and this is reported")
