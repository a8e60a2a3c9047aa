# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that watches itself during a trial, on a real kernel and without a controller."""

from __future__ import annotations

import json

import pytest
from guest import PROGRAM, RUN
from wholeness import assert_whole, codes

TRIAL = 1800  # far beyond every test: only the watch can end it
WELL = "/root/well"
WATCH = f"{RUN}/watch"
CHECK = {"command": f"test -e {WELL}", "name": "well", "timeout": 60}


@pytest.fixture
def watched(guest):
    """The guest, which is well as long as the file WELL is there."""
    guest.run(f"touch {WELL}")
    return guest


def look(guest):
    """What the trial's process has seen so far."""
    return json.loads(guest.read(WATCH))


def watching_process(guest):
    return guest.run(f"pgrep -f {PROGRAM}").split()[0]


def wait_for_looks(guest, looks):
    """Wait until the process has looked as often as that, or more often."""
    guest.wait(f"test 0$(sed -n 's/.*\"looks\": \\([0-9]*\\),.*/\\1/p' {WATCH} 2>/dev/null) -ge {looks}", 300)


def load(play, patch, **options):
    on = play("patch", src=patch, trial=TRIAL, **options)
    assert on.code == 0, on.output
    return on.result


def assert_reverted(guest, play, name, code):
    """The host is back by its watch, and tells why to everyone."""
    guest.wait_until_back(name)
    livepatch = assert_whole(guest, play, "trial done", "patch done")
    end = livepatch["journal"][0]
    assert (end["code"], livepatch["trial"]) == ("watch-failed", None)
    failed = livepatch["failed_watch"]
    assert code in [found["code"] for found in failed["findings"]]
    assert "watch-failed" in codes(livepatch["drift"])
    assert f"kernel-livepatch: The watch of {name} failed" in guest.run("dmesg")
    return failed


@pytest.mark.core
def test_a_health_check_that_begins_to_fail_ends_the_trial(play, watched, patches, seen):
    guest = watched
    load(play, patches["cmdline_v1"], watch={"health_checks": [CHECK], "interval": 5})
    wait_for_looks(guest, 3)
    guest.run(f"rm {WELL}")
    failed = assert_reverted(guest, play, "cmdline_v1", "health-check-failed")
    assert (failed["health"][0]["in_a_row"], failed["health"][0]["failed"], guest.version()) == (2, 2, "")
    assert failed["health"][0]["ok"] >= 2
    again = play("patch", src=patches["cmdline_v1"], state="accepted")
    assert (again.code, again.result["code"]) == (2, "watch-failed"), again.output
    assert again.result["watch"]["health"] == failed["health"]
    assert play("patch", name="cmdline_v1", state="absent").result["changed"] is True
    assert play("patch_info").result["livepatch"]["failed_watch"] is None
    seen("a health check that begins to fail during a trial", "reverted at the second failure, without a controller")


@pytest.mark.exhaustive
def test_a_kernel_warning_ends_the_trial_at_once(start, patches, seen):
    guest, play = start()
    load(play, patches["warn_soon"])
    wait_for_looks(guest, 1)
    guest.read("/proc/execdomains")
    failed = assert_reverted(guest, play, "warn_soon", "kernel-warning")
    # Ended by the log that woke the process, before the next look at the patch was due.
    assert failed["looks"] <= 2
    seen("a kernel warning caused by the patch during its trial", "reverted at once")


@pytest.mark.exhaustive
def test_a_health_check_that_hangs_has_failed_and_is_killed(play, watched, patches, seen):
    guest = watched
    hanging = {"command": ["sh", "-c", f"test -e {WELL} || sleep 7777"], "name": "hangs", "timeout": 3}
    load(play, patches["cmdline_v1"], watch={"health_checks": [hanging], "interval": 5})
    wait_for_looks(guest, 2)
    guest.run(f"rm {WELL}")
    failed = assert_reverted(guest, play, "cmdline_v1", "health-check-failed")
    assert failed["health"][0]["message"] == "It did not end within 3 s and was stopped."
    assert guest.run("pgrep -f 'sleep 777[7]' || true").strip() == ""
    seen("a health check that hangs during a trial", "killed and counted as failed; the host reverts")


