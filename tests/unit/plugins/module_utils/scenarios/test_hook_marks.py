# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a host between livepatch_before and livepatch_after, and the lease of its run, on a simulated kernel."""

import os
import stat
import tempfile

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_hook import mark_hook
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import HOOK, LEASE
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    accept,
    failure,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.leased_host import (
    ALICE,
    BOB,
    BY_HAND,
    TRIAL,
    host_with_v1,
    put_lease,
    roll_back_by,
    run_of,
    taking,
)


@pytest.fixture
def host(kernel, apply):
    return host_with_v1(kernel, apply)


def begin(host, controller=None, seconds=60, **more):
    return mark_hook(host, "begun", seconds, controller=controller or ALICE, **more)


def end(host, controller=None, **more):
    return mark_hook(host, "ended", 0, controller=controller or ALICE, **more)


def marked_by(host):
    hook = host_inventory(host)["hook"]
    return hook and hook["run"]


def unfinished(host):
    return [found for found in host_inventory(host)["drift"] if found["code"] == "hook-unfinished"]


def check(host, patch=V2):
    return check_host(host, patch.offer(), None, report_only=True)


def test_a_mark_is_written_for_root_alone_and_removed_with_its_lease(host):
    result = begin(host)
    assert (result["changed"], result["hook"]["run"], result["hook"]["who"]["controller_user"]) == (
        True, ALICE["run"], "alice")
    assert stat.S_IMODE(os.stat(host.path(HOOK)).st_mode) == 0o600
    assert (run_of(host), check(host)["hook"]) == (ALICE["run"], result["hook"])
    assert end(host) == {"changed": True, "hook": None, "findings": []}
    assert (run_of(host), marked_by(host), end(host)["changed"]) == (None, None, False)


