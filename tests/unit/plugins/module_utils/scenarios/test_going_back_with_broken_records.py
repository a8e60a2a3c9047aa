# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back depends on no lock, store or ledger, and what was not recorded is told; all else refuses."""

import errno
import fcntl
import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    HUNG_SECONDS,
    show_sign_of_life,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import (
    HOLD_SECONDS,
    STOPPED_SECONDS,
    STUCK_SECONDS,
    change_lock,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    LEDGER,
    LOCK,
    RUN_DIRECTORY,
    STORE_DIRECTORY,
    TRIAL_ENDED,
    TRIAL_PROCESS,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import last_resort, trial_end
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import (
    MARGIN_SECONDS,
    SILENT_SECONDS,
    LastResort,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import MOST_DEPTH, parse_json
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
    kept_file_path,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import load, unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    PID,
    STAT,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

CHANGE = {"transaction": "other", "since": "2026-11-21T09:16:53Z", "who": {
    "controller_user": "alice", "controller_node": "control1", "user": "deploy", "address": "192.0.2.7"}}
BROKEN = {
    "lock is a directory": (LOCK, damages.a_directory), "lock is a link": (LOCK, damages.a_dangling_link),
    "lock is a pipe": (LOCK, damages.a_pipe), "directory is a file": (RUN_DIRECTORY, damages.a_file),
    "directory is a link": (RUN_DIRECTORY, damages.a_link),
    "directory is open to all": (RUN_DIRECTORY, damages.writable_by_others),
    "directory is readable": (RUN_DIRECTORY, damages.readable_by_others)}
LEDGERS = {"directory": damages.a_directory, "disk error": damages.io_error, "dangling link": damages.a_dangling_link,
           "deep": damages.deep, "other types": damages.numbers_for_texts}
BACK = {
    "absent": lambda host, apply: apply(name="v2", state="absent"),
    "original": lambda host, _apply: roll_back(host, "original", 3, "reverse")}


def codes(found):
    return [one["code"] for one in found]


def drift_codes(host):
    return codes(host_inventory(host)["drift"])


@pytest.fixture
def held(host):
    """held(state, record): another process holds the lock, in a state as in proc(5), with or without its record."""
    holders = []

    def hold(state="S", record=True, elsewhere=None):
        def lock():
            if record:
                return change_lock(host, CHANGE)
            os.makedirs(host.path(RUN_DIRECTORY), mode=0o700, exist_ok=True)
            fcntl.flock(os.open(host.path(LOCK), os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
            return open(os.devnull, encoding="utf-8")
        holders.append(Holder(lock))
        host.put(f"/proc/{PID}/stat", STAT.replace(") S 1 0", f") {state} 1 0"))
        return holders[-1]
    yield hold
    for one in holders:
        one.kill()


@pytest.mark.parametrize("back", sorted(BACK))
@pytest.mark.parametrize("broken", sorted(BROKEN))
def test_a_broken_lock_keeps_no_patch_in_and_lets_none_in(host, interface, apply, monkeypatch, broken, back):
    apply(V2)
    path, damage = BROKEN[broken]
    damage(host, path, monkeypatch)
    assert failure(apply, TWO).code in ("lock-unusable", "directory-not-private")
    result = BACK[back](host, apply)
    expected = [] if broken == "directory is readable" else ["lock-not-held"]  # such a lock still works
    assert (codes(result["findings"]), stack(host, interface)) == (expected, [])
    assert "record-unusable" in drift_codes(host)


@pytest.mark.parametrize("back", sorted(BACK))
def test_a_file_system_without_locks_keeps_no_patch_in_and_lets_none_in(host, interface, apply, monkeypatch, back):
    def refuses(_descriptor, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    apply(V2)
    monkeypatch.setattr(fcntl, "flock", refuses)
    assert failure(apply, TWO).code == "lock-unusable"
    result = BACK[back](host, apply)
    assert (codes(result["findings"]), stack(host, interface)) == (["lock-not-held"], [])


@pytest.mark.parametrize("broken", sorted(BROKEN))
def test_a_trial_ends_with_a_broken_lock(host, interface, apply, monkeypatch, broken):
    accept(apply, V1)
    apply(V2, trial=60)
    path, damage = BROKEN[broken]
    host.at(30, lambda: damage(host, path, monkeypatch))
    assert "This host has reverted to v1" in end_trial(host)
    assert (host.now() < 75, stack(host, interface)) == (True, ["v1"])


@pytest.mark.parametrize("state, record, seconds", [
    ("T", True, STOPPED_SECONDS), ("t", True, STOPPED_SECONDS), ("D", True, STUCK_SECONDS),
    ("S", False, STUCK_SECONDS)])
@pytest.mark.parametrize("back", sorted(BACK))
def test_a_holder_that_cannot_end_is_not_waited_for(host, interface, apply, held, back, state, record, seconds):
    apply(V2)
    held(state, record)
    begun = host.now()
    assert failure(apply, TWO).code == "host-busy"
    assert host.now() == begun
    result = BACK[back](host, apply)
    assert (codes(result["findings"]), stack(host, interface)) == (["lock-not-held"], [])
    assert seconds <= host.now() - begun < seconds + 10


@pytest.mark.parametrize("back", sorted(BACK))
@pytest.mark.parametrize("best_effort", [False, True])
def test_a_stopped_holder_that_continues_later_leaves_the_records(host, apply, back, best_effort):
    apply(V2, trial=60)
    with open_transaction(host, "patch", best_effort_records=best_effort) as stopped:
        host.put(f"/proc/{PID}/stat", STAT.replace(") S 1 0", ") T 1 0"))
        assert codes(BACK[back](host, apply)["findings"]) == ["lock-not-held"]
        after = read_ledger(host)
        if best_effort:
            stopped.update_ledger(loaded=[])
            assert codes(stopped.end("done", [], [])) == ["ledger-not-written"]
        else:
            assert failure(stopped.update_ledger, loaded=[]).code == "lock-lost"
    assert (after["trial"], read_ledger(host)) == (None, after)


def test_a_stopped_holder_is_told_with_what_to_do(host, apply, held):
    apply(V2)
    held("T")
    assert f"kill -CONT {PID}" in failure(apply, TWO).message


@pytest.mark.parametrize("back", sorted(BACK))
def test_a_live_change_is_not_disturbed_until_it_is_past_what_it_can_take(host, interface, apply, held, back):
    apply(V2)
    held()
    assert failure(BACK[back], host, apply).code == "host-busy"
    host.sleep(HOLD_SECONDS + 1)
    assert codes(BACK[back](host, apply)["findings"]) == ["lock-not-held"]
    assert stack(host, interface) == []


def test_a_holder_that_runs_again_is_live_again(host, interface, apply, held):
    apply(V2)
    held("T")
    host.at(host.now() + 5, lambda: host.put(f"/proc/{PID}/stat", STAT))
    assert failure(BACK["absent"], host, apply).code == "host-busy"
    assert stack(host, interface) == ["v2"]


@pytest.mark.parametrize("state", ["T", "D"])
def test_a_trial_ends_though_the_holder_of_the_lock_is_stopped(host, interface, apply, held, state):
    accept(apply, V1)
    apply(V2, trial=60)
    host.at(30, lambda: held(state))
    ended = []
    host.at(200, lambda: ended.append(stack(host, interface)))
    end_trial(host)
    assert stack(host, interface) == ["v1"]
    assert host.now() < 60 + STUCK_SECONDS + 30
    assert "trial" in [change["action"] for change in history(host)["journal"]]


def test_behind_a_live_change_a_trial_ends_after_the_margin_without_any_record(host, interface, apply, held):
    accept(apply, V1)
    apply(V2, trial=60)
    seen = {}

    def look(name):
        seen[name] = ([patch["name"] for patch in interface.patches()], drift_codes(host))
    holders = []
    host.at(30, lambda: holders.append(held()))
    host.at(60 + MARGIN_SECONDS - 10, lambda: look("before"))
    host.at(60 + MARGIN_SECONDS + 60, lambda: look("after"))
    host.at(60 + MARGIN_SECONDS + 61, lambda: [one.kill() for one in holders])
    message = end_trial(host)
    assert "without the lock, the store and the ledger" in message and "reverted to v1" in message
    assert seen["before"][0] == ["v2"]
    assert seen["after"][0] == ["v1"]
    assert "trial-ended-without-records" in seen["after"][1]
    assert message in host.read("/dev/kmsg")
    assert history(host)["journal"][0]["action"] == "trial"
    assert read_ledger(host)["trial"] is None
    apply(TWO)
    assert not host.exists(TRIAL_ENDED)


@pytest.mark.parametrize("error", [TypeError("wrong"), RecursionError(), OSError(errno.EIO, "Input/output error")])
def test_whatever_else_fails_the_patch_is_disabled_at_last(host, interface, apply, monkeypatch, error):
    accept(apply, V1)
    apply(V2, trial=60)

    def broken(*_arguments, **_options):
        raise error
    monkeypatch.setattr(trial_end, "open_transaction", broken)
    monkeypatch.setattr(last_resort, "Transaction", broken)
    monkeypatch.setattr(last_resort.StackRestore, "run", broken)
    host.at(1000, lambda: damages.throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        end_trial(host)
    assert stack(host, interface) == []
    note = json.loads(host.read(TRIAL_ENDED))
    assert (note["name"], note["message"] in host.read("/dev/kmsg")) == ("v2", True)
    assert "trial-ended-without-records" in drift_codes(host)


def test_earlier_patches_come_back_from_files_that_are_deleted_meanwhile(host, interface, apply, held, monkeypatch):
    accept(apply, V1)
    apply(V2, trial=60)
    monkeypatch.setattr(trial_end, "open_transaction", lambda *_argv, **_more: damages.throw(TypeError("x")))
    host.at(30, lambda: damages.missing(host, STORE_DIRECTORY, monkeypatch))
    host.at(600, lambda: damages.throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        end_trial(host)
    assert stack(host, interface) == ["v1"]
    assert not os.path.exists(kept_file_path(host, V1))


def test_the_thread_disables_the_patch_of_a_process_that_hangs_in_a_read(host, interface, apply):
    """The thread's own clock is real, so the test calls what the thread calls."""
    accept(apply, V1)
    apply(V2, trial=60)
    guard = LastResort(host, read_ledger(host)["trial"])
    guard._over.wait = lambda _seconds: host.now() > 60 + 3 * SILENT_SECONDS or host.sleep(15)
    host.at(60 + MARGIN_SECONDS, lambda: guard.remember(guard.trial))  # it lives until then
    host.at(60 + MARGIN_SECONDS + SILENT_SECONDS - 30, lambda: seen.append(interface.state("v2")))
    seen = []
    guard._watch()
    guard.stop()
    assert (seen, interface.state("v2")) == (["enabled"], "absent")


def test_a_process_that_is_started_again_knows_the_trial_without_the_ledger(host, interface, apply, monkeypatch):
    apply(V2, trial=60)
    show_sign_of_life(host, read_ledger(host)["trial"])
    damages.io_error(host, LEDGER, monkeypatch)
    assert "reverted to no live patch" in end_trial(host)
    assert (60 <= host.now() < 75, stack(host, interface)) == (True, [])


@pytest.mark.parametrize("back", sorted(BACK))
@pytest.mark.parametrize("broken", sorted(LEDGERS))
def test_a_broken_ledger_is_told_and_closes_nothing(host, interface, apply, monkeypatch, broken, back):
    accept(apply, V1)
    apply(V2)
    LEDGERS[broken](host, LEDGER, monkeypatch)
    assert {"ledger-unreadable", "ledger-damaged"} & set(drift_codes(host))
    assert failure(apply, ONE).code in ("ledger-unreadable", "ledger-damaged")
    result = BACK[back](host, apply)
    assert "ledger-not-read" in codes(result["findings"])
    assert stack(host, interface) == []
    assert host.exists(f"{STORE_DIRECTORY}/{V1.sha256}.ko")  # only the broken ledger knows that it is accepted
    if broken != "dangling link":
        assert "ledger-set-aside" in drift_codes(host)


def test_a_second_damaged_ledger_does_not_replace_the_first(host, apply):
    apply(V2)
    for content in (b"{1", b"{2"):
        host.put(LEDGER, content)
        apply(name="v2", state="absent")
        apply(V2)
    assert (host.read_bytes(f"{LEDGER}.damaged"), host.read_bytes(f"{LEDGER}.damaged.2")) == (b"{1", b"{2")


def lines(host):
    return host.read_bytes(JOURNAL).splitlines(keepends=True)


JOURNALS = {
    "newest end damaged": lambda host: host.put(JOURNAL, b"".join(lines(host)[:-1]) + b"\0" * 40 + b"\n"),
    "newest change damaged": lambda host: host.put(JOURNAL, b"".join(lines(host)[:-2]) + b"garbage\n[]\n"),
    "newer version": lambda host: host.put(JOURNAL, b"".join(
        [*lines(host)[:-2], *(line.replace(b'"schema": 1', b'"schema": 2') for line in lines(host)[-2:])])),
    "cut in the newest change": lambda host: host.put(JOURNAL, b"".join(lines(host)[:-2]) + lines(host)[-2][:90]),
    "deep": lambda host: host.put(JOURNAL, b"".join(lines(host)[:-2]) + b"[" * 100000 + b"\n"),
}


@pytest.mark.parametrize("damage", sorted(JOURNALS))
def test_previous_undoes_nothing_if_it_cannot_know_the_newest_change(host, interface, apply, damage):
    accept(apply, V1)
    transaction = history(host)["journal"][0]["transaction"]
    apply(ONE)
    JOURNALS[damage](host)
    error = failure(roll_back, host, "previous", 3, "reverse")
    assert (error.code, stack(host, interface), accepted(host)) == ("journal-unreadable", ["v1", "one"], ["v1"])
    assert "journal-damaged" in drift_codes(host)
    assert roll_back(host, transaction, 3, "reverse")["target"] == ["v1"]
    assert stack(host, interface) == ["v1"]
    roll_back(host, "original", 3, "reverse")
    assert stack(host, interface) == []


def test_a_line_that_a_killed_change_left_unfinished_hides_no_change(host, interface, apply):
    """Nothing is changed before its line is written, so the patches are those after the last whole line."""
    accept(apply, V1)
    apply(ONE)
    whole = host.read_bytes(JOURNAL)
    host.put(JOURNAL, whole + b'{"action": "patch", "bef')
    assert "journal-damaged" in drift_codes(host)
    roll_back(host, "previous", 3, "reverse")
    assert stack(host, interface) == ["v1"]
    assert host.read_bytes(JOURNAL).startswith(whole + b'{"action": "rollback"')
    assert "journal-damaged" not in drift_codes(host)


def test_after_an_unfinished_line_another_build_of_the_same_name_is_another_patch(host, interface, apply):
    accept(apply, V1)
    apply(ONE)
    host.put(JOURNAL, host.read_bytes(JOURNAL) + b'{"action": "patch", "bef')
    unload(host, interface, "one")
    load(host, SimulatedPatch("one", build_id="77" * 20, objects={"vmlinux": ["meminfo_proc_show"]}))
    assert failure(roll_back, host, "previous", 3, "reverse").code == "journal-unreadable"
    assert stack(host, interface) == ["v1", "one"]


@pytest.mark.parametrize("damage", [damages.io_error, damages.a_directory, damages.a_dangling_link])
def test_a_journal_that_cannot_be_read_is_not_an_empty_one(host, apply, monkeypatch, damage):
    accept(apply, V1)
    apply(ONE)
    damage(host, JOURNAL, monkeypatch)
    assert failure(roll_back, host, "previous", 3, "reverse").code == "journal-unreadable"
    assert "record-unusable" in drift_codes(host)


def test_damage_older_than_the_change_to_undo_does_not_matter(host, interface, apply):
    accept(apply, V1)
    host.put(JOURNAL, b"garbage\n" + host.read_bytes(JOURNAL))
    apply(ONE)
    roll_back(host, "previous", 3, "reverse")
    assert stack(host, interface) == ["v1"]


def test_files_that_only_unreadable_lines_need_are_kept(host, apply):
    apply(ONE)
    apply(name="one", state="absent")
    host.put(JOURNAL, b"".join(line.replace(b'"schema": 1', b'"schema": 2') for line in lines(host)))
    for _time in range(2):
        apply(TWO)
        apply(name="two", state="absent")
    assert os.path.exists(kept_file_path(host, ONE))
    for _time in range(2):
        apply(TWO)
        apply(name="two", state="absent")
    assert not os.path.exists(kept_file_path(host, ONE))  # five readable changes are newer


def test_a_stopped_and_a_hanging_trial_process_are_told(host, apply):
    apply(V2, trial=60)
    show_sign_of_life(host, read_ledger(host)["trial"])
    assert "trial-process-stopped" not in drift_codes(host)
    host.put(f"/proc/{PID}/stat", STAT.replace(") S 1 0", ") T 1 0"))
    found = {one["code"]: one["message"] for one in host_inventory(host)["drift"]}
    assert f"kill -CONT {PID}" in found["trial-process-stopped"]
    host.put(f"/proc/{PID}/stat", STAT)
    host.sleep(HUNG_SECONDS + 60)
    assert {"trial-process-hung", "trial-overdue"} <= set(drift_codes(host))


def test_a_trial_that_is_over_and_only_in_the_ledger_is_told(host, interface, apply):
    apply(V2, trial=60)
    host.sleep(120)
    interface.set_enabled("v2", False)
    host.sleep(2)
    assert "trial-not-recorded" in drift_codes(host)


def test_a_trial_process_whose_registration_is_damaged_is_not_said_to_be_missing(host, apply):
    apply(V2, trial=60)
    host.put(TRIAL_PROCESS, b"{")
    found = drift_codes(host)
    assert "trial-process-missing" not in found and "record-unusable" in found


@pytest.mark.parametrize("content", [
    b"[" * 100000, b'{"a":' * 100000, b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1)])
def test_deep_json_is_damage_and_not_an_error_of_the_parser(content):
    with pytest.raises(ValueError):
        parse_json(content)


def test_json_as_deep_as_the_bound_and_brackets_in_texts_are_read():
    assert parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH) is not None
    assert parse_json(b'["' + b"[{\\\"" * 100 + b'"]') == ['[{"' * 100]
