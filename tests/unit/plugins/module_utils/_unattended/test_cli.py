# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program is told and answers, and the process that ends a trial without systemd, with real signals."""

import os
import signal

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init import detached
from ansible_collections.kernel.livepatch.plugins.module_utils._init.detached import run_until_done
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import trial_process_alive
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import was_clean
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import CLEAN_SHUTDOWN
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import boot, trial_end
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.cli import COMMANDS, main
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

TRIAL = {"transaction": "T1", "name": "fix", "since": "2026-11-21T09:16:53Z", "seconds": 1, "ends": 2, "back_to": []}
BOOT = "8f3c6a5e-0d1b-4b57-9a53-2f6c1de0a7b4"


@pytest.fixture
def done(monkeypatch):
    """The names of what was called at a boot and at a trial's end."""
    calls = []
    monkeypatch.setattr(boot, "boot", lambda _host: calls.append("boot"))
    monkeypatch.setattr(trial_end, "end_trial", lambda _host, **_options: calls.append("end_trial"))
    return calls


@pytest.fixture
def signals():
    """Gives back what a test does to this process's signals."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGALRM)
    earlier = [signal.getsignal(number) for number in numbers]
    yield
    signal.alarm(0)
    for number, handler in zip(numbers, earlier):
        signal.signal(number, handler)


def test_a_program_that_can_read_everything_is_ready(kernel, capsys):
    assert main(["ready"], kernel) == 0
    assert capsys.readouterr().out == "ready\n"


def test_a_ledger_that_cannot_be_read_is_one_line_and_a_failure(kernel, capsys):
    kernel.put("/var/lib/kernel-livepatch/ledger.json", "{")
    assert main(["ready"], kernel) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ledger-damaged: ")
    assert captured.err.count("\n") == 1


def test_what_the_system_refuses_is_one_line_too(kernel, capsys):
    kernel.forbidden = ("/var/lib/kernel-livepatch",)
    assert main(["ready"], kernel) == 1
    assert capsys.readouterr().err.startswith("ledger-unreadable: ")


@pytest.mark.parametrize("argv", [[], ["reboot"], ["boot", "now"], ["end-trial", "detached", "x"]])
def test_other_words_do_nothing(kernel, capsys, argv, done):
    assert main(argv, kernel) == 2
    assert capsys.readouterr().err.startswith("usage: ")
    assert done == []


def test_boot_in_the_same_kernel_takes_the_mark_away_first(kernel, done):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    kernel.put(CLEAN_SHUTDOWN, f"{BOOT}\n")
    assert main(["boot"], kernel) == 0
    assert done == ["boot"]
    assert not was_clean(kernel, BOOT)


def test_all_other_commands_are_there():
    assert COMMANDS["confirm-boot"] is boot.confirm_boot
    assert COMMANDS["shutdown"] is boot.shut_down


def test_what_ends_a_trial_says_that_it_waits_before_it_does(kernel, monkeypatch, capsys):
    write_ledger(kernel, dict(empty_ledger(), trial=TRIAL))
    monkeypatch.setattr(trial_end, "end_trial", lambda host, **_options: f"guarded: {trial_process_alive(host, 'T1')}")
    assert not trial_process_alive(kernel, "T1")
    assert main(["end-trial"], kernel) == 0
    assert capsys.readouterr().out == "guarded: True\n"


def test_a_full_disk_does_not_keep_from_ending_a_trial(kernel, done):
    write_ledger(kernel, dict(empty_ledger(), trial=TRIAL))
    kernel.put("/run/kernel-livepatch", "a file where a directory has to be")
    assert main(["end-trial"], kernel) == 0
    assert done == ["end_trial"]


def test_alone_is_the_same_job_as_a_process_of_its_own(kernel, done, signals):
    assert main(["end-trial", "detached"], kernel) == 0
    assert done == ["end_trial"]
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("failure, message", [
    (LivepatchError("transition-stalled", "It stalls."), "It stalls."), (OSError(5, "Input/output error"), "Input"),
    (ValueError("a mistake of ours"), "a mistake of ours")])
def test_what_fails_alone_is_told_to_the_kernels_log_and_tried_again(kernel, signals, failure, message):
    attempts = []

    def job(host):
        attempts.append(host.now())
        if len(attempts) < 3:
            raise failure
        return "Back."

    run_until_done(kernel, job)
    assert attempts == [0, 5, 10]
    log_lines = [text for path, text in kernel.writes if path == "/dev/kmsg"]
    assert len(log_lines) == 3
    assert log_lines[2] == "<5>kernel-livepatch: Back.\n"
    assert log_lines[0].startswith("<3>kernel-livepatch: ")
    assert message in log_lines[0]


@pytest.mark.parametrize("kernel_has_it", [True, False])
def test_alone_it_is_never_the_victim_when_memory_runs_out(kernel, signals, kernel_has_it):
    """systemd does the same for its service, and starts that again."""
    if kernel_has_it:
        kernel.put("/proc/self/oom_score_adj", "0")
    seen = []
    run_until_done(kernel, lambda host: seen.append(host.read_or("/proc/self/oom_score_adj")))
    assert seen == ["-1000" if kernel_has_it else None]


def test_going_down_leaves_the_mark_and_living_on_takes_it_away(kernel, signals, monkeypatch):
    """The signals are real, the time in between is not waited for."""
    kernel.put(BOOT_ID, f"{BOOT}\n")
    alarms = []
    monkeypatch.setattr(detached.signal, "alarm", alarms.append)
    marks = []

    def job(_host):
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        marks.append(was_clean(kernel, BOOT))
        os.kill(os.getpid(), signal.SIGALRM)
        marks.append(was_clean(kernel, BOOT))

    run_until_done(kernel, job)
    assert marks == [True, False]
    assert alarms == [60]


def test_a_trial_that_ends_while_the_host_goes_down_waits_for_that(kernel, signals, monkeypatch):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    monkeypatch.setattr(detached.signal, "alarm", lambda seconds: kernel.at(
        kernel.now() + seconds, lambda: os.kill(os.getpid(), signal.SIGALRM)))
    run_until_done(kernel, lambda _host: os.kill(os.getpid(), signal.SIGTERM))
    assert kernel.now() >= 60
    assert not was_clean(kernel, BOOT)


def test_a_full_disk_does_not_break_into_what_goes_on(kernel, signals, monkeypatch):
    def full(_host):
        raise LivepatchError("no-space", "x")

    monkeypatch.setattr(detached, "record_clean_shutdown", full)
    monkeypatch.setattr(detached.signal, "alarm", lambda seconds: kernel.at(
        kernel.now() + seconds, lambda: os.kill(os.getpid(), signal.SIGALRM)))
    run_until_done(kernel, lambda _host: os.kill(os.getpid(), signal.SIGTERM))
    assert [text for path, text in kernel.writes if path == "/dev/kmsg"] == []


def test_the_real_host_is_the_default(monkeypatch):
    seen = []
    monkeypatch.setitem(COMMANDS, "ready", lambda host: seen.append((type(host).__name__, host.root)))
    assert main(["ready"]) == 0
    assert seen == [("Host", "/")]
