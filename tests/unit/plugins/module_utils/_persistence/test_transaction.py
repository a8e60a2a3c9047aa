# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No change without its record: what the journal tells after changes that went well, badly, or no further."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import history as history_module
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import journal as journal_module
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import transaction as transaction_module
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import LIMIT, append_record
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import JOURNAL, OLDER_JOURNAL
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import ControllerRequest, LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIX = SimulatedPatch()
BUILD = {"name": "fix", "build_id": FIX.build_id, "sha256": FIX.sha256}
STACK = [dict(BUILD, parameters="", accepted=False)]


class KilledError(BaseException):
    """What stands for SIGKILL: nothing catches it."""


def journal(kernel):
    return history(kernel)["journal"]


def newest(kernel):
    return journal(kernel)[0]


def outcomes(kernel):
    return [(entry["outcome"], entry["code"]) for entry in journal(kernel)]


def failure(call, *arguments, **options):
    with pytest.raises(LivepatchError) as caught:
        call(*arguments, **options)
    return caught.value


def kill_when_written(monkeypatch):
    def load(_change):
        raise KilledError

    monkeypatch.setattr(StepRunner, "load", load)


def fill_disk(monkeypatch, calls=0):
    """Let the journal's disk be full after some records."""
    real, left = transaction_module.append_record, [calls]

    def append(*arguments):
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        real(*arguments)

    monkeypatch.setattr(transaction_module, "append_record", append)


def test_a_change_is_told_in_full(kernel, apply):
    kernel.put("/proc/sys/kernel/random/boot_id", "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11\n")
    result = apply(FIX)
    assert history(kernel) == {"changing": None, "journal_unreadable": 0, "journal": [{
        "transaction": result["transaction"], "action": "patch", "outcome": "done", "code": None,
        "why": None, "began": "2026-11-21T09:16:53Z", "ended": "2026-11-21T09:16:53Z",
        "seconds": result["patch"]["transition_seconds"],
        "boot_id": "2f1d0f4e-7a54-4c1c-8d55-7a8f3d0c9d11", "kernel": "6.1.0-56-amd64",
        "who": {"controller_user": None, "controller_node": None, "user": "root", "address": None},
        "patches": [dict(
            BUILD, previous_state="absent", wanted_state="enabled", kernel=None, state="enabled",
            transition_seconds=result["patch"]["transition_seconds"])],
        "replaces": [], "before": [], "after": STACK,
    }]}


def test_the_record_is_there_before_the_kernel_is_touched(kernel, apply, monkeypatch):
    seen = []
    real = kernel.finit_module
    monkeypatch.setattr(kernel, "finit_module", lambda *arguments: seen.append(newest(kernel)) or real(*arguments))
    result = apply(FIX)
    assert [(entry["transaction"], entry["outcome"]) for entry in seen] == [(result["transaction"], "running")]


def test_later_changes_are_told_first_and_their_names_sort_by_time(kernel, apply):
    results = [apply(FIX), apply(name="fix", state="absent"), apply(FIX)]
    names = [result["transaction"] for result in results]
    assert names == sorted(set(names))
    assert [entry["transaction"] for entry in journal(kernel)] == names[::-1]
    assert [entry["before"] for entry in journal(kernel)] == [[], STACK, []]


def test_a_removal_by_name_knows_the_digest_from_what_is_kept(kernel, apply):
    apply(FIX)
    apply(name="fix", state="absent")
    assert newest(kernel)["patches"][0]["sha256"] == FIX.sha256
    assert (newest(kernel)["before"], newest(kernel)["after"]) == (STACK, [])


def test_what_was_replaced_is_told(kernel, apply):
    apply(FIX)
    apply(SimulatedPatch("later", build_id="cc" * 20, replace=True))
    assert newest(kernel)["replaces"] == ["fix"]
    assert [patch["name"] for patch in newest(kernel)["after"]] == ["later"]


def test_a_patch_that_something_else_has_loaded_has_no_digest(kernel, interface, apply):
    apply(FIX)
    os.unlink(kernel.path(f"/var/lib/kernel-livepatch/patches/{FIX.sha256}.json"))
    apply(SimulatedPatch("later", build_id="cc" * 20))
    assert newest(kernel)["before"] == [dict(STACK[0], sha256=None)]


def test_what_changes_nothing_is_not_written(kernel, apply):
    apply(FIX, check_mode=True)
    assert not kernel.exists(JOURNAL)
    apply(FIX)
    before = kernel.read_bytes(JOURNAL)
    assert apply(FIX)["transaction"] is None
    assert apply(name="fix", state="absent", check_mode=True)["transaction"] is None
    assert apply(name="other", state="absent")["transaction"] is None
    assert roll_back(kernel, "original", 3, "reverse", check_mode=True)["transaction"] is None
    failure(apply, SimulatedPatch("wrong", release="5.10.0"))
    assert kernel.read_bytes(JOURNAL) == before


