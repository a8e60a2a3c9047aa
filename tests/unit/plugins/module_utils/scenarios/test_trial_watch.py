# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that watches itself during a trial: what ends the trial at once, and what does not; on a simulated kernel."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health import trial_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel import kmsg
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER, LOCK, WATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import read_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import MARGIN_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._persistence.test_lock import Holder
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    accept,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_child import Hang

WARNING = "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2"
TAINTED = "/proc/sys/kernel/tainted"
TRIAL = 600
CHANGE = {"transaction": "other", "since": "2026-11-21T09:16:53Z", "who": {}}
CHECKED = {"health_checks": [{"command": "check", "name": "web", "timeout": 5}]}


@pytest.fixture
def host(host, apply):
    """A host with v1 accepted. The tests run the trial process themselves, so the simulated one does not look."""
    accept(apply, V1)
    host.guard_looks = False
    host.put(TAINTED, "4096\n")
    return host


@pytest.fixture
def trial(host, apply):
    """trial(at, event, watch): v2 is on trial, and `event` happens some seconds after; returns what the process says.

    `host.began` is when the trial began, and `host.looks` what was seen until its end.
    """
    def run(at=None, event=None, watch=None, **options):
        apply(V2, trial=TRIAL, watch=watch, **options)
        host.began = host.now()
        if event:
            host.at(host.began + at, event)
        return end_trial(host)
    return run


def seconds(host):
    """How long the trial went on."""
    return host.now() - host.began


def failed(host):
    """What the ledger keeps of the failed watch: the codes and the subjects."""
    known = read_ledger(host)["failed_watch"]
    return known and [(found["code"], found["subject"]) for found in known["findings"]]


def answers(host, *results):
    """The health checks give these statuses, one after another, and then the last for ever."""
    left = list(results)

    def answer(argv):
        if argv[0] not in ("check", "other"):
            return 0, "ready" if argv[-1] == "ready" else ""
        result = left.pop(0) if len(left) > 1 else left[0]
        if result is Hang:
            raise Hang()
        return result, "said"
    host.answer = answer


def assert_reverted(host, interface, *findings, before=30):
    """The host has v1 again, long before the trial's end, and tells why to whoever asks."""
    assert stack(host, interface) == ["v1"]
    assert seconds(host) < before
    assert (failed(host), read_ledger(host)["trial"]) == (list(findings), None)
    end = history(host)["journal"][0]
    assert (end["action"], end["outcome"], end["code"]) == ("trial", "done", "watch-failed")
    assert end["why"].startswith("The watch of v2 failed, so this host reverts. ")
    assert [found["subject"] for found in host_inventory(host)["drift"]].count("v2") == 1
    said = [text for path, text in host.writes if path == "/dev/kmsg"]
    assert len(said) == 1 and end["why"][:60] in said[0]


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
    apply(V2, trial=TRIAL)
    host.began = host.now()
    holders = []

    def begin():
        holders.append(Holder(lambda: change_lock(host, CHANGE)))
        interface.set_enabled("v2", False)

    def end():
        holders.pop().kill()
        host.put(LOCK, "")  # every process of this simulation has one number, which lives on
    host.at(host.now() + 15, begin)
    host.at(host.now() + 60, end)
    end_trial(host)
    assert 55 < seconds(host) < 75
    assert failed(host) == [("patch-not-running", "v2")]


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


def test_a_clock_that_is_set_changes_nothing(host, trial, monkeypatch):
    answers(host, 0)
    real = host.wall_clock
    trial(100, lambda: monkeypatch.setattr(host, "wall_clock", lambda: real() - 10 ** 9), watch=CHECKED)
    assert (TRIAL <= seconds(host) < TRIAL + 15, failed(host)) == (True, None)


# When the host is damaged too

def test_a_full_disk_keeps_no_host_from_reverting(host, interface, apply, monkeypatch):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    host.at(host.now() + 15, lambda: host.say(WARNING, priority=4))
    damages.full(host, "/var/lib/kernel-livepatch", monkeypatch)
    damages.full(host, "/run/kernel-livepatch", monkeypatch)
    host.at(host.now() + 200, monkeypatch.undo)  # the ledger can only be closed then
    end_trial(host)
    assert stack(host, interface) == ["v1"]
    assert any("The watch of v2 failed" in text for path, text in host.writes if path == "/dev/kmsg")


def test_a_lock_that_is_held_for_ever_keeps_no_host_from_reverting(host, interface, trial):
    holders = []

    def happens():
        holders.append(Holder(lambda: change_lock(host, CHANGE)))
        host.say(WARNING, priority=4)
    host.at(host.now() + 500, lambda: holders.pop().kill())
    trial(15, happens)
    back = [text for path, text in host.writes if "As a last resort" in text]
    assert (stack(host, interface), len(back)) == (["v1"], 1)
    assert seconds(host) < MARGIN_SECONDS + 2 * TRIAL  # and not only after the trial's own end


