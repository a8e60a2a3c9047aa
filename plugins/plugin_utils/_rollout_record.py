# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the record of a rollout, a plain dict of all that was planned and of all that came of it.

Each step of a rollout is a task of its own, and so a process of its own: the record is in a file between them. It is
what reports are made of (docs/docsite/rst/guide_report.rst has its keys).
"""

from __future__ import annotations

import json
import os
import typing as t
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._words import bounded
from ansible_collections.kernel.livepatch.plugins.plugin_utils._errors import TaskError

Record = dict[str, t.Any]

SCHEMA = 1
FILE = "kernel-livepatch-rollout.json"
LONGEST_CODE, LONGEST_MESSAGE = 80, 1000  # characters of a failure
# Where a host can stand, what was asked for first. `unchanged`: nothing was loaded there. `goes_back`: it has the patch
# on trial, or may have, and goes back by itself. `unknown`: it may have been changed, and nobody could look.
STATES = (
    "accepted", "enabled", "on_trial", "waiting", "goes_back", "rolled_back", "unchanged", "pending", "uncovered",
    "unknown")
# Where the patch is, or may be.
TOUCHED = ("accepted", "enabled", "on_trial", "waiting", "goes_back", "unknown")

NOT_RUN = (None, "Nothing ran on it, though it was its turn: run the rollout again.")  # a failure


def iso(now: float) -> str:
    """A time, in seconds since 1970, as records have it."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_record(
        options: Mapping[str, t.Any], patches: Sequence[Mapping[str, t.Any]], operator: Mapping[str, str],
        check_mode: bool, now: float) -> Record:
    """A rollout that has not begun; `options` is what Options.as_record() gives, `patches` what patches_of() gives."""
    return {
        "schema": SCHEMA,
        "kind": "rollout",
        "id": f"{datetime.fromtimestamp(now, timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
        "started": iso(now),
        "ended": None,
        "operator": dict(operator),
        "check_mode": check_mode,
        "alone": False,
        "outcome": "running",
        "ok": False,
        "options": dict(options),
        "patches": list(patches),
        "cohorts": [],
        "waves": [],
        "hosts": {},
        "counts": {},
        "failures": 0,
        "breach": None,
        "lines": [],
    }


def new_host() -> Record:
    return {
        "wave": None, "kernel": None, "arch": None, "cohort": None, "state": "pending", "failure": None, "patch": None,
        "build_id": None, "sha256": None, "transaction": None, "functions": [], "loaded_at": None,
        "transition_seconds": None, "trial_ends": None, "accepted_at": None, "back_at": None, "findings": [],
        "blockers": [], "health": [],
    }


def reported(record: Record) -> Record:
    """The record as a report has it, without what is the rollout's own."""
    hosts = {name: {key: host[key] for key in host if key not in ("done", "untried")}
             for name, host in record["hosts"].items()}
    return {**{key: record[key] for key in record if key != "checks"}, "hosts": hosts}


def fail(host: Record, step: str, failure: tuple[str | None, str], state: str | None = None) -> None:
    """Note why a host has failed, unless it had failed before, and where it stands then."""
    if host["failure"] is None:
        code, message = failure
        host["failure"] = {
            "code": code and bounded(code, LONGEST_CODE), "message": message[:LONGEST_MESSAGE], "step": step}
    host["state"] = state or host["state"]


def failed_hosts(record: Record) -> list[str]:
    return [name for name, host in record["hosts"].items() if host["failure"]]


def hosts_of_wave(record: Record, wave: Record) -> dict[str, Record]:
    """The hosts of a wave by name, without those that an earlier rollout has brought to where they should be."""
    return {name: record["hosts"][name] for name in wave["hosts"] if not record["hosts"][name]["done"]}


def open_wave(record: Record) -> Record | None:
    """The wave whose turn it is; Ansible's batch does not tell, since hosts that fail are dropped from it."""
    return next((wave for wave in record["waves"] if wave["state"] == "open"), None)


def watched(record: Record, wave: Record) -> dict[str, Record]:
    """The hosts of a wave that have the patch and nothing against them yet."""
    return {
        name: host for name, host in hosts_of_wave(record, wave).items()
        if not host["failure"] and host["state"] in ("on_trial", "waiting")}


def count(record: Record) -> None:
    """Bring the numbers of a record up to date with its hosts."""
    states = [host["state"] for host in record["hosts"].values()]
    record["counts"] = {state: states.count(state) for state in STATES if state in states}
    record["failures"] = len(failed_hosts(record))


def keep(record: Record, directory: Path) -> None:
    """Write the record for the next step; `directory` is Ansible's own of this run, which only this user can enter."""
    count(record)
    new = directory / f"{FILE}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(record, file)
    os.replace(new, directory / FILE)


def kept(directory: Path) -> Record:
    """The record that the last step has written; raises TaskError where there is none."""
    try:
        return json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TaskError(
            "no-rollout",
            "No rollout has been planned in this run: use the playbook kernel.livepatch.rollout, or the role "
            "kernel.livepatch.apply, which do everything in its order.") from None
