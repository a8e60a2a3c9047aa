# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host goes on with the records of each version that was released, and of earlier forms: nothing in them is lost."""

import json

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import JOURNAL, LEDGER, PROGRAM
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import kept_description
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    THREE,
    V2,
    accept,
    accepted,
    failure,
    quarantined,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.recorded_host import (
    EARLIER_PROGRAM,
    RECORDS,
    live,
    put_records,
    read_records,
    records_of,
    shape_of,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import UNIT_FILE

VERSIONS = sorted(path.stem for path in RECORDS.glob("*.json"))
NEWEST = "0.1.1-dev1"


@pytest.fixture(params=VERSIONS)
def upgraded(request, host, systemd):
    """The host with the records of one version, at its next boot, which is by today's program."""
    put_records(host, read_records(request.param))
    host.put(BOOT_ID, "boot-2\n")
    reboot(host, "boot-3")
    systemd.stop_all()
    boot(host)
    return host


def test_accepted_patches_are_loaded_and_a_quarantined_one_is_not(upgraded, interface):
    assert stack(upgraded, interface) == accepted(upgraded) == ["v1", "two"]
    assert quarantined(upgraded) == ["three"]
    confirm_boot(upgraded)
    assert read_ledger(upgraded)["booted"]["confirmed"]


def test_nothing_of_an_earlier_version_is_damaged_or_unreadable(upgraded):
    inventory = host_inventory(upgraded)
    assert [entry["name"] for entry in inventory["accepted"]] == ["v1", "two"]
    assert (inventory["journal_unreadable"], len(inventory["journal"])) == (0, len(set(changes(upgraded))))
    # The first boot services had no seal, and `one` was never accepted.
    assert codes(inventory["drift"]) - {"boot-unit-changed"} == {"gone-after-reboot"}
    assert ("boot-unit-changed" in codes(inventory["drift"])) == ("sha256: " not in upgraded.read(UNIT_FILE))


def changes(host):
    return [json.loads(line)["transaction"] for line in host.read(JOURNAL).splitlines()]


def codes(findings):
    return {found["code"] for found in findings}


def test_a_change_of_an_earlier_version_can_be_undone(upgraded, interface):
    [two] = [entry for entry in read_ledger(upgraded)["accepted"] if entry["name"] == "two"]
    roll_back(upgraded, two["transaction"], 3, "reverse")
    assert (stack(upgraded, interface), accepted(upgraded)) == (["v1"], ["v1"])


def test_everything_of_an_earlier_version_can_be_undone(upgraded, interface):
    roll_back(upgraded, "original", 3, "reverse")
    assert (stack(upgraded, interface), accepted(upgraded), quarantined(upgraded)) == ([], [], ["three"])


def test_the_next_change_keeps_what_an_earlier_version_knew(upgraded, interface, apply):
    apply(ONE)
    assert failure(apply, THREE).code == "quarantined"
    assert (stack(upgraded, interface), accepted(upgraded), quarantined(upgraded)) == (
        ["v1", "two", "one"], ["v1", "two"], ["three"])
    assert codes(host_inventory(upgraded)["drift"]) == {"enabled-not-accepted"}


def test_the_next_acceptance_brings_the_records_and_the_boot_service_up_to_date(upgraded, interface, apply):
    accept(apply, V2)
    newest, records = read_records(NEWEST), records_of(upgraded)
    assert (records[UNIT_FILE], upgraded.read_bytes(PROGRAM) == EARLIER_PROGRAM) == (newest[UNIT_FILE], False)
    assert set(json.loads(records[LEDGER])) == set(json.loads(newest[LEDGER]))
    assert (stack(upgraded, interface), accepted(upgraded), quarantined(upgraded)) == (["v2"], ["v2"], ["three"])


@pytest.mark.parametrize("change", [
    lambda _host, apply: failure(apply, V2),
    lambda _host, apply: failure(accept, apply, V2),
    lambda _host, apply: apply(name="two", state="absent"),
    lambda host, _apply: roll_back(host, "original", 3, "reverse")])
def test_an_older_version_replaces_nothing_of_a_newer_one(host, systemd, apply, change):
    """The next boot is by the newer program, which knows what its ledger says."""
    put_records(host, read_records(NEWEST))
    host.put(BOOT_ID, "boot-2\n")
    reboot(host, "boot-3")
    boot(host)
    newer = dict(json.loads(host.read(LEDGER)), schema=2, accepted={"by": "another form"})
    host.put(LEDGER, json.dumps(newer))
    host.put(UNIT_FILE, seal(b"# A newer one\n", b"[Unit]\n"))
    kept = records_of(host)
    change(host, apply)
    after = records_of(host)
    assert after.pop(JOURNAL).startswith(kept.pop(JOURNAL))
    assert (after, host.read_bytes(PROGRAM)) == (kept, EARLIER_PROGRAM)


@pytest.mark.parametrize("schema", [2, 3])
def test_a_damaged_description_of_an_earlier_form_is_damaged(schema):
    kept = (json.loads(text) for path, text in read_records(NEWEST).items() if "/patches/" in path)
    [good] = [record for record in kept if record.get("schema") and record["name"] == "v1"]
    sha256 = good["sha256"]
    for damage in ({"klp_symbols": None}, {"klp_symbols": [1]}, {"klp_symbols": [{}]}, {"size": "1"}, {"sha256": "x"}):
        assert kept_description(dict(good, schema=schema, **damage), sha256) is None
    assert kept_description(dict(good, schema=schema), sha256) == good


def test_the_newest_records_are_those_of_today(host, apply, systemd, tmp_path):
    """A form that no file here has would be read by no test once it is released."""
    live(host, apply, systemd)
    today = tmp_path / "today.json"
    today.write_text(json.dumps(records_of(host), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert shape_of(records_of(host)) == shape_of(read_records(NEWEST)), (
        f"the records have another form: see versions.py about `schema`, copy {today} to {RECORDS}, and keep the "
        "files of released versions")
