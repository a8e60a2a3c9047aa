# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials: the host goes back by itself, whatever has become of whoever began it."""

from __future__ import annotations

import os
import shlex
import signal

import pytest
from guest import HOLD, PROGRAM, RELEASE, RUN
from playbook import Playbooks, task
from wholeness import assert_whole, codes

SYSTEMD = "/run/systemd/system"  # where sd_booted(3) looks


@pytest.fixture
def without_systemd(guest):
    """The guest, which passes for one without systemd: simulated, since Debian's own init stays what it is."""
    guest.run(f"mv {SYSTEMD} {SYSTEMD}.away")
    yield guest
    guest.run(f"mv {SYSTEMD}.away {SYSTEMD}")


@pytest.fixture
def begin(lab, guest, tmp_path):
    """Start a task that a test kills: begin(module, ...) -> the process of ansible-playbook, in a group of its own."""
    playbooks = Playbooks(tmp_path / "begun", lab.write_inventory([guest.machine], "begun"))
    return lambda module, **options: playbooks.begin([task(module, module, **options)], guest.name)


@pytest.mark.core
def test_a_trial_ends_automatically(play, guest, patches, stretched, seen):
    before, seconds = guest.read("/proc/cmdline"), stretched(30)
    on = play("patch", src=patches["cmdline_v1"], trial=seconds)
    assert on.code == 0, on.output
    assert on.result["patch"]["state"] == "enabled"
    livepatch = assert_whole(guest, play, "patch done")
    trial = livepatch["trial"]
    assert (trial["name"], trial["transaction"], trial["seconds"], trial["back_to"]) == (
        "cmdline_v1", on.result["transaction"], seconds, [])
    assert 0 < trial["seconds_left"] <= seconds
    assert "on-trial" in codes(livepatch["drift"])
    assert len(guest.guards()) == 1
    guest.wait_until_back("cmdline_v1", 300 + seconds)
    assert guest.read("/proc/cmdline") == before
    livepatch = assert_whole(guest, play, "trial done", "patch done")
    assert (livepatch["trial"], livepatch["quarantined"], guest.guards()) == (None, [], [])
    seen("a trial not accepted", "removed by the host at the end of the trial")


def test_a_host_cut_off_by_a_patch_reverts_automatically(play, guest, beside, patches, seen):
    # Whether its connection survives until the host is back is up to the timing of TCP.
    cut_off = beside(guest, "patch", src=patches["drop_network"], trial=20, transition_timeout=20)
    while guest.machine.answers():
        assert not cut_off.done(), cut_off.result().output
    guest.machine.wait_for_ssh(300)
    guest.wait_until_back("drop_network")
    livepatch = assert_whole(guest, play, "trial done", "patch done")
    assert (livepatch["patches"], livepatch["quarantined"]) == ([], [])
    seen("a patch on trial dropping all network traffic", "the host is unreachable; reverts after the trial")


def test_what_ran_before_runs_again_with_no_moment_without_either(play, guest, patches, seen):
    assert play("patch", src=patches["cmdline_cumulative_1"], state="accepted").result["patch"]["state"] == "accepted"
    gaps = "while read line </proc/cmdline; do case $line in *livepatch=c*) ;; *) echo $line >>/run/gaps ;; esac; done"
    guest.run(f"rm -f /run/gaps; systemd-run --quiet --unit=gaps sh -c '{gaps}'")
    try:
        on = play("patch", src=patches["cmdline_cumulative_2"], trial=5)
        assert on.code == 0, on.output
        assert (on.code, on.result["patch"]["replaces"]) == (0, ["cmdline_cumulative_1"]), on.output
        guest.wait_until_back("cmdline_cumulative_2")
    finally:
        guest.run("systemctl stop gaps")
    assert guest.version() == "c1"
    assert guest.run("cat /run/gaps 2>/dev/null || true") == ""
    livepatch = assert_whole(guest, play, "trial done", "patch done", "accept done", "patch done")
    assert [(patch["name"], patch["state"]) for patch in livepatch["patches"]] == [("cmdline_cumulative_1", "accepted")]
    assert livepatch["boot"]["patches"] == ["cmdline_cumulative_1"]
    assert codes(livepatch["drift"]) == set()
    seen("v1 accepted, v2 on trial and not accepted", "v1 runs again, with no gap between the two")


@pytest.mark.exhaustive
def test_a_stacked_patch_goes_and_the_one_below_stays(play, guest, patches):
    assert play("patch", src=patches["with_params"], params={"text": "below", "number": 3}).code == 0
    assert play("patch", src=patches["cmdline_v1"], trial=5).code == 0
    guest.wait_until_back("cmdline_v1")
    assert guest.version() == "below:3"
    assert_whole(guest, play, "trial done", "patch done", "patch done")


