# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that watches itself during a trial: what ends the trial at once, and what does not; on a simulated kernel."""

import errno
import os
from functools import partial

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health import trial_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import kmsg
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LOCK
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import read_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._persistence.test_lock import Holder
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V2,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_child import Hang
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.watched_trial import (
    CHANGE,
    CHECKED,
    TAINTED,
    TRIAL,
    WARNING,
    answers,
    assert_reverted,
    failed,
    prepare,
    run_trial,
    seconds,
)


@pytest.fixture
def host(host, apply):
    return prepare(host, apply)


@pytest.fixture
def trial(host, apply):
    """trial(at, event, watch): see run_trial."""
    return partial(run_trial, host, apply)


# What ends a trial

def test_a_host_that_is_well_is_watched_until_the_end_of_the_trial(host, interface, trial):
    answers(host, 0)
    message = trial(watch=CHECKED)
    assert message == "The trial of v2 ended without acceptance. This host has reverted to v1."
    assert TRIAL <= seconds(host) < TRIAL + 15
    assert (stack(host, interface), failed(host)) == (["v1"], None)
    assert [text for path, text in host.writes if path == "/dev/kmsg"] == []


def test_a_health_check_that_begins_to_fail_ends_the_trial_at_its_second_failure(host, interface, trial):
    answers(host, 0, 0, 3)
    message = trial(watch=CHECKED)
    assert message.startswith("The watch of v2 failed, so this host reverts. The health check web failed.")
    assert message.endswith(" This host has reverted to v1.")
    assert_reverted(host, interface, ("health-check-failed", "web"), before=36)
    known = read_ledger(host)["failed_watch"]
    assert known["health"] == [{
        "name": "web", "kind": "command", "ok": 2, "failed": 2, "in_a_row": 2,
        "message": "It ended with status 3: said"}]
    assert (known["name"], known["build_id"], known["sha256"], known["looks"]) == ("v2", V2.build_id, V2.sha256, 4)


def test_a_health_check_that_fails_now_and_then_ends_nothing(host, interface, trial):
    answers(host, *[0, 1, 0, 1, 1, 0, 1] * 3, 0)
    trial(watch=dict(CHECKED, failures=3))
    assert (seconds(host) >= TRIAL, failed(host)) == (True, None)


def test_a_health_check_that_hangs_is_a_failed_one_and_is_killed(host, interface, trial):
    answers(host, 0, Hang)
    trial(watch=CHECKED)
    assert_reverted(host, interface, ("health-check-failed", "web"), before=40)
    assert [child.killed for child in host.children] == [False, True, True]
    assert read_ledger(host)["failed_watch"]["health"][0]["message"] == "It did not end within 5 s and was stopped."


def test_a_health_check_that_is_not_even_killed_runs_once_and_fails(host, interface, trial):
    answers(host, Hang)
    host.at(8, lambda: setattr(host.children[0], "stuck", True))
    real = host.start_child

    def start_stuck(function):
        child = real(function)
        child.stuck = True
        return child
    host.start_child = start_stuck
    trial(watch=CHECKED)
    assert_reverted(host, interface, ("health-check-failed", "web"), before=40)
    assert len(host.children) == 1
    assert "the kernel has not ended it yet" in read_ledger(host)["failed_watch"]["health"][0]["message"]


def test_a_health_check_that_hangs_does_not_keep_the_trial_from_ending_in_time(host, interface, trial):
    answers(host, 0, Hang)
    trial(watch={"interval": 300, "health_checks": [
        {"command": "check", "timeout": 300}, {"command": "other", "timeout": 300}]})
    assert (stack(host, interface), failed(host)) == (["v1"], None)
    assert TRIAL <= seconds(host) < TRIAL + 15


def test_a_health_check_that_cannot_be_started_has_failed(host, interface, trial, monkeypatch):
    monkeypatch.setattr(host, "start_child", lambda _job: damages.throw(OSError(errno.EAGAIN, "Try again")))
    trial(watch=CHECKED)
    assert_reverted(host, interface, ("health-check-failed", "web"))


@pytest.mark.parametrize("at", [0.2, 0.9, 7, 333])
def test_a_kernel_warning_ends_the_trial_at_once(host, interface, trial, at):
    trial(at, lambda: host.say(WARNING, priority=4))
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=at + 4)


def test_a_kernel_warning_during_the_load_ends_the_trial_at_once(host, interface, trial):
    host.at(host.now() + 0.2, lambda: host.say(WARNING, priority=4))
    trial()
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=4)


def test_what_a_process_writes_into_the_log_ends_nothing(host, trial):
    trial(5, lambda: host.say(WARNING, priority=8 + 4))
    assert (seconds(host) >= TRIAL, failed(host)) == (True, None)


def test_a_log_that_is_written_without_end_is_read_once_a_second(host, trial, monkeypatch):
    reads = []
    real = kmsg.KernelLog.each_record
    monkeypatch.setattr(kmsg.KernelLog, "each_record", lambda log, *most: reads.append(host.now()) or real(log, *most))
    for tenth in range(300):
        host.at(20 + tenth / 10, lambda: host.say("chatter"))
    trial()
    busy = [time for time in reads if 22 <= time <= 48]
    assert 20 <= len(busy) <= 40