def acceptance(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    accept(apply, V2, controller=ALICE)


def rollback(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    roll_back_by(host, ALICE)


def revert(host, apply):
    host.guard_looks = False
    apply(V2, trial=TRIAL, controller=ALICE)
    host.at(host.now() + 9, lambda: host.put("/proc/sys/kernel/tainted", "512\n"))
    host.put("/proc/sys/kernel/tainted", "0\n")
    assert "The watch of v2 failed" in end_trial(host)


@pytest.mark.parametrize("change", [acceptance, rollback, revert])
def test_a_run_holds_the_host_from_its_before_to_its_after_and_not_beyond_the_trial(host, apply, change):
    """Else another run would drain the host for its own load, and this run would undrain it then."""
    begin(host)
    change(host, apply)
    assert (marked_by(host), run_of(host), read_ledger(host)["trial"]) == (ALICE["run"], ALICE["run"], None)
    assert failure(begin, host, BOB).code == failure(end, host, BOB).code == "host-leased"
    assert failure(roll_back_by, host, BY_HAND, "original").code == "host-leased"
    assert "host-leased" in [found["code"] for found in check(host)["findings"]]
    if change is rollback:  # the controller has died
        host.sleep(TRIAL)
        assert (run_of(host), end(host, BOB)["changed"]) == (None, True)
    else:
        assert (end(host)["changed"], run_of(host)) == (True, None)
    assert begin(host, BOB)["changed"] is True


def test_the_end_of_a_mark_leases_no_trial_of_a_person(host, apply):
    begin(host)
    apply(V2, trial=TRIAL, controller=ALICE)
    apply(V2, trial=TRIAL, controller=taking(BY_HAND))
    assert (end(host)["changed"], run_of(host), bool(read_ledger(host)["trial"])) == (True, None, True)
    apply(V2, state="accepted", fresh=True, controller=BY_HAND)


def test_a_run_that_takes_a_host_over_by_the_end_of_a_mark_holds_it_until_the_end_of_the_trial(host, apply):
    begin(host)
    apply(V2, trial=TRIAL, controller=ALICE)
    end(host, taking(BOB))
    assert (run_of(host), marked_by(host)) == (BOB["run"], None)


def test_a_change_of_another_run_ends_the_lease_of_the_marked_one(host, apply):
    begin(host)
    apply(V2, trial=TRIAL, controller=ALICE)
    roll_back_by(host, taking(BOB))
    assert (marked_by(host), run_of(host)) == (ALICE["run"], None)


def test_a_run_that_has_lost_the_host_still_removes_its_own_mark_and_begins_nothing(host, apply):
    begin(host)
    apply(V2, trial=TRIAL, controller=ALICE)
    apply(name="v2", state="accepted", fresh=True, controller=taking(BY_HAND))
    assert failure(begin, host).code == "host-leased"
    assert (end(host, check_mode=True)["changed"], end(host)["changed"], marked_by(host)) == (True, True, None)
    begin(host, BOB)
    assert failure(end, host).code == "host-leased"


def test_the_lease_never_ends_before_the_trial(host, apply):
    apply(V2, trial=TRIAL, controller=ALICE)
    until = host_inventory(host)["lease"]["until"]
    begin(host, seconds=1)
    assert host_inventory(host)["lease"]["until"] == until
    end(host)
    assert host_inventory(host)["lease"]["until"] == until


def test_another_run_is_refused_while_the_first_drains_the_host_and_not_later(host):
    begin(host, seconds=60)
    assert failure(begin, host, BOB).code == failure(end, host, BOB).code == "host-leased"
    assert (marked_by(host), unfinished(host)) == (ALICE["run"], [])
    assert "host-leased" in [found["code"] for found in check(host)["findings"]]
    host.sleep(61)
    assert "host-leased" not in [found["code"] for found in check(host)["findings"]]
    assert begin(host, BOB)["hook"]["run"] == BOB["run"]


def test_an_accepted_host_is_leased_too_while_it_has_a_mark(host):
    begin(host)
    assert "host-leased" in [found["code"] for found in check(host, V1)["findings"]]
    end(host)
    put_lease(host, {"schema": 1, "boot_id": "boot-1", "run": BOB["run"], "who": {}, "since": "x",
                     "ends": host.now() + 60})
    assert "host-leased" not in [found["code"] for found in check(host, V1)["findings"]]


def test_a_run_can_take_over_a_host_that_another_has_drained(host):
    begin(host)
    result = begin(host, taking(BOB))
    assert ([found["code"] for found in result["findings"]], marked_by(host)) == (["lease-taken-over"], BOB["run"])


def test_a_mark_outlives_the_boot_and_is_told_of_then(host):
    begin(host)
    reboot(host)
    assert (run_of(host), marked_by(host)) == (None, ALICE["run"])
    found = unfinished(host)
    assert len(found) == 1 and ALICE["run"] in found[0]["message"] and "alice@control1" in found[0]["message"]
    end(host, BY_HAND)
    assert (marked_by(host), unfinished(host)) == (None, [])


def test_check_mode_writes_nothing_and_is_refused_as_well(host):
    assert begin(host, check_mode=True)["changed"] is True
    assert not os.path.exists(host.path(HOOK)) and not os.path.exists(host.path(LEASE))
    begin(host)
    assert end(host, check_mode=True)["changed"] is True and marked_by(host) == ALICE["run"]
    assert failure(end, host, BOB, check_mode=True).code == "host-leased"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 1}', b"x" * 5000, b"\xff\x00"])
def test_a_damaged_mark_counts_and_can_be_removed(host, content):
    host.put(HOOK, content)
    os.chmod(host.path(HOOK), 0o600)
    assert (host_inventory(host)["hook"]["run"], len(unfinished(host))) == (None, 1)
    assert end(host)["hook"] is None and not os.path.lexists(host.path(HOOK))


@pytest.mark.parametrize("make", [
    os.mkdir, lambda path: os.symlink("/etc/passwd", path), os.mkfifo])
def test_anything_else_in_its_place_is_a_mark_and_gives_way(host, make):
    make(host.path(HOOK))
    assert check(host)["hook"]["run"] is None
    assert begin(host)["hook"]["run"] == ALICE["run"]
    end(host)
    assert not os.path.lexists(host.path(HOOK))


def test_no_before_begins_where_the_mark_cannot_be_written(host, monkeypatch):
    def full(**_options):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(LivepatchError) as refused:
        begin(host, dict(ALICE, run=None))
    assert (refused.value.code, marked_by(host)) == ("hook-unwritable", None)
    with pytest.raises(LivepatchError) as refused:
        begin(host)
    assert (refused.value.code, marked_by(host)) == ("lease-unwritable", None)


@pytest.mark.parametrize("trial", [None, ALICE])
def test_a_run_that_cannot_write_its_mark_holds_the_host_no_longer(host, apply, monkeypatch, trial):
    if trial:
        apply(V2, trial=TRIAL, controller=trial)
    before = host_inventory(host)["lease"]
    real = tempfile.mkstemp

    def full(prefix, dir):
        if dir == os.path.dirname(host.path(HOOK)):
            raise OSError(28, "No space left on device")
        return real(prefix=prefix, dir=dir)
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.mkstemp", full)
        assert failure(begin, host, seconds=9 * TRIAL).code == "hook-unwritable"
    assert (host_inventory(host)["lease"], marked_by(host)) == (before, None)
    if not trial:
        assert begin(host, BOB)["hook"]["run"] == BOB["run"]
