# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trial's process has seen of its host.

    /run/kernel-livepatch/watch       of the last trial: `transaction`, `since`, `seen`, `kernel_log` and the verdict

`transaction` and `since` are of the trial. `seen` is the time of the last look, on the clock of Host.now(), None before
the first; `kernel_log` is the number of the last record read of the kernel's log. A process that is started again
continues from here. Only the trial's process writes the file; a damaged one counts as none.
"""

import json
import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory, replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import only_root_writes, read_own
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import RUN_DIRECTORY, WATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)

# `looks`: how often the patch, the kernel's log and its taints were seen, with the `first` and the `last` time (UTC).
# `health`: of each check, how often it succeeded (`ok`) and `failed`, how often it failed `in_a_row` at last, and its
# last message. `calls`: of each function whose calls are counted, None if they could not be. `findings`: what is wrong,
# and what could not be seen.
VERDICT = {
    "looks": NUMBER, "first": OPTIONAL_TEXT, "last": OPTIONAL_TEXT,
    "health": [{"name": TEXT, "kind": TEXT, "ok": NUMBER, "failed": NUMBER, "in_a_row": NUMBER,
                "message": OPTIONAL_TEXT}],
    "calls": [{"object": TEXT, "name": TEXT, "sympos": NUMBER, "calls": OPTIONAL_NUMBER}],
    "findings": [{"code": TEXT, "level": TEXT, "subject": TEXT, "message": TEXT}],
}
RECORD = dict(VERDICT, transaction=TEXT, since=TEXT, seen=OPTIONAL_NUMBER, kernel_log=OPTIONAL_NUMBER)
MOST_BYTES = 1 << 20  # of the file: twice what the most checks and functions with the longest names take


def empty_record(trial, checks):
    """The record of a trial without any look."""
    return {
        "transaction": trial["transaction"], "since": trial["since"], "seen": None, "kernel_log": None,
        "looks": 0, "first": None, "last": None, "findings": [], "calls": [],
        "health": [{"name": check["name"], "kind": check["kind"], "ok": 0, "failed": 0, "in_a_row": 0, "message": None}
                   for check in checks]}


def read_watch(host, trial):
    """The record of a trial of the ledger, or None without one."""
    record = _read(host)
    return record if record and _is_of(record, trial) else None


def read_ended_watch(host, transaction):
    """The record of the trial that a transaction began, also after its end; None once another trial has begun."""
    record = _read(host)
    return record if record and record["transaction"] == transaction else None


def _read(host):
    try:
        content = read_own(host, WATCH)
        record = parse_json(content) if len(content) <= MOST_BYTES else None
    except (OSError, ValueError):
        return None
    if isinstance(record, dict):
        record = dict({"calls": []}, **record)  # of a process of an older version
    return record if matches(record, RECORD) else None


def _is_of(record, trial):
    watch = trial["watch"]
    if not watch or (record["transaction"], record["since"]) != (trial["transaction"], trial["since"]):
        return False
    return [(one["name"], one["kind"]) for one in record["health"]] == [
        (check["name"], check["kind"]) for check in watch["health_checks"]]


def write_watch(host, record):
    """Write the record; ignores a full disk."""
    content = json.dumps(record).encode("utf-8")
    with suppress(LivepatchError, OSError):
        if not only_root_writes(host, RUN_DIRECTORY):
            private_directory(host.path(RUN_DIRECTORY))
        replace_private(host.path(WATCH), content)


def forget_watch(host):
    """Remove the record, before a trial begins."""
    with suppress(OSError):
        os.unlink(host.path(WATCH))


def verdict_of(record):
    """The verdict in a record or in the ledger, None for None."""
    return record and {key: record[key] for key in VERDICT}


def failure_of(verdict):
    """The message of the first blocker in a verdict, or None."""
    return next((found["message"] for found in blockers_in(verdict["findings"])), None)
