# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a host: one JSON object a line, one line before a change begins and one after it has ended.

    /var/lib/kernel-livepatch/journal.jsonl      the journal
    /var/lib/kernel-livepatch/journal.jsonl.1    the journal before it, moved aside when full
"""

import contextlib
import json
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory, sync_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import read_own
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    JOURNAL,
    OLDER_JOURNAL,
    STATE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import in_current_form
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)

LIMIT = 512 * 1024  # bytes of one file
SCHEMA = 1  # of a record; see versions.py. A newer record stays in the file and counts as unreadable.

STACK = [{"name": TEXT, "build_id": OPTIONAL_TEXT, "sha256": OPTIONAL_TEXT, "parameters": TEXT, "accepted": bool}]
WHO = {
    "controller_user": OPTIONAL_TEXT, "controller_node": OPTIONAL_TEXT, "user": OPTIONAL_TEXT, "address": OPTIONAL_TEXT}

# The shape of a record, by its event: key to type, a list of types, or a dict of types. `time` and `since` are UTC. A
# begin can also have `run`, that of the controller.
SHAPES = {
    "begin": {
        "transaction": TEXT, "time": TEXT, "boot_id": OPTIONAL_TEXT, "kernel": TEXT, "action": TEXT, "who": WHO,
        "before": STACK,
        "patches": [{"name": TEXT, "sha256": OPTIONAL_TEXT, "build_id": OPTIONAL_TEXT, "previous_state": TEXT,
                     "wanted_state": TEXT}],
    },
    "end": {
        "transaction": TEXT, "time": TEXT, "outcome": TEXT, "code": OPTIONAL_TEXT, "why": OPTIONAL_TEXT,
        "seconds": NUMBER, "replaces": [TEXT], "after": STACK,
        "patches": [{"name": TEXT, "state": TEXT, "transition_seconds": OPTIONAL_NUMBER}],
    },
}


def _complete_stacks(record):
    """The stacks of schema 1 had neither `parameters` nor `accepted` at first."""
    stacks = {key: record[key] for key in ("before", "after") if isinstance(record.get(key), list)}
    return dict(record, **{key: [
        dict({"parameters": "", "accepted": False}, **layer) if isinstance(layer, dict) else layer for layer in stack]
        for key, stack in stacks.items()})


def _add_why(record):
    """The end of a change of schema 1 had no `why` at first."""
    return dict({"why": None}, **record) if record.get("event") == "end" else record


MIGRATIONS = ((1, _complete_stacks), (1, _add_why))


def append_record(host, event, record):
    """Add a record and sync it to the disk; the caller holds the host's lock.

    Raises OSError with the journal as it was, and LivepatchError `directory-not-private`, `not-permitted`.
    """
    record = dict(record, schema=SCHEMA, event=event)
    line = json.dumps(record, sort_keys=True).encode("utf-8") + b"\n"
    path = host.path(JOURNAL)
    private_directory(host.path(STATE_DIRECTORY))
    _make_room(path, host.path(OLDER_JOURNAL), len(line))
    _append(path, line)


def newest_records(host):
    """The journal's records from the newest to the oldest, None for each unreadable line; raises OSError.

    Leaves out an unfinished last line (see ends_unfinished).
    """
    for path in (JOURNAL, OLDER_JOURNAL):
        try:
            content = read_own(host, path)
        except FileNotFoundError:
            continue
        if path == JOURNAL:
            content = content[:_finished(content)]
        for line in reversed(content.split(b"\n")):
            if line:
                yield _record(line)


def ends_unfinished(host):
    """Whether the last line has no end: its writer was killed, or the file was cut; raises OSError.

    The event of a line only goes on after its write. So a killed writer leaves nothing else without a line.
    """
    try:
        content = read_own(host, JOURNAL)
    except FileNotFoundError:
        return False
    return _finished(content) < len(content)


def _finished(content):
    """The number of bytes before an unfinished last line; a record without its newline is finished."""
    start = content.rfind(b"\n") + 1
    return len(content) if start == len(content) or _record(content[start:]) else start


def _make_room(path, older, wanted):
    """Move a full file aside; a crash then leaves no journal, which counts as an empty one."""
    try:
        size = os.lstat(path).st_size
    except FileNotFoundError:
        return
    if size and size + 1 + wanted > LIMIT:
        os.rename(path, older)
        sync_directory(os.path.dirname(path))


def _append(path, line):
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the last writer was killed, or the power was cut
            size = _finished(os.pread(descriptor, size, 0))
            os.ftruncate(descriptor, size)
            line = b"\n" + line if os.pread(descriptor, 1, max(size - 1, 0)) not in (b"", b"\n") else line
        try:
            _write(descriptor, line)
            os.fsync(descriptor)
            if not size:
                _sync_new(path)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _write(descriptor, content):
    """Write everything, because one write to a nearly full disk can be partial."""
    while content:
        content = content[os.write(descriptor, content):]


def _sync_new(path):
    """Sync the name of a new file to the disk, and the name of its directory, which can be new too."""
    directory = os.path.dirname(path)
    sync_directory(directory)
    sync_directory(os.path.dirname(directory))


def _record(line):
    try:
        record = parse_json(line)
    except ValueError:
        return None
    record = in_current_form(record, SCHEMA, MIGRATIONS)
    if record is None:
        return None
    event = record.get("event")
    shape = SHAPES.get(event) if isinstance(event, str) else None
    return record if shape and matches(record, shape) else None
