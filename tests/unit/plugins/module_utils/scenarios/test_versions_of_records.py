# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers, journals and descriptions of other versions: an older one is read, a newer one is refused and kept."""

import json
import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._patch import description
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence import journal, ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    empty_ledger,
    read_ledger,
    write_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    LEDGER,
    PROGRAM,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import in_current_form
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.cli import main
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    TWO,
    V1,
    V2,
    accept,
    failure,
    kept_file_path,
    reboot,
    stack,
)

DESCRIPTION = f"{STORE_DIRECTORY}/{V1.sha256}.json"


def with_schema(host, path, schema, **more):
    """Let another version have written a file; returns its bytes."""
    record = dict(json.loads(host.read(path)), schema=schema, **more)
    host.put(path, json.dumps(record))
    return host.read_bytes(path)


def codes(findings):
    return [found["code"] for found in findings]


# A newer ledger

@pytest.fixture
def newer(host, apply, systemd):
    """The bytes of a newer ledger; v1 is accepted and one enabled."""
    accept(apply, V1)
    apply(ONE)
    return with_schema(host, LEDGER, ledger.SCHEMA + 1, accepted={"by": "another form"})


@pytest.mark.parametrize("state", ["enabled", "accepted"])
@pytest.mark.parametrize("patch", [V1, V2, ONE])
def test_a_newer_ledger_lets_no_patch_in_and_is_kept(host, apply, newer, patch, state):
    error = failure(apply, patch, state=state, fresh=True)
    assert (error.code, "Update the collection on the controller." in error.message) == ("newer-version", True)
    assert host.read_bytes(LEDGER) == newer


@pytest.mark.parametrize("back", [
    lambda _host, apply: apply(name="one", state="absent"),
    lambda _host, apply: apply(name="one", state="disabled"),
    lambda host, _apply: roll_back(host, "original", 3, "reverse"),
    lambda host, _apply: roll_back(host, "previous", 3, "reverse")])
def test_a_newer_ledger_and_its_files_are_kept_by_each_removal(host, interface, apply, newer, back):
    result = back(host, apply)
    assert "one" not in stack(host, interface)
    assert codes(result["findings"])[0] == "ledger-not-read"
    assert "newer version" in result["findings"][0]["message"]
    assert host.read_bytes(LEDGER) == newer
    assert not [name for name in host.names(STATE_DIRECTORY) if "damaged" in name]
    assert os.path.exists(kept_file_path(host, V1)) and os.path.exists(kept_file_path(host, ONE))


def test_a_newer_ledger_is_told_as_drift(host, newer):
    inventory = host_inventory(host)
    assert (inventory["accepted"], codes(inventory["drift"])) == (None, ["newer-version"])
    assert inventory["drift"][0]["subject"] == LEDGER


def test_a_trial_ends_with_a_newer_ledger_and_keeps_it(host, interface, apply, systemd):
    apply(V1, trial=60)
    written = []
    host.at(30, lambda: written.append(with_schema(host, LEDGER, ledger.SCHEMA + 1)))
    assert "has reverted to no live patch" in end_trial(host)
    assert (stack(host, interface), host.read_bytes(LEDGER)) == ([], written[0])


@pytest.mark.parametrize("command", ["boot", "confirm-boot", "ready"])
def test_an_older_program_keeps_a_newer_ledger(host, interface, newer, systemd, command, capsys):
    reboot(host)
    systemd.stop_all()
    assert main([command], host) == 1
    assert capsys.readouterr().err.startswith("newer-version: ")
    assert (stack(host, interface), host.read_bytes(LEDGER)) == ([], newer)


@pytest.mark.parametrize("content", [empty_ledger(), dict(empty_ledger(), watched=True)])
def test_no_write_replaces_or_removes_a_newer_ledger(host, newer, content):
    with pytest.raises(LivepatchError) as raised:
        write_ledger(host, content)
    assert raised.value.code == "newer-version"
    assert host.read_bytes(LEDGER) == newer


# An older ledger

def test_a_ledger_of_an_earlier_form_is_read_with_its_quarantine(host, apply, systemd):
    accept(apply, V1)
    record = json.loads(host.read(LEDGER))
    del record["booted"]["confirmed"]
    record["booted"]["proven"] = True
    record["quarantined"] = [{
        "name": "bad", "build_id": None, "sha256": "ab" * 32, "why": "crashed-on-trial", "transaction": None,
        "since": "2026-11-21T09:05:00Z"}]
    host.put(LEDGER, json.dumps(record))
    found = read_ledger(host)
    assert (found["booted"], [one["name"] for one in found["quarantined"]]) == (
        {"confirmed": True, "patches": []}, ["bad"])
    apply(ONE)
    assert [one["name"] for one in json.loads(host.read(LEDGER))["quarantined"]] == ["bad"]
    assert "proven" not in host.read(LEDGER)


def test_a_failed_watch_of_a_ledger_of_an_earlier_form_has_no_calls(host, apply):
    apply(V1, trial=60)
    record = json.loads(host.read(LEDGER))
    verdict = {"looks": 1, "first": None, "last": None, "health": [], "findings": []}
    record["failed_watch"] = dict(
        verdict, name="bad", build_id=None, sha256="", transaction="x", time="2026-11-21T09:05:00Z")
    del record["trial"]["watch"]["min_calls"], record["trial"]["watch"]["functions"]
    host.put(LEDGER, json.dumps(record))
    found = read_ledger(host)
    assert (found["failed_watch"]["calls"], found["trial"]["watch"]["min_calls"]) == ([], 0)