def test_a_ledger_that_was_moved_away_keeps_no_host_from_reverting(host, interface, trial):
    def happens():
        os.unlink(host.path(LEDGER))
        host.say(WARNING, priority=4)
    trial(15, happens)
    assert (stack(host, interface), seconds(host) < 30) == (["v1"], True)
    assert failed(host) == [("kernel-warning", "WARN")]


@pytest.mark.parametrize("damage", [
    damages.empty, damages.garbage, damages.a_list, damages.deep, damages.numbers_for_texts, damages.texts_of_no_file,
    damages.a_directory, damages.a_pipe, damages.a_dangling_link, damages.of_another_user, damages.writable_by_others])
def test_a_damaged_record_is_begun_anew_and_forgets_no_warning(host, interface, apply, monkeypatch, damage):
    apply(V2, trial=TRIAL)
    host.say(WARNING, priority=4)
    host.put(WATCH, "{}")
    damage(host, WATCH, monkeypatch)
    host.began = host.now()
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=10)


# A process that is started again

class Killed(BaseException):
    """The process was killed."""


def killed(host, at):
    """Run the trial process until it is killed."""
    host.at(host.now() + at, lambda: damages.throw(Killed()))
    with pytest.raises(Killed):
        end_trial(host)


def test_a_process_that_is_started_again_goes_on_with_its_counts(host, interface, apply):
    apply(V2, trial=TRIAL, watch=CHECKED)
    answers(host, 0, 0, 0, 1)
    host.began = host.now()
    killed(host, 35)
    record = read_watch(host, read_ledger(host)["trial"])
    assert (record["looks"], record["health"][0]["ok"], record["health"][0]["in_a_row"]) == (4, 3, 1)
    end_trial(host)
    assert_reverted(host, interface, ("health-check-failed", "web"), before=50)
    known = read_ledger(host)["failed_watch"]
    assert (known["looks"], known["health"][0]["ok"], known["health"][0]["failed"]) == (5, 3, 2)


def test_what_the_kernel_says_while_no_process_runs_is_read_later(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    killed(host, 35)
    host.say(WARNING, priority=4)
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=50)


def test_a_process_that_was_killed_after_the_failure_still_reverts(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    holder = Holder(lambda: change_lock(host, CHANGE))
    host.at(host.now() + 5, lambda: host.say(WARNING, priority=4))
    killed(host, 35)
    holder.kill()
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=50)


# A trial that begins again

def test_a_renewed_trial_has_a_new_watch(host, interface, apply):
    apply(V2, trial=TRIAL, watch=CHECKED)
    host.began = host.now()
    answers(host, 1)
    host.at(host.now() + 5, lambda: apply(V2, trial=TRIAL, watch={"failures": 1, "health_checks": [
        {"command": "other"}]}))
    host.at(host.now() + 4, lambda: answers(host, 0, 0, 0, 1))
    end_trial(host)
    assert_reverted(host, interface, ("health-check-failed", "other"), before=60)


def test_a_trial_whose_watch_has_failed_is_not_renewed(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    errors = []

    def happens():
        host.say(WARNING, priority=4)
        host.sleep(0)
    host.at(host.now() + 5, happens)
    holder = Holder(lambda: change_lock(host, CHANGE))

    def renew():
        holder.kill()
        errors.append(failure(apply, V2, trial=TRIAL))
    host.at(host.now() + 10, renew)
    end_trial(host)
    assert [error.code for error in errors] == ["watch-failed"]
    assert_reverted(host, interface, ("kernel-warning", "WARN"))


# Whoever asks next

def test_a_patch_whose_watch_has_failed_is_not_accepted(host, interface, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    for fresh in (False, True):
        error = failure(apply, V2, state="accepted", fresh=fresh)
        assert (error.code, error.details["watch"]["findings"][0]["code"]) == ("watch-failed", "kernel-warning")
    assert failure(apply, name="v2", state="accepted", fresh=True).code == "watch-failed"
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])
    told = watch_host(host, "v2", None, [], None, report_only=True)
    assert [found["code"] for found in told["findings"]] == ["patch-not-running", "watch-failed"]
    assert told["watch"]["findings"][0]["code"] == "kernel-warning"


def test_the_failure_is_told_after_a_reboot_too(host, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    reboot(host)
    assert host_inventory(host)["failed_watch"]["findings"][0]["code"] == "kernel-warning"
    assert failure(apply, V2, state="accepted").code == "watch-failed"


@pytest.mark.parametrize("state", ["absent", "disabled"])
def test_the_failure_is_forgotten_when_the_operator_says_so(host, apply, trial, state):
    trial(15, lambda: host.say(WARNING, priority=4))
    assert apply(name="v2", state=state)["changed"] is True
    assert (failed(host), host_inventory(host)["failed_watch"]) == (None, None)
    assert apply(name="v2", state=state)["changed"] is False


def test_the_failure_is_forgotten_with_the_next_load(host, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    host.guard_looks = True
    apply(V2, trial=60)
    assert failed(host) is None
    assert apply(V2, state="accepted", fresh=True)["patch"]["state"] == "accepted"