def test_what_asks_for_the_file_first_is_not_written(kernel, apply):
    with pytest.raises(ControllerRequest):
        apply(offer=FIX.offer())
    assert not kernel.exists(JOURNAL)


def test_a_failed_change_tells_why_and_what_is_enabled_then(kernel, apply):
    kernel.hold(7)
    error = failure(apply, FIX)
    assert outcomes(kernel) == [("failed", "transition-stalled")]
    assert error.details["transaction"] == newest(kernel)["transaction"]
    assert (newest(kernel)["patches"][0]["state"], newest(kernel)["after"]) == ("absent", [])


def test_a_transition_that_is_left_going_is_told_and_so_is_its_end(kernel, apply):
    kernel.hold(7)
    apply(FIX, on_stall="wait")
    assert (outcomes(kernel), newest(kernel)["after"]) == ([("in-transition", None)], [])
    kernel.let_go(7)
    apply(FIX)
    assert (newest(kernel)["outcome"], newest(kernel)["patches"][0]["previous_state"]) == ("done", "enabling")


def test_a_killed_change_is_interrupted_and_the_next_one_goes_on(kernel, apply, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        kill_when_written(patched)
        apply(FIX)
    entry = newest(kernel)
    assert (entry["outcome"], entry["ended"], entry["after"], entry["seconds"]) == ("interrupted", None, None, None)
    assert entry["patches"] == [dict(
        BUILD, previous_state="absent", wanted_state="enabled", kernel=None, state=None, transition_seconds=None)]
    assert apply(FIX)["changed"] is True
    assert outcomes(kernel) == [("done", None), ("interrupted", None)]


def test_a_change_that_ends_while_it_is_looked_at_was_not_interrupted(kernel, monkeypatch):
    with open_transaction(kernel, "patch") as transaction:
        transaction.begin([], [])

        def look(_host):  # after the first reading of the journal: the change ends, and another one begins
            transaction.end("done", [], [])
            append_record(kernel, "begin", dict(journal_begin(kernel), transaction="later"))

        monkeypatch.setattr(history_module, "running_change", look)
        entries = journal(kernel)
    assert [(entry["transaction"], entry["outcome"]) for entry in entries] == [
        ("later", "running"), (transaction.id, "done")]


def journal_begin(kernel):
    return next(record for record in journal_module.newest_records(kernel) if record and record["event"] == "begin")


def test_without_a_journal_nothing_is_changed(kernel, interface, apply, monkeypatch):
    fill_disk(monkeypatch)
    error = failure(apply, FIX)
    assert (error.code, error.details["changed"], error.details["transaction"]) == ("journal-unwritable", False, None)
    assert "(No space left on device), and no patch is loaded without a record of it" in error.message
    assert (kernel.loads, kernel.writes, interface.state("fix")) == ([], [], "absent")
    assert kernel.names("/var/lib/kernel-livepatch/patches") == []


@pytest.mark.parametrize("back", [
    lambda _kernel, apply: apply(name="fix", state="absent"),
    lambda kernel, _bring: roll_back(kernel, "original", 3, "reverse")])
def test_without_a_journal_the_way_back_is_open(kernel, interface, apply, monkeypatch, back):
    apply(FIX)
    fill_disk(monkeypatch)
    result = back(kernel, apply)
    assert [found["code"] for found in result["findings"]] == ["journal-begin-missing", "journal-end-missing"]
    assert (result["changed"], interface.state("fix")) == (True, "absent")


def test_an_end_that_cannot_be_written_is_a_warning_of_what_was_done(kernel, apply, monkeypatch):
    with monkeypatch.context() as patched:
        fill_disk(patched, calls=1)
        result = apply(FIX)
    assert (result["changed"], result["patch"]["state"]) == (True, "enabled")
    assert [(found["code"], found["level"]) for found in result["findings"]] == [("journal-end-missing", "warning")]
    assert result["transaction"] in result["findings"][0]["message"]
    assert outcomes(kernel) == [("interrupted", None)]
    with monkeypatch.context() as patched:
        fill_disk(patched, calls=1)
        rolled_back = roll_back(kernel, "original", 3, "reverse")
    assert [found["code"] for found in rolled_back["findings"]] == ["journal-end-missing"]


def test_an_end_that_cannot_be_written_hides_no_failure(kernel, apply, monkeypatch):
    kernel.hold(7)
    fill_disk(monkeypatch, calls=1)
    error = failure(apply, FIX)
    assert error.code == "transition-stalled"
    assert [found["code"] for found in error.details["findings"]] == ["journal-end-missing"]


def test_a_directory_that_becomes_public_meanwhile_is_a_warning_too(kernel, apply, monkeypatch):
    real = kernel.finit_module

    def finit_module(*arguments):
        os.chmod(kernel.path("/var/lib/kernel-livepatch"), 0o755)
        real(*arguments)

    monkeypatch.setattr(kernel, "finit_module", finit_module)
    found = apply(FIX)["findings"]
    assert [entry["code"] for entry in found] == ["journal-end-missing"]
    assert "Other users can use" in found[0]["message"]


def test_a_rollback_is_one_change(kernel, apply):
    apply(FIX)
    apply(SimulatedPatch("later", build_id="cc" * 20))
    result = roll_back(kernel, "original", 3, "reverse", controller={"user": "alice", "node": "control1"})
    entry = newest(kernel)
    assert (entry["transaction"], entry["action"], entry["outcome"]) == (result["transaction"], "rollback", "done")
    assert [(patch["name"], patch["previous_state"], patch["wanted_state"], patch["state"], patch["sha256"] is None)
            for patch in entry["patches"]] == [
        ("later", "enabled", "absent", "absent", False), ("fix", "enabled", "absent", "absent", False)]
    assert [patch["transition_seconds"] for patch in entry["patches"]] == [
        done["transition_seconds"] for done in result["removed"]]
    assert ([patch["name"] for patch in entry["before"]], entry["after"]) == (["fix", "later"], [])
    assert entry["who"]["controller_user"] == "alice"
    assert len(journal(kernel)) == 3


@pytest.mark.parametrize("on_stall, outcome, code", [
    ("reverse", "failed", "transition-stalled"), ("wait", "in-transition", None)])
def test_a_rollback_that_is_held_says_so(kernel, apply, on_stall, outcome, code):
    apply(FIX)
    kernel.hold(7, directions=("disabling",))
    if code:
        result = failure(roll_back, kernel, "original", 3, on_stall).details
    else:
        result = roll_back(kernel, "original", 3, on_stall)
    assert (newest(kernel)["outcome"], newest(kernel)["code"]) == (outcome, code)
    assert newest(kernel)["transaction"] == result["transaction"]


def test_a_module_that_the_kernel_holds_for_ever_is_no_change_each_time(kernel):
    kernel.plain_module("pinned", taint="OEK", refcnt=1)
    result = roll_back(kernel, "original", 3, "reverse")
    assert (result["transaction"], [found["code"] for found in result["findings"]]) == (None, ["module-kept"])
    assert journal(kernel) == []


def test_a_module_that_the_kernel_lets_go_of_is_taken_out_with_a_record(kernel):
    kernel.plain_module("pinned", taint="OEK", refcnt=1)
    kernel.at(kernel.now() + 5, lambda: kernel.put("/sys/module/pinned/refcnt", "0\n"))
    result = roll_back(kernel, "original", 3, "reverse")
    assert (result["changed"], result["findings"]) == (True, [])
    assert newest(kernel)["transaction"] == result["transaction"]
    assert kernel.names("/sys/module") == []


def test_the_last_twenty_changes_are_told(kernel):
    for _change in range(25):
        with open_transaction(kernel, "patch") as transaction:
            transaction.begin([], [])
            transaction.end("done", [], [])
        kernel.sleep(1)
    assert [entry["began"][-3:-1] for entry in journal(kernel)][::19] == ["17", "58"]
    assert len(journal(kernel)) == 20


def test_changes_on_both_sides_of_a_rotation_are_told(kernel):
    for number in range(6):
        if number == 3:
            kernel.put(JOURNAL, kernel.read_bytes(JOURNAL) + b"x" * LIMIT)
        with open_transaction(kernel, "patch") as transaction:
            transaction.begin([], [])
            transaction.end("done", [], [])
    result = history(kernel)
    assert kernel.exists(OLDER_JOURNAL)
    assert ([entry["outcome"] for entry in result["journal"]], result["journal_unreadable"]) == (["done"] * 6, 1)


def test_damage_is_counted_and_the_rest_is_told(kernel, apply):
    apply(FIX)
    apply(name="fix", state="absent")
    lines = kernel.read_bytes(JOURNAL).splitlines()
    kernel.put(JOURNAL, b"\n".join([b"\0" * 40, *lines[1:], b'{"cut']) + b"\n")
    result = history(kernel)
    assert result["journal_unreadable"] == 2
    assert [(entry["outcome"], entry["began"] is None) for entry in result["journal"]] == [
        ("done", False), ("done", True)]
    assert result["journal"][1]["patches"] == [{
        "name": "fix", "sha256": None, "build_id": None, "previous_state": None, "wanted_state": None,
        "kernel": None, "state": "enabled",
        "transition_seconds": result["journal"][1]["patches"][0]["transition_seconds"]}]


def test_a_user_who_may_not_read_the_journal_is_told_none(kernel, apply):
    apply(FIX)
    kernel.forbidden = ("/var/lib/kernel-livepatch", "/run/kernel-livepatch")
    assert history(kernel) == {"changing": None, "journal": None, "journal_unreadable": None}