@pytest.mark.exhaustive
def test_a_replaced_patch_comes_back_with_its_parameters(play, guest, patches):
    assert play("patch", src=patches["with_params"], params={"text": "two words", "number": 3}).code == 0
    on = play("patch", src=patches["cmdline_v2"], trial=5)
    assert (on.code, on.result["patch"]["replaces"]) == (0, ["with_params"]), on.output
    guest.wait_until_back("cmdline_v2")
    assert guest.version() == "two words:3"
    assert_whole(guest, play, "trial done", "patch done", "patch done")


@pytest.mark.parametrize("released", [
    pytest.param(False, id="held"), pytest.param(True, id="released", marks=pytest.mark.exhaustive)])
def test_a_controller_that_is_killed_mid_transition_is_not_needed(play, begin, held, patches, seen, released):
    run = begin("patch", src=patches["holder_fix"], transition_timeout=8, trial=6)
    held.wait_for_transition("holder_fix")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    if released:
        held.run(RELEASE)
    held.wait_until_back("holder_fix")
    if released:
        assert_whole(held, play, "trial done", "patch done")
        seen("controller killed mid-transition, transition released", "enabled, then removed at the end of the trial")
    else:
        livepatch = assert_whole(held, play, "patch failed")
        assert livepatch["journal"][0]["code"] == "transition-stalled"
        assert livepatch["trial"] is None
        seen("controller killed mid-transition, transition held", "reversed by the host")


@pytest.mark.exhaustive
def test_a_held_rollback_ends_once_its_task_is_released(play, held, patches, stretched, seen):
    held.run(RELEASE)
    seconds = stretched(10)
    assert play("patch", src=patches["holder_fix"], trial=seconds).code == 0
    held.run(HOLD)
    held.wait_for_thread("fixed")
    held.wait("test $(cat /sys/kernel/livepatch/holder_fix/enabled) = 0", 60 + seconds)
    assert play("patch_info").result["livepatch"]["transition"]["name"] == "holder_fix"
    held.run(RELEASE)
    held.wait_until_back("holder_fix")
    assert_whole(held, play, "trial done", "patch done")
    seen("end of a trial with its transition held", "waits for the task, and reverts once it is released")


@pytest.mark.exhaustive
def test_a_killed_rollback_begins_again(play, held, patches, stretched, seen):
    held.run(RELEASE)
    seconds = stretched(10)
    assert play("patch", src=patches["holder_fix"], trial=seconds).code == 0
    held.run(HOLD)
    held.wait_for_thread("fixed")
    held.wait("test $(cat /sys/kernel/livepatch/holder_fix/enabled) = 0", 60 + seconds)
    held.run(f"pkill -9 -f '{PROGRAM} end-trial'")
    held.run(RELEASE)
    held.wait_until_back("holder_fix")
    livepatch = play("patch_info").result["livepatch"]
    assert livepatch["trial"] is None
    assert {"trial interrupted", "trial done"} >= {
        f"{entry['action']} {entry['outcome']}" for entry in livepatch["journal"][:-1]}
    seen("kill -9 of the trial process", "started again, and the host reverts")


@pytest.mark.exhaustive
def test_a_trial_needs_no_systemd(play, without_systemd, patches, stretched, seen):
    guest, seconds = without_systemd, stretched(30)
    on = play("patch", src=patches["cmdline_v1"], trial=seconds)
    assert on.code == 0, on.output
    assert guest.run(f"pgrep -f '{PROGRAM} end-trial' | wc -l") == "1\n"
    livepatch = assert_whole(guest, play, "patch done")
    assert livepatch["boot"]["init"] == "none"
    assert "trial-process-missing" not in codes(livepatch["drift"])
    guest.machine.disconnect()
    guest.wait_until_back("cmdline_v1", 300 + seconds)
    assert_whole(guest, play, "trial done", "patch done")
    guest.wait(f"! pgrep -f {PROGRAM} >/dev/null")
    seen("a trial without systemd (simulated)", "removed by a process of its own at the end of the trial")


@pytest.mark.exhaustive
def test_an_accepted_trial_needs_no_systemd_either(play, without_systemd, patches):
    guest = without_systemd
    assert play("patch", src=patches["cmdline_v1"], trial=60).code == 0
    assert play("patch", src=patches["cmdline_v1"], state="accepted").code == 0
    guest.wait(f"! pgrep -f {PROGRAM} >/dev/null")
    livepatch = assert_whole(guest, play, "accept done", "patch done")
    assert livepatch["trial"] is None
    assert "boot-service-missing" in codes(livepatch["drift"])