# The second makes it the process that the kernel ends first, and has the kernel look for one.
KILLS = {
    "killed": "kill -KILL {process}",
    "killed for want of memory": "echo 1000 >/proc/{process}/oom_score_adj; echo f >/proc/sysrq-trigger",
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_process_watches_on_with_its_counts(play, watched, patches, seen, kill):
    guest = watched
    load(play, patches["cmdline_v1"], watch={"health_checks": [CHECK], "interval": 5})
    wait_for_looks(guest, 3)
    process = watching_process(guest)
    guest.run(KILLS[kill].format(process=process))
    guest.wait(f"pgrep -f {PROGRAM} >/dev/null && test $(pgrep -f {PROGRAM} | head -1) != {process}", 300)
    assert (f"Killed process {process} " in guest.run("dmesg")) == (kill != "killed")
    wait_for_looks(guest, 5)
    assert look(guest)["health"][0]["ok"] >= 4
    guest.run(f"rm {WELL}")
    assert_reverted(guest, play, "cmdline_v1", "health-check-failed")
    seen(f"the process of a trial is {kill}", "started again by systemd, and watches on with its counts")


# What changes the clock of a machine during a trial of half an hour.
CLOCKS = {
    "is three days later": lambda guest: guest.run("date --set='3 days'"),
    "is three days earlier": lambda guest: guest.run("date --set='3 days ago'"),
    "was suspended": lambda guest: guest.machine.suspend(),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("clock", CLOCKS)
def test_a_trial_goes_on_after_the_clock_has_jumped(play, watched, patches, seen, clock):
    guest = watched
    load(play, patches["cmdline_v1"], watch={"health_checks": [CHECK], "interval": 5})
    wait_for_looks(guest, 2)
    left = seconds_left(play)
    CLOCKS[clock](guest)
    assert ("PM: suspend exit" in guest.run("dmesg")) == (clock == "was suspended")
    wait_for_looks(guest, look(guest)["looks"] + 2)
    assert 0 < seconds_left(play) <= left
    guest.run(f"rm {WELL}")
    assert_reverted(guest, play, "cmdline_v1", "health-check-failed")
    seen(f"a machine on trial {clock}", "the trial and its watch go on; a failed check still reverts the host")


def seconds_left(play):
    return play("patch_info").result["livepatch"]["trial"]["seconds_left"]


@pytest.mark.exhaustive
def test_a_patch_whose_process_is_stopped_is_not_accepted(play, watched, patches, seen):
    guest = watched
    load(play, patches["cmdline_v1"])
    wait_for_looks(guest, 1)
    process = watching_process(guest)
    guest.run(f"kill -STOP {process}")
    refused = play("patch", name="cmdline_v1", state="accepted")
    assert (refused.code, refused.result["code"]) == (2, "watch-not-run"), refused.output
    guest.run(f"kill -CONT {process}")
    accepted = play("patch", name="cmdline_v1", state="accepted")
    assert accepted.code == 0, accepted.output
    assert accepted.result["watch"]["looks"] >= 1
    seen("accepting a patch whose watching process is stopped", "refused; accepted once it is continued")


def probes(guest):
    """The kprobe events on the guest, and the armed kprobes in the patches of /proc/cmdline."""
    listed = guest.run("grep -s patched_cmdline /sys/kernel/debug/kprobes/list || true").splitlines()
    armed = [line for line in listed if "DISABLED" not in line and "GONE" not in line]
    return guest.read("/sys/kernel/tracing/kprobe_events").split(), armed


def wait_for_probe(guest):
    guest.wait("grep -s patched_cmdline /sys/kernel/debug/kprobes/list | grep -qv DISABLED", 300)


def test_a_patch_is_accepted_only_after_its_new_code_was_called(play, guest, patches, seen):
    load(play, patches["cmdline_v1"], watch={"min_calls": 400})
    wait_for_probe(guest)
    refused = play("patch", name="cmdline_v1", state="accepted")
    assert (refused.code, refused.result["code"]) == (2, "too-few-calls"), refused.output
    before = refused.result["watch"]["calls"][0]
    assert (before["object"], before["name"], before["sympos"]) == ("vmlinux", "cmdline_proc_show", 1)
    assert before["calls"] < 400
    guest.run("for number in $(seq 400); do read line < /proc/cmdline; done")
    accepted = play("patch", name="cmdline_v1", state="accepted")
    assert accepted.code == 0, accepted.output
    after = accepted.result["watch"]["calls"][0]["calls"]
    assert 400 <= after - before["calls"] < 800
    assert (probes(guest), guest.version()) == (([], []), "v1")
    seen("min_calls: a patch whose new function is not called enough", "refused, and accepted after enough calls")


@pytest.mark.exhaustive
def test_a_killed_process_leaves_no_armed_probe_and_counts_on(play, guest, patches, seen):
    load(play, patches["cmdline_v1"], watch={"min_calls": 1})
    wait_for_probe(guest)
    guest.run("for number in $(seq 50); do read line < /proc/cmdline; done")
    process = watching_process(guest)
    assert len(probes(guest)[1]) == 1
    guest.run(f"kill -KILL {process}; while test -e /proc/{process}; do :; done; "
              "grep -s patched_cmdline /sys/kernel/debug/kprobes/list >/root/probes")
    assert "DISABLED" in guest.read("/root/probes")
    wait_for_probe(guest)
    accepted = play("patch", name="cmdline_v1", state="accepted")
    assert accepted.code == 0, accepted.output
    assert accepted.result["watch"]["calls"][0]["calls"] >= 50
    assert probes(guest) == ([], [])
    seen("the process of a trial that counts calls is killed", "its probes are disarmed at once, and it counts on")


@pytest.mark.exhaustive
def test_a_patch_that_is_removed_while_its_calls_are_counted_leaves_nothing(play, guest, patches, seen):
    load(play, patches["cmdline_v1"], watch={"min_calls": 1})
    wait_for_probe(guest)
    assert play("patch", name="cmdline_v1", state="absent").result["changed"] is True
    assert (probes(guest), guest.has_module("cmdline_v1")) == (([], []), False)
    load(play, patches["cmdline_v1"], watch={"min_calls": 1})
    wait_for_probe(guest)
    guest.run(f"kill -KILL {watching_process(guest)}")
    assert play("patch_rollback").result["changed"] is True
    assert (probes(guest)[0], guest.version()) == ([], "")
    assert guest.run("dmesg | grep -c 'WARNING:\\|BUG:' || true").strip() == "0"
    seen("a patch is removed while its calls are counted", "no probe and no warning of the kernel is left")
