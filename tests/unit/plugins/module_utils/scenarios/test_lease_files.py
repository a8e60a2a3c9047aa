# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a lease: damaged, hostile, of a later version of the collection, and one that cannot be written."""

import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import UNKNOWN_ACTOR
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import LONGEST_SECONDS, read_lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEASE
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V2,
    failure,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.leased_host import (
    ALICE,
    BOB,
    BY_HAND,
    TRIAL,
    host_with_v1,
    lease_of,
    put_lease,
    roll_back_by,
    run_of,
)

GOOD = {"schema": 1, "boot_id": "boot-1", "run": ALICE["run"], "who": {"controller_user": "alice"}, "since": "now",
        "ends": 300}
HOSTILE = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "nested deeply": b"[" * 100000,
    "not UTF-8": b"\xff\xfe",
    "huge": json.dumps(dict(GOOD, more="x" * 5000)).encode(),
    "no schema": json.dumps({key: GOOD[key] for key in GOOD if key != "schema"}).encode(),
    "another run": json.dumps(dict(GOOD, run="\x1b[2J")).encode(),
    "a run with a line break": json.dumps(dict(GOOD, run="a\n")).encode(),
    "a run of another type": json.dumps(dict(GOOD, run=["a"])).encode(),
    "who of another type": json.dumps(dict(GOOD, who="alice")).encode(),
    "an end of another type": json.dumps(dict(GOOD, ends="never")).encode(),
    "no number as an end": b'{"schema": 1, "boot_id": "boot-1", "run": "a", "who": {}, "since": "x", "ends": NaN}',
    "an end far away": json.dumps(dict(GOOD, ends=LONGEST_SECONDS + 1000)).encode(),
    "no end at all": json.dumps(dict(GOOD, ends=1e14)).encode(),
    "a later schema of another shape": json.dumps({"schema": 2, "boot_id": "boot-1", "lease": {}}).encode(),
}
DAMAGES = {
    **{name: lambda host, content=content: put_lease(host, content) for name, content in HOSTILE.items()},
    **{damage.__name__: lambda host, damage=damage: damage(host, LEASE, None)
       for damage in (damages.a_directory, damages.a_file, damages.a_dangling_link, damages.a_pipe)}}


@pytest.fixture
def host(kernel, apply):
    return host_with_v1(kernel, apply)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_told_once_and_blocks_no_run(host, apply, damage):
    damage(host)
    assert lease_of(host) is None
    assert [found["code"] for found in host_inventory(host)["drift"]] == ["record-unusable"]
    checked = check_host(host, V2.offer(), None)
    assert [found["code"] for found in checked["findings"] if "lease" in found["code"]] == ["lease-damaged"]
    loaded = apply(V2, trial=TRIAL, controller=BOB)
    assert [found["subject"] for found in loaded["findings"] if found["code"] == "lease-damaged"] == [LEASE]
    assert (run_of(host), [found["code"] for found in host_inventory(host)["drift"]]) == (BOB["run"], ["on-trial"])


@pytest.mark.parametrize("damage", ["nothing", "a_directory", "a_pipe"])
def test_a_task_without_a_run_removes_a_damaged_file(host, apply, damage):
    DAMAGES[damage](host)
    apply(V2, controller=BY_HAND)
    assert not os.path.lexists(host.path(LEASE))


def test_the_lease_of_a_later_schema_is_respected(host, apply):
    put_lease(host, dict(GOOD, schema=7, ends=host.now() + 60, more={"of": "it"}))
    assert failure(apply, V2, trial=TRIAL, controller=BOB).code == "host-leased"
    host.sleep(60)
    apply(V2, trial=TRIAL, controller=BOB)
    assert run_of(host) == BOB["run"]


def test_names_in_a_lease_are_printable(host):
    put_lease(host, dict(
        GOOD, ends=host.now() + 60, since="\x1b[2J" * 30, who={"controller_user": "\x1b[2J", "user": ["x"]}))
    shown = lease_of(host)
    assert "\x1b" not in json.dumps(shown, ensure_ascii=False)
    assert (len(shown["since"]), shown["who"]["user"]) == (64, None)


# A lease that cannot be written

@pytest.fixture
def full(monkeypatch):
    def refuse(path, _write):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(lease, "replace_private", refuse)


def test_no_trial_of_a_run_begins_without_its_lease(host, interface, apply, full):
    error = failure(apply, V2, trial=TRIAL, controller=ALICE)
    assert (error.code, "No space left on device" in error.message) == ("lease-unwritable", True)
    assert (stack(host, interface), read_ledger(host)["trial"], lease_of(host)) == (["v1"], None, None)


def test_a_trial_is_not_prolonged_without_its_lease(host, apply, full, monkeypatch):
    apply(V2, trial=TRIAL)
    known = read_ledger(host)["trial"]
    host.sleep(10)
    assert failure(apply, V2, trial=TRIAL, controller=ALICE).code == "lease-unwritable"
    assert read_ledger(host)["trial"] == known


def test_a_rollback_does_not_need_it(host, interface, apply, monkeypatch):
    apply(V2, trial=TRIAL, controller=ALICE)
    monkeypatch.setattr(os, "unlink", _refusing(os.unlink, host.path(LEASE)))
    findings = roll_back_by(host, ALICE)["findings"]
    assert (stack(host, interface), [found["code"] for found in findings]) == (["v1"], ["lease-not-written"])


def _refusing(real, refused):
    def call(path, *arguments, **options):
        if path == refused:
            raise OSError(5, "Input/output error", path)
        return real(path, *arguments, **options)
    return call


@pytest.mark.parametrize("ends", [LONGEST_SECONDS + 1, 1e12])
def test_no_lease_is_longer_than_a_trial_can_be(host, apply, ends):
    apply(V2)
    lease.RunLease(host, ALICE, UNKNOWN_ACTOR).follow({"ends": host.now() + ends})
    assert read_lease(host)[0]["ends"] == host.now() + LONGEST_SECONDS


@pytest.mark.parametrize("run", ["", "a b", "x" * 65, "-a", "a\n"])
def test_a_run_is_an_identifier(host, apply, run):
    assert failure(apply, V2, controller={"run": run}).code == "bad-option"
    assert failure(roll_back_by, host, {"run": run}).code == "bad-option"
