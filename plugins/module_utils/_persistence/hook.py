# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a host whose `livepatch_before` began: its `livepatch_after` is due, also after a reboot.

    /var/lib/kernel-livepatch/hook    the run that began it; absent without one

Only a change that holds the host's lock writes it. A damaged mark is one too: to run `livepatch_after` once more is
better than never.
"""

import json
import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    private_directory,
    replace_private,
    sync_directory,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import (
    UNKNOWN_ACTOR,
    actor_label,
    printable_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import read_lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    read_own,
    reason,
    reason_unless_absent,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import HOOK, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)

SCHEMA = 1  # a later one keeps these keys
RECORD = {"schema": NUMBER, "run": OPTIONAL_TEXT, "who": dict, "since": TEXT}
MOST_BYTES = 4096
DAMAGED = {"run": None, "who": UNKNOWN_ACTOR, "since": None}


def read_hook(host):
    """The run whose `livepatch_after` is due; None without one, and for a user who may not read the mark.

    Shape: `run` (None outside a run), `who` (see identify_actor), `since` (UTC). A damaged mark has None everywhere.
    """
    try:
        content = read_own(host, HOOK)
    except OSError as error:
        return dict(DAMAGED) if reason_unless_absent(host, error) else None
    try:
        record = parse_json(content) if len(content) <= MOST_BYTES else None
    except ValueError:
        record = None
    if not matches(record, RECORD):
        return dict(DAMAGED)
    who = {key: printable_name(record["who"].get(key)) for key in UNKNOWN_ACTOR}
    return {"run": printable_name(record["run"]), "who": who, "since": printable_name(record["since"])}


def hook_findings(host):
    """The finding about a mark that no run at work on this host has left."""
    hook = read_hook(host)
    if hook is None:
        return []
    lease, _why = read_lease(host)
    if lease and lease["run"] == hook["run"]:
        return []
    return [finding("hook-unfinished", HOOK, run=hook["run"] or "an unknown run", who=actor_label(hook["who"]),
                    since=hook["since"] or "an unknown time")]


def write_hook(host, run, who):
    """Write the mark; raises LivepatchError `hook-unwritable`."""
    record = {"schema": SCHEMA, "run": run, "who": who, "since": utc_timestamp(host.wall_clock())}
    content = json.dumps(record, sort_keys=True).encode("utf-8")
    try:
        private_directory(host.path(STATE_DIRECTORY))
        replace_private(host.path(HOOK), content)
    except (LivepatchError, OSError) as error:
        raise _unwritable(error) from error


def remove_hook(host):
    """Remove the mark; raises LivepatchError `hook-unwritable`."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            make_way(host.path(HOOK))
            os.unlink(host.path(HOOK))
            sync_directory(host.path(STATE_DIRECTORY))
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error):
    return LivepatchError(
        "hook-unwritable",
        f"The mark {HOOK} cannot be written or removed ({reason(error)}), so a later run would not know whether "
        "livepatch_after is due here. Make it writable and run again.")