@pytest.mark.exhaustive
def test_a_trial_leaves_room_for_nothing_else(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"], trial=300).code == 0
    refused = play("patch", src=patches["second_of_two"])
    assert (refused.code, refused.result["code"]) == (2, "trial-running"), refused.output
    assert play("patch_rollback").code == 0
    assert_whole(guest, play, "rollback done", "patch done")
    assert (guest.live_patches(), guest.guards()) == ([], [])


@pytest.mark.exhaustive
def test_a_trial_ends_when_its_patch_is_unloaded(play, guest, patches):
    assert play("patch", src=patches["cmdline_v1"], trial=300).code == 0
    assert play("patch", name="cmdline_v1", state="absent").code == 0
    livepatch = assert_whole(guest, play, "patch done", "patch done")
    assert (livepatch["trial"], guest.guards()) == (None, [])


@pytest.mark.exhaustive
def test_a_trial_that_is_refused_leaves_nothing_armed(play, held, patches):
    outcome = play("patch", src=patches["holder_fix"], transition_timeout=3, trial=300)
    assert outcome.result["code"] == "transition-stalled"
    livepatch = assert_whole(held, play, "patch failed")
    assert (livepatch["trial"], held.guards()) == (None, [])


@pytest.fixture
def stopped_holder(guest):
    """stopped_holder(): a process on the guest that holds the lock of the collection, and is stopped by SIGSTOP."""
    hold = f"import fcntl, signal; lock = open('{RUN}/lock', 'r+'); fcntl.flock(lock, fcntl.LOCK_EX); signal.pause()"

    def stop():
        guest.run(f"systemd-run --quiet --unit=lab-lock-holder python3 -c {shlex.quote(hold)}")
        guest.wait(f"! flock --nonblock {RUN}/lock true")
        guest.run("kill -STOP $(systemctl show --property=MainPID --value lab-lock-holder)")
    yield stop
    guest.run("systemctl kill --signal=KILL lab-lock-holder 2>/dev/null; systemctl reset-failed")


@pytest.mark.exhaustive
def test_a_stopped_process_that_holds_the_lock_keeps_no_trial(play, guest, patches, stopped_holder, seen):
    assert play("patch", src=patches["cmdline_v1"], trial=20).code == 0
    stopped_holder()
    refused = play("patch", src=patches["second_of_two"])
    assert (refused.code, refused.result["code"]) == (2, "trial-running"), refused.output
    guest.wait_until_back("cmdline_v1")
    assert guest.version() == ""
    livepatch = assert_whole(guest, play, "trial done", "patch done")
    assert livepatch["trial"] is None
    assert guest.run("journalctl --grep='ended without acceptance' --quiet | tail -n 1")
    refused = play("patch", src=patches["second_of_two"])
    assert (refused.code, refused.result["code"]) == (2, "host-busy"), refused.output
    seen("a stopped process holds the lock at the end of a trial", "the host reverts without the lock, and says so")


@pytest.mark.exhaustive
def test_a_stopped_process_that_holds_the_lock_keeps_no_patch(play, guest, patches, stopped_holder):
    assert play("patch", src=patches["cmdline_v1"]).code == 0
    stopped_holder()
    removed = play("patch", name="cmdline_v1", state="absent")
    assert removed.code == 0, removed.output
    assert codes(removed.result["findings"]) == {"lock-not-held"}
    assert guest.version() == ""


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["0777", "0755"])
def test_a_directory_of_the_lock_with_another_mode_keeps_no_trial(play, guest, patches, seen, mode):
    assert play("patch", src=patches["cmdline_v1"], trial=20).code == 0
    guest.run(f"chmod {mode} {RUN}")
    try:
        guest.wait_until_back("cmdline_v1")
        assert guest.version() == ""
        livepatch = play("patch_info").result["livepatch"]
        assert livepatch["trial"] is None
        assert "record-unusable" in codes(livepatch["drift"])
        refused = play("patch", src=patches["cmdline_v1"])
        assert (refused.code, refused.result["code"]) == (2, "directory-not-private"), refused.output
    finally:
        guest.run(f"chmod 0700 {RUN}")
    assert_whole(guest, play, "trial done", "patch done")
    seen(f"{RUN} with mode {mode} at the end of a trial", "the host reverts, and drift tells of the mode")
