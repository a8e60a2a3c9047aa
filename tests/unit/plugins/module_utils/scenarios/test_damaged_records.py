# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal, ledger, store and disk that cannot be read or written, and a host that finds back all the same."""

import errno
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    delete_kept_file,
    failure,
    kept_file_path,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

TWO_HOURS = 2 * 3600


class TooLongError(BaseException):
    """What ends a simulated wait that would never end; nothing catches it."""


@pytest.fixture
def to_its_end(host):
    """Wait for the trial's end, but for no more than two hours of the simulated clock."""
    def too_long():
        raise TooLongError

    def wait():
        host.at(host.now() + TWO_HOURS, too_long)
        return end_trial(host)
    return wait


def codes(result):
    return [found["code"] for found in result["findings"]]


def unreadable(host, top=LEDGER):
    """The ledger, or all that is below `top`, cannot be read any more."""
    real = host.read_bytes

    def read_bytes(path):
        if path.startswith(top):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path)
    host.read_bytes = read_bytes


def fill_disk(monkeypatch, after=0):
    """Let the ledger's disk be full after some times that it was written."""
    real, left = transaction.write_ledger, [after]

    def write_ledger(host, ledger):
        if not left[0]:
            raise LivepatchError("no-space", "There is no space.")
        left[0] -= 1
        real(host, ledger)
    monkeypatch.setattr(transaction, "write_ledger", write_ledger)


@pytest.mark.parametrize("trouble", [
    lambda host: os.chmod(host.path(STATE_DIRECTORY), 0o755), unreadable, lambda host: host.put(LEDGER, b"{"),
    lambda host: host.put(LEDGER, b""), lambda host: os.unlink(host.path(f"{STATE_DIRECTORY}/journal.jsonl"))])
def test_a_trial_ends_whatever_becomes_of_the_records_meanwhile(host, interface, apply, to_its_end, trouble):
    apply(V1, trial=60)
    host.at(30, lambda: trouble(host))
    assert "This host has reverted to no live patch" in to_its_end()
    assert 60 <= host.now() < 75
    assert stack(host, interface) == []


def test_a_trial_ends_on_a_disk_that_gives_nothing_back(host, interface, apply, to_its_end):
    apply(V1, trial=60)
    host.at(30, lambda: unreadable(host, STATE_DIRECTORY))
    assert "This host has reverted to no live patch" in to_its_end()
    assert host.now() < 75
    assert stack(host, interface) == []


def test_that_a_trial_is_over_is_written_when_there_is_room_again(host, interface, apply, monkeypatch, to_its_end):
    accept(apply, V1)
    apply(V2, trial=60)
    with monkeypatch.context() as full:
        fill_disk(full)
        host.at(100, lambda: stacks.append(stack(host, interface)))
        host.at(600, full.undo)
        stacks = []
        assert "This host has reverted to v1" in to_its_end()
    assert (stacks, host.now() > 600, read_ledger(host)["trial"]) == ([["v1"]], True, None)
    changes = [(entry["action"], entry["outcome"]) for entry in history(host)["journal"]]
    assert changes.count(("trial", "done")) == 1


def test_what_was_replaced_comes_back_from_a_disk_that_only_lost_its_ledger(host, interface, apply, to_its_end):
    accept(apply, V1)
    apply(V2, trial=60)
    host.at(30, lambda: host.put(LEDGER, b"{"))
    to_its_end()
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])
    assert host.read_bytes(f"{LEDGER}.damaged") == b"{"


@pytest.mark.parametrize("back", [end_trial, lambda host: roll_back(host, "previous", 3, "reverse")])
def test_what_was_replaced_comes_back_on_a_read_only_file_system(host, interface, apply, monkeypatch, back):
    accept(apply, V1)
    apply(V2, trial=60)
    monkeypatch.setattr(host, "is_read_only", lambda _path: True)
    back(host)
    assert stack(host, interface) == ["v1"]


def test_a_trial_that_cannot_be_written_loads_nothing_and_is_over(host, apply, monkeypatch):
    with monkeypatch.context() as patched:
        fill_disk(patched, after=2)  # times, so that the trial itself does not fit
        error = failure(apply, ONE, trial=60)
    assert (error.code, host.loads, history(host)["journal"][0]["outcome"]) == ("no-space", [], "failed")
    assert apply(TWO)["patch"]["state"] == "enabled"


def test_a_disk_that_is_full_after_the_load_is_a_warning_of_what_was_done(host, interface, apply, monkeypatch):
    with monkeypatch.context() as patched:
        fill_disk(patched, after=3)
        result = apply(ONE, trial=60)
    assert (result["changed"], result["patch"]["state"], codes(result)) == (True, "enabled", ["ledger-not-written"])
    assert history(host)["journal"][0]["outcome"] == "done"
    end_trial(host)
    assert stack(host, interface) == []


def test_a_disk_that_is_full_keeps_no_patch_in(host, interface, apply, monkeypatch):
    apply(ONE)
    fill_disk(monkeypatch)
    result = apply(name="one", state="absent")
    assert (result["patch"]["state"], codes(result)) == ("absent", ["ledger-not-written"])
    assert stack(host, interface) == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_file_that_cannot_be_opened_just_now_is_not_dropped(host, apply, monkeypatch, number):
    SimulatedSystemd(host)
    accept(apply, ONE)
    reboot(host)
    real = os.open

    def refused(path, *options, **more):
        if str(path) == kept_file_path(host, ONE):
            raise OSError(number, os.strerror(number), path)
        return real(path, *options, **more)

    with monkeypatch.context() as patched, pytest.raises((LivepatchError, OSError)):
        patched.setattr(os, "open", refused)
        boot(host)
    assert history(host)["journal"][0]["outcome"] == "failed"
    assert host.exists(f"{STATE_DIRECTORY}/patches/{ONE.sha256}.ko")
    assert apply(ONE)["patch"]["state"] == "accepted"


@pytest.mark.parametrize("back", [
    lambda _host, apply: apply(name="one", state="absent"),
    lambda host, _bring: roll_back(host, "original", 3, "reverse")])
def test_a_ledger_without_a_known_schema_is_kept_beside_the_one_that_takes_its_place(host, interface, apply, back):
    accept(apply, V1)
    apply(ONE)
    other = host.read_bytes(LEDGER).replace(b'"schema": 1', b'"schema": 0')
    host.put(LEDGER, other)
    assert codes(back(host, apply)) == ["ledger-not-read"]
    assert "one" not in stack(host, interface)
    assert host.read_bytes(f"{LEDGER}.damaged") == other
    assert read_ledger(host)["accepted"] == []


def test_a_trial_whose_patch_has_gone_by_itself_is_over_though_what_ran_before_is_lost(
        host, interface, apply, to_its_end):
    accept(apply, V1)
    apply(V2, trial=60)
    unload(host, interface, "v2")
    delete_kept_file(host, V1)
    with pytest.raises(LivepatchError) as caught:
        to_its_end()
    assert (caught.value.code, read_ledger(host)["trial"]) == ("earlier-file-missing", None)
    assert [entry["outcome"] for entry in history(host)["journal"]][:2] == ["failed", "done"]
    assert apply(ONE)["changed"] is True


def test_what_is_tried_again_and_again_does_not_fill_the_journal(host, apply, to_its_end):
    apply(V1, trial=60)
    host.hold(7, directions=("disabling",))
    with pytest.raises(TooLongError):
        to_its_end()
    assert 20 < len(host.read(f"{STATE_DIRECTORY}/journal.jsonl").splitlines()) < 80  # two for each try
    assert read_ledger(host) != empty_ledger()
