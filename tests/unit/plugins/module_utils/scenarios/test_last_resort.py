# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last resort ends each trial that is over, also in a process that hangs, and no other patch."""

import os
import threading

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change import acceptance
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    ALIVE,
    HUNG_SECONDS,
    show_sign_of_life,
    trial_process,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    empty_ledger,
    entry_of,
    read_ledger,
    write_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    LEDGER,
    LOCK,
    RUN_DIRECTORY,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
    TRIAL_ENDED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.remembered_files import RememberedFiles
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import last_resort, trial_end
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import (
    MARGIN_SECONDS,
    SILENT_SECONDS,
    WATCH_SECONDS,
    LastResort,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._persistence.test_lock import Holder
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    failure,
    stack,
)

CHANGE = {"transaction": "other", "since": "2026-11-21T09:16:53Z", "who": {}}
SILENT_LOOKS = SILENT_SECONDS // WATCH_SECONDS + 2


def watch(host, guard, looks, first=lambda: None):
    """What the thread does in a number of looks; `first` happens before them."""
    left = [None] * looks
    steps = [first]

    def wait(_seconds):
        if steps:
            steps.pop()()
        host.sleep(WATCH_SECONDS)
        return not left or left.pop()
    guard._over.wait = wait
    guard._watch()


def in_thread(call):
    """Whether a call ends; it runs in a thread, so that one without an end fails the test."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def test_a_trial_that_is_renewed_after_the_margin_stays(host, interface, apply, before_the_lock):
    accept(apply, V1)
    apply(V2, trial=60)

    def renew():
        host.sleep(MARGIN_SECONDS + 5)
        apply(V2, trial=600)
    seen = []
    host.at(60 + MARGIN_SECONDS + 500, lambda: seen.append(interface.state("v2")))
    before_the_lock(trial_end, renew)
    assert "reverted to v1" in end_trial(host)
    assert (seen, stack(host, interface)) == (["enabled"], ["v1"])


@pytest.mark.parametrize("fails", [False, True])
def test_a_slow_acceptance_is_not_undone(host, interface, apply, monkeypatch, fails):
    """The trial process waits for the lock of the acceptance, here simulated on its own."""
    accept(apply, V1)
    apply(V2, trial=60)
    ends = read_ledger(host)["trial"]["ends"]
    guard = LastResort(host, read_ledger(host)["trial"])
    real = acceptance.install_boot_service

    def slow(*argv, **options):
        host.sleep(60 + MARGIN_SECONDS + 5)
        guard.remember(read_ledger(host)["trial"])
        assert guard.run("the lock is held") is None
        if fails:
            raise LivepatchError("boot-service-failed", "It fails.")
        return real(*argv, **options)
    monkeypatch.setattr(acceptance, "install_boot_service", slow)
    if fails:
        assert failure(apply, V2, state="accepted", fresh=True).code == "boot-service-failed"
        assert read_ledger(host)["trial"]["ends"] == ends
    else:
        apply(V2, state="accepted", fresh=True)
        assert (read_ledger(host)["trial"], accepted(host)) == (None, ["v2"])
    assert interface.state("v2") == "enabled"


def test_an_acceptance_leaves_the_trial_of_another_patch_as_it_was(host, apply):
    apply(ONE)
    apply(TWO, trial=60)
    trial = read_ledger(host)["trial"]
    accept(apply, ONE)
    assert (read_ledger(host)["trial"], accepted(host)) == (trial, ["one"])


def test_the_end_of_one_trial_does_not_close_the_next_one(host, interface, apply):
    accept(apply, V1)
    apply(V2, trial=60)
    holders = [Holder(lambda: change_lock(host, CHANGE))]

    def next_trial():
        assert interface.state("v2") == "absent"
        holders.pop().kill()
        apply(V2, trial=60)
    host.at(60 + MARGIN_SECONDS + 40, next_trial)
    end_trial(host)
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["v1"], None)


@pytest.mark.parametrize("looks", [3, SILENT_LOOKS], ids=["stopped", "hung"])
def test_the_thread_does_not_touch_a_patch_that_was_accepted_while_the_process_did_not_run(
        host, interface, apply, looks):
    apply(V2, trial=60)
    guard = LastResort(host, read_ledger(host)["trial"])

    def is_stopped():
        accept(apply, V2)
        host.sleep(60 + MARGIN_SECONDS + 2 * SILENT_SECONDS)
    watch(host, guard, looks, first=is_stopped)
    assert (interface.state("v2"), accepted(host)) == ("enabled", ["v2"])


def test_the_thread_needs_no_answer_of_the_disk(host, interface, apply, monkeypatch):
    apply(V2, trial=60)
    guard = LastResort(host, read_ledger(host)["trial"])
    never = threading.Event()
    monkeypatch.setattr(last_resort, "ANSWER_SECONDS", 0)
    monkeypatch.setattr(last_resort, "read_ledger", lambda _host: never.wait(60))
    host.sleep(60 + MARGIN_SECONDS)
    watch(host, guard, SILENT_LOOKS)
    assert interface.state("v2") == "absent"
    never.set()


def test_the_thread_acts_while_the_process_hangs_in_the_last_resort_itself(host, interface, apply, monkeypatch):
    apply(V2, trial=60)
    guard = LastResort(host, read_ledger(host)["trial"])
    hangs, never = threading.Event(), threading.Event()

    def check(_restore):
        hangs.set()
        never.wait(60)
    monkeypatch.setattr(last_resort.StackRestore, "check", check)
    host.sleep(60 + MARGIN_SECONDS + 1)
    process = threading.Thread(target=lambda: guard.run("it waits"), daemon=True)
    process.start()
    assert hangs.wait(60)
    assert in_thread(lambda: watch(host, guard, SILENT_LOOKS))
    assert interface.state("v2") == "absent"
    never.set()
    process.join(60)


def test_the_thread_reverses_a_transition_that_does_not_end(host, interface, apply):
    host.hold(77)
    apply(V2, trial=60, on_stall="wait")
    assert interface.state("v2") == "enabling"
    guard = LastResort(host, read_ledger(host)["trial"])
    host.sleep(100 + MARGIN_SECONDS)
    watch(host, guard, SILENT_LOOKS)
    assert interface.state("v2") in ("absent", "disabled", "disabling")


def test_a_process_that_is_started_again_knows_the_trial_of_a_ledger_that_was_moved_away(host, interface, apply):
    apply(V2, trial=60)
    show_sign_of_life(host, read_ledger(host)["trial"])
    other = entry_of(ONE.description, "", "later")
    os.unlink(host.path(LEDGER))
    write_ledger(host, dict(empty_ledger(), accepted=[dict(other, since="2026-11-21T09:16:53Z")]))
    assert "reverted to no live patch" in end_trial(host)
    assert (stack(host, interface), accepted(host)) == ([], ["one"])


def test_a_change_without_the_lock_leaves_the_unfinished_files_of_another_change(host, interface, apply, monkeypatch):
    apply(V2)
    os.unlink(host.path(LEDGER))
    host.put(f"{STATE_DIRECTORY}/.new-other", "half")
    damages.a_directory(host, LOCK, monkeypatch)
    apply(name="v2", state="absent")
    assert stack(host, interface) == []
    assert host.exists(f"{STATE_DIRECTORY}/.new-other")


@pytest.mark.parametrize("damage", [damages.a_pipe, damages.a_directory, damages.garbage, damages.writable_by_others])
def test_a_remembered_file_that_is_damaged_is_refused_and_hangs_nothing(host, interface, apply, monkeypatch, damage):
    accept(apply, V1)
    apply(V2, trial=60)
    damage(host, f"{STORE_DIRECTORY}/{V1.sha256}.ko", monkeypatch)
    files = RememberedFiles(host, read_ledger(host)["trial"]["back_to"])
    codes = []
    assert in_thread(lambda: codes.append(failure(files.open, V1.sha256).code))
    assert codes == ["kept-file-damaged"]
    files.close()


@pytest.mark.parametrize("damage", [damages.a_directory, damages.a_pipe, damages.a_dangling_link])
def test_the_note_of_the_last_resort_replaces_what_is_in_its_place(host, interface, apply, monkeypatch, damage):
    apply(V2, trial=60)
    guard = LastResort(host, read_ledger(host)["trial"])
    damage(host, TRIAL_ENDED, monkeypatch)
    host.sleep(60 + MARGIN_SECONDS + 1)
    assert guard.run("the lock is held") in host.read(TRIAL_ENDED)
    assert interface.state("v2") == "absent"


def test_a_trial_process_gives_signs_of_life_in_a_directory_that_others_can_read(host, apply, monkeypatch):
    apply(V2, trial=60)
    damages.readable_by_others(host, RUN_DIRECTORY, monkeypatch)
    trial = read_ledger(host)["trial"]
    host.sleep(HUNG_SECONDS + 1)
    show_sign_of_life(host, trial)
    assert trial_process(host, trial["transaction"])[0] == ALIVE