def test_a_trial_of_a_ledger_of_an_earlier_form_ends_and_is_not_watched(host, interface, apply, systemd):
    apply(V1, trial=60)
    record = json.loads(host.read(LEDGER))
    del record["failed_watch"], record["trial"]["watch"], record["trial"]["baseline"]
    host.put(LEDGER, json.dumps(record))
    found = read_ledger(host)
    assert (found["failed_watch"], found["trial"]["watch"], found["trial"]["baseline"]) == (None, None, None)
    host.at(host.now() + 5, lambda: host.say("BUG: x", priority=3))
    assert "ended without acceptance" in end_trial(host)
    assert stack(host, interface) == []


@pytest.mark.parametrize("trial", ["x", [], 3])
def test_a_trial_of_an_earlier_form_that_is_damaged_is_damaged(host, trial):
    host.put(LEDGER, json.dumps(dict(empty_ledger(), schema=1, trial=trial)))
    assert failure(read_ledger, host).code == "ledger-damaged"


@pytest.mark.parametrize("booted", [None, [], {}, {"proven": "yes", "patches": []}, {"proven": True}])
def test_an_earlier_form_that_is_damaged_is_damaged(host, booted):
    host.put(LEDGER, json.dumps(dict(empty_ledger(), schema=1, booted=booted)))
    assert failure(read_ledger, host).code == "ledger-damaged"


def test_a_record_is_migrated_step_by_step():
    migrations = ((1, lambda record: dict(record, one=True)), (2, lambda record: dict(record, two=record.get("one"))))
    assert in_current_form({"schema": 1}, 3, migrations) == {"schema": 1, "one": True, "two": True}
    assert in_current_form({"schema": 2}, 3, migrations) == {"schema": 2, "two": None}
    assert in_current_form({"schema": 3}, 3, migrations) == {"schema": 3}
    for schema in (4, 0, -1, True, 1.0, "1", None, [1]):
        assert in_current_form({"schema": schema}, 3, migrations) is None
    assert in_current_form([], 3, migrations) is None


# The journal

def test_newer_lines_stay_in_the_journal_and_count_as_unreadable(host, apply, systemd):
    apply(V1)
    lines = [json.dumps(dict(json.loads(line), schema=journal.SCHEMA + 1)) for line in host.read(JOURNAL).splitlines()]
    host.put(JOURNAL, "".join(f"{line}\n" for line in lines))
    apply(ONE)
    found = history(host)
    assert (found["journal_unreadable"], len(found["journal"])) == (2, 1)
    assert host.read(JOURNAL).splitlines()[:2] == lines


def test_lines_of_an_earlier_form_are_read(host, interface, apply, systemd):
    apply(V1)
    apply(ONE)
    records = [json.loads(line) for line in host.read(JOURNAL).splitlines()]
    for record in records:
        for layer in record.get("before", []) + record.get("after", []):
            del layer["parameters"], layer["accepted"]
        record.pop("why", None)
    host.put(JOURNAL, "".join(f"{json.dumps(record)}\n" for record in records))
    assert history(host)["journal_unreadable"] == 0
    roll_back(host, "previous", 3, "reverse")
    assert stack(host, interface) == ["v1"]


# Descriptions

def test_a_newer_description_is_told_and_kept(host, interface, apply, systemd):
    accept(apply, V1)
    newer = with_schema(host, DESCRIPTION, description.SCHEMA + 1)
    inventory = host_inventory(host)
    assert codes(inventory["drift"]) == ["newer-version"]
    assert inventory["drift"][0]["subject"] == DESCRIPTION
    assert failure(accept, apply, V1).code == "newer-version"
    assert apply(name="v1", state="absent")["changed"]
    assert (host.read_bytes(DESCRIPTION), stack(host, interface)) == (newer, [])
    assert os.path.exists(kept_file_path(host, V1))


@pytest.mark.parametrize("change", [
    lambda _host, apply: failure(apply, ONE),
    lambda _host, apply: failure(apply, ONE, trial=60),
    lambda _host, apply: failure(accept, apply, TWO)])
def test_a_newer_description_of_an_accepted_file_lets_no_patch_in(host, interface, apply, systemd, change):
    """The program of this version would be the one of the next boot, and could not load the accepted patch then."""
    accept(apply, V1)
    apply(TWO)
    with_schema(host, DESCRIPTION, description.SCHEMA + 1)
    host.put(PROGRAM, "the program of the newer version")
    before = stack(host, interface)
    error = change(host, apply)
    assert (error.code, DESCRIPTION in error.message) == ("newer-version", True)
    assert (host.read(PROGRAM), stack(host, interface)) == ("the program of the newer version", before)


def test_a_rollback_keeps_the_program_that_can_read_a_newer_description(host, interface, apply, systemd):
    accept(apply, V1)
    accept(apply, ONE)
    apply(name="one", state="absent")
    with_schema(host, DESCRIPTION, description.SCHEMA + 1)
    host.put(PROGRAM, "the program of the newer version")
    roll_back(host, "previous", 3, "reverse")
    assert (host.read(PROGRAM), stack(host, interface)) == ("the program of the newer version", ["v1", "one"])


def test_a_description_older_than_the_ledger_is_written_anew(host, apply, systemd):
    """No acceptance of its time depends on it; test_upgrade.py has the later forms."""
    accept(apply, V1)
    record = dict(json.loads(host.read(DESCRIPTION)), schema=1)
    for added_by_schema_2 in ("module_layout", "removable", "symtab"):
        del record[added_by_schema_2]
    host.put(DESCRIPTION, json.dumps(record))
    assert codes(host_inventory(host)["drift"]) == ["accepted-file-missing"]
    assert accept(apply, V1)["changed"]
    assert json.loads(host.read(DESCRIPTION))["schema"] == description.SCHEMA
    assert host_inventory(host)["drift"] == []
