# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a host that is changed, killed in the middle of it, asked by two at once, and full."""

from __future__ import annotations

import getpass
import json
import platform

import pytest
from guest import PROGRAM, RUN, STORE
from wholeness import codes

JOURNAL = f"{STORE}/journal.jsonl"
LOCK = f"{RUN}/lock"


@pytest.fixture
def full(guest):
    """fill(): let the host's directory be on a file system without room for another file."""
    def fill():
        guest.run(f"mkdir /root/kept && cp -a {STORE}/. /root/kept && rm /root/kept/journal.jsonl && "
                  f"mount -t tmpfs -o size=4m,mode=700 none {STORE} && cp -a /root/kept/. {STORE} && "
                  f"! dd if=/dev/zero of={STORE}/fill bs=4k 2>/dev/null")
    yield fill
    guest.run(f"rm -rf /root/kept; ! mountpoint -q {STORE} || umount {STORE}")


def test_a_change_is_in_the_journal_with_its_operator_and_its_outcome(play, guest, patches):
    assert play("patch", "--check", src=patches["cmdline_v1"]).result["transaction"] is None
    assert guest.run(f"test -e {JOURNAL} || echo none") == "none\n"
    first = play("patch", src=patches["cmdline_v1"]).result
    assert play("patch", src=patches["cmdline_v1"]).result["transaction"] is None
    second = play("patch_rollback", to="original").result
    again = play("patch_rollback", to="original")
    assert (again.result["transaction"], again.trips) == (None, ["ssh"])
    livepatch = play("patch_info").result["livepatch"]
    back, there = livepatch["journal"]
    assert [there["transaction"], back["transaction"]] == [first["transaction"], second["transaction"]]
    build = {"name": "cmdline_v1", "build_id": first["patch"]["build_id"], "sha256": first["patch"]["sha256"]}
    stack = [{**build, "parameters": "", "accepted": False}]
    assert (there["before"], there["after"], back["before"], back["after"]) == ([], stack, stack, [])
    assert (there["outcome"], back["outcome"], back["action"]) == ("done", "done", "rollback")
    assert there["patches"] == [{
        **build, "previous_state": "absent", "wanted_state": "enabled", "kernel": None, "state": "enabled",
        "transition_seconds": first["patch"]["transition_seconds"]}]
    assert there["seconds"] > there["patches"][0]["transition_seconds"]
    assert there["who"] == back["who"] == {
        "controller_user": getpass.getuser(), "controller_node": platform.node(), "user": "root",
        "address": guest.run("echo ${SSH_CONNECTION%% *}").strip()}
    assert there["boot_id"] == livepatch["kernel"]["boot_id"]
    assert (livepatch["changing"], livepatch["journal_unreadable"]) == (None, 0)


def test_the_journal_is_lines_that_only_root_reads(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    assert guest.run(f"stat -c '%a %U' {STORE} {JOURNAL}") == "700 root\n600 root\n"
    assert [json.loads(line)["event"] for line in guest.read(JOURNAL).splitlines()] == ["begin", "end"]
    seen = play("patch_info", play_keywords={"vars": {"ansible_user": "operator"}}).result["livepatch"]
    assert (seen["journal"], seen["journal_unreadable"], seen["changing"]) == (None, None, None)


def test_a_run_that_is_killed_is_interrupted_and_the_next_one_goes_on(play, beside, held, patches):
    killed = beside(held, "patch", src=patches["holder_fix"], transition_timeout=300)
    held.wait_for_transition("holder_fix")
    livepatch = play("patch_info").result["livepatch"]
    changing = livepatch["changing"]
    assert [(entry["outcome"], entry["transaction"]) for entry in livepatch["journal"]] == [
        ("running", changing["transaction"])]
    busy = play("patch", src=patches["cmdline_v1"]).result
    assert (busy["code"], busy["holder"]) == ("host-busy", changing)
    assert f"by {getpass.getuser()}@{platform.node()} since {changing['since']} " in busy["msg"]
    held.run(f"kill -9 {changing['pid']}")
    assert killed.result().code == 2
    assert changing["transaction"] in held.read(LOCK)
    livepatch = play("patch_info").result["livepatch"]
    assert livepatch["changing"] is None
    assert livepatch["transition"]["name"] == "holder_fix"
    interrupted = livepatch["journal"][0]
    assert (interrupted["outcome"], interrupted["ended"], interrupted["after"]) == ("interrupted", None, None)
    on = play("patch", src=patches["holder_fix"], transition_timeout=3, on_stall="wait").result["patch"]
    assert (on["previous_state"], on["state"]) == ("enabling", "enabling")
    back = play("patch", name="holder_fix", state="absent").result["patch"]
    assert (back["previous_state"], back["state"]) == ("enabling", "absent")
    journal = play("patch_info").result["livepatch"]["journal"]
    assert [entry["outcome"] for entry in journal] == ["done", "in-transition", "interrupted"]


def test_a_host_that_is_reset_in_the_middle_knows_that_it_was(start, beside, patches):
    guest, play = start()
    guest.hold(patches["lab_holder"])
    lost = beside(guest, "patch", src=patches["holder_fix"], transition_timeout=300)
    guest.wait_for_transition("holder_fix")
    guest.reset()
    livepatch = play("patch_info").result["livepatch"]
    assert lost.result().code != 0
    assert [entry["outcome"] for entry in livepatch["journal"]] == ["interrupted"]
    assert livepatch["journal"][0]["boot_id"] != livepatch["kernel"]["boot_id"]
    assert (livepatch["changing"], livepatch["patches"], livepatch["journal_unreadable"]) == (None, [], 0)
    assert play("patch", src=patches["cmdline_v1"]).result["changed"] is True
    assert [entry["outcome"] for entry in play("patch_info").result["livepatch"]["journal"]] == ["done", "interrupted"]


def test_a_full_disk_is_no_place_for_a_load_and_does_not_keep_a_patch_in(play, guest, patches, full, seen):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    full()
    refused = play("patch", src=patches["second_of_two"])
    assert refused.code == 2, refused.output
    assert refused.result["code"] in ("no-space", "journal-unwritable")
    assert guest.live_patches() == ["cmdline_v1"]
    out = play("patch", name="cmdline_v1", state="absent")
    assert out.code == 0, out.output
    assert "journal-begin-missing" in codes(out.result["findings"])
    assert guest.live_patches() == []
    seen("a full disk", "nothing is loaded; a loaded patch can be removed, with a warning")


@pytest.mark.exhaustive
def test_a_full_disk_does_not_keep_a_trial_going(play, guest, patches, full, seen):
    assert play("patch", src=patches["cmdline_cumulative_1"]).code == 0
    assert play("patch", src=patches["cmdline_cumulative_2"], trial=10).code == 0
    full()
    guest.wait_until_back("cmdline_cumulative_2")
    assert guest.version() == "c1"
    guest.run(f"rm {STORE}/fill")
    guest.wait(f"! pgrep -f '{PROGRAM} end-trial'", 300)  # it tries to write that, less and less often
    assert play("patch_info").result["livepatch"]["trial"] is None
    seen("a full disk at a trial's end", "the earlier patch runs again, recorded once there is space")


def test_a_failed_change_tells_its_transaction(play, held, patches):
    failed = play("patch", src=patches["holder_fix"], transition_timeout=3).result
    entry = play("patch_info").result["livepatch"]["journal"][0]
    assert (entry["outcome"], entry["code"], entry["transaction"]) == (
        "failed", "transition-stalled", failed["transaction"])
    assert (entry["before"], entry["after"]) == ([], [])
    assert entry["patches"][0]["state"] == "absent"
