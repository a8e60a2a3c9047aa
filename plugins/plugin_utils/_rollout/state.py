# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The options and the record of a rollout between its steps: on disk, and the hosts of the record for a step."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import Record, update_counts
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

FILE = "kernel-livepatch-rollout.json"
OPTIONS_FILE = "kernel-livepatch-rollout-options.json"

# The private keys of a rollout.
OF_HOST = ("done", "untried", "trial_until", "domains", "watched", "boot_id", "hook")
OF_WAVE = ("tick", "phases", "next")
OF_ROLLOUT = ("checks", "timeouts", "phases", "domains", "hooks", "hook", "hook_runs", "shard")


def report_record(record: Record) -> Record:
    """The record for a report, without the private keys of the rollout."""
    hosts = {name: _without(host, OF_HOST) for name, host in record["hosts"].items()}
    waves = [_without(wave, OF_WAVE) for wave in record["waves"]]
    return {**_without(record, OF_ROLLOUT), "hosts": hosts, "waves": waves}


def _without(record: Record, keys: Sequence[str]) -> Record:
    return {key: record[key] for key in record if key not in keys}


def hosts_of_wave(record: Record, wave: Record) -> dict[str, Record]:
    """The hosts of a wave by name, without hosts in the requested state from an earlier rollout."""
    return {name: record["hosts"][name] for name in wave["hosts"] if not record["hosts"][name]["done"]}


def open_wave(record: Record) -> Record | None:
    """The current wave. Ansible's batch cannot replace it: failed hosts are dropped from the batch."""
    return next((wave for wave in record["waves"] if wave["state"] == "open"), None)


def watched_hosts(record: Record, wave: Record) -> dict[str, Record]:
    """The hosts of a wave that have the patch and no failure."""
    return {
        name: host for name, host in hosts_of_wave(record, wave).items()
        if not host["failure"] and host["state"] in ("on_trial", "waiting")}


def write_record(record: Record, directory: Path) -> None:
    """Write the record for the next step; `directory` is Ansible's private directory for this run."""
    update_counts(record)
    _write(record, directory / FILE)


def read_record(directory: Path) -> Record:
    """The record of the last step; raises TaskError without one."""
    return _read(directory / FILE)


def write_options(options: Record, directory: Path) -> None:
    """Write the options that the first step has read, with passwords, for all later steps."""
    _write(options, directory / OPTIONS_FILE)


def read_options(directory: Path) -> Record:
    """The options of the first step; raises TaskError without them."""
    return _read(directory / OPTIONS_FILE)


def _write(content: Record, path: Path) -> None:
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content))  # ten times as fast as json.dump
    os.replace(new, path)


def _read(path: Path) -> Record:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TaskError(
            "no-rollout",
            "No rollout has been planned in this run. Use the playbook kernel.livepatch.rollout, or the role "
            "kernel.livepatch.apply.") from None