def test_records_that_were_overwritten_are_told_and_end_nothing(host, apply, interface):
    apply(V2, trial=TRIAL)
    host.put("/dev/kmsg", "5,900,1000,-;later\n")
    host.at(50, lambda: host.sleep(0) or seen.append(read_watch(host, read_ledger(host)["trial"])))
    seen = []
    host.began = host.now()
    end_trial(host)
    assert (seconds(host) >= TRIAL, failed(host)) == (True, None)
    assert [found["code"] for found in seen[0]["findings"]] == ["kernel-log-incomplete"]


@pytest.mark.parametrize("mask, letters", [(4096 | 1 << 9, ["W"]), (4096 | 1 << 15, []), (4096, [])])
def test_a_new_taint_that_no_patch_sets_ends_the_trial(host, interface, trial, mask, letters):
    trial(15, lambda: host.put(TAINTED, f"{mask}\n"))
    if letters:
        assert_reverted(host, interface, *[("new-taint", letter) for letter in letters], before=28)
    assert bool(failed(host)) is bool(letters)


def test_neither_warnings_nor_taints_count_if_the_operator_says_so(host, trial):
    def happens():
        host.say(WARNING, priority=4)
        host.put(TAINTED, "4608\n")
    trial(5, happens, watch={"kernel_warnings": False})
    assert (seconds(host) >= TRIAL, failed(host)) == (True, None)


def test_a_patch_that_is_disabled_by_hand_ends_the_trial(host, interface, trial):
    trial(15, lambda: interface.set_enabled("v2", False))
    assert_reverted(host, interface, ("patch-not-running", "v2"), before=30)


def test_another_build_of_the_patch_ends_the_trial(host, interface, trial):
    note = "/sys/module/v2/notes/.note.gnu.build-id"
    trial(15, lambda: host.put(note, host.read_bytes(note)[:-1] + b"\0"))
    assert failed(host) == [("build-changed", "v2")]
    assert "v2" not in stack(host, interface)


def test_an_object_that_is_not_patched_any_more_ends_the_trial(host, interface, trial):
    trial(15, lambda: host.put("/sys/kernel/livepatch/v2/vmlinux/patched", "0\n") or host.plain_module("vmlinux"))
    assert failed(host) == [("object-not-patched", "vmlinux")]


# What ends no watch

def test_a_removal_by_this_collection_is_no_failure(host, interface, apply, trial):
    trial(15, lambda: apply(name="v2", state="absent"))
    assert (stack(host, interface), failed(host), seconds(host) < 40) == ([], None, True)


def test_a_change_that_goes_on_is_not_judged(host, interface, apply):
    """A removal by this collection stalls and is reversed; another process holds the lock for it."""
    apply(V2, trial=TRIAL)
    host.began = host.now()
    host.hold(7, directions=("disabling",))
    holders = []

    def begin():
        holders.append(Holder(lambda: change_lock(host, CHANGE)))
        interface.set_enabled("v2", False)

    def end():
        interface.set_enabled("v2", True)
        host.sleep(1)
        host.let_go(7)
        holders.pop().kill()
        host.put(LOCK, "")  # every process of this simulation has one number, which lives on
    host.at(host.now() + 15, begin)
    host.at(host.now() + 60, end)
    end_trial(host)
    assert (TRIAL <= seconds(host) < TRIAL + 15, failed(host)) == (True, None)


def test_a_look_that_breaks_off_ends_nothing_and_does_not_count(host, apply, monkeypatch):
    apply(V2, trial=TRIAL)
    monkeypatch.setattr(trial_watch, "patch_findings", lambda *_argv: damages.throw(RuntimeError("a mistake of ours")))
    host.began = host.now()
    known = read_ledger(host)["trial"]
    end_trial(host)
    assert (seconds(host) >= TRIAL, read_watch(host, known)) == (True, None)


def test_a_watch_that_cannot_begin_ends_nothing(host, apply, monkeypatch):
    apply(V2, trial=TRIAL)
    monkeypatch.setattr(trial_watch, "FollowedLog", lambda *_argv: damages.throw(RuntimeError("a mistake of ours")))
    host.began = host.now()
    end_trial(host)
    assert TRIAL <= seconds(host) < TRIAL + 15


@pytest.mark.parametrize("part", ["CallCounts", "BackgroundChecks"])
def test_a_watch_that_cannot_begin_leaves_no_file_open(host, apply, monkeypatch, part):
    """For example where a small Python has no library for addresses."""
    apply(V2, trial=TRIAL)
    monkeypatch.setattr(trial_watch, part, lambda *_argv: damages.throw(ImportError("No module named urllib")))
    before = len(os.listdir("/proc/self/fd"))
    end_trial(host)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_watch_that_cannot_begin_is_tried_again(host, interface, apply, monkeypatch):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    with monkeypatch.context() as patched:
        patched.setattr(trial_watch, "FollowedLog", lambda *_argv: damages.throw(OSError(errno.EMFILE, "Too many")))
        host.at(host.now() + 25, patched.undo)
        host.at(host.now() + 26, lambda: host.say(WARNING, priority=4))
        end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=45)


def test_a_clock_that_is_set_changes_nothing(host, trial, monkeypatch):
    answers(host, 0)
    real = host.wall_clock
    trial(100, lambda: monkeypatch.setattr(host, "wall_clock", lambda: real() - 10 ** 9), watch=CHECKED)
    assert (TRIAL <= seconds(host) < TRIAL + 15, failed(host)) == (True, None)
