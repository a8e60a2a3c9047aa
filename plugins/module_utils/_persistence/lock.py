# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allows one change at a time on a host: a lock that ends with its holder, and records the holder and the time."""

import fcntl
import json
import os
from contextlib import contextmanager, suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import (
    UNKNOWN_ACTOR,
    actor_label,
    printable_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LOCK, RUN_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.small_files import read_object
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import TEXT

HOLDER_KEYS = ("transaction", "since", "pid", "who")  # the keys shown of a holder
HOLDER = {"transaction": TEXT, "since": TEXT, "pid": int, "started": int, "who": dict}


@contextmanager
def change_lock(host, change, wait=False):
    """Hold the host's lock; `change` is a dict of `transaction`, `since` and `who`.

    With `wait`, it waits for the end of another change. Without, it raises LivepatchError `host-busy` at once, with
    the other change as `holder` in the details.
    """
    private_directory(host.path(RUN_DIRECTORY))
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(host.path(LOCK), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise _busy(running_change(host)) from error
        try:
            _note(descriptor, dict(change, **process_identity(host, "self")))
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_change(host):
    """The change that runs on this host; None if there is none, or if this user may not see it.

    Shape: `transaction`, `since`, `pid`, `who` (see `identify_actor`). It checks the holder's process and not the lock:
    a test of the lock would acquire it, and would block a change that begins.
    """
    holder = read_object(host, LOCK, HOLDER)
    if holder is None or process_identity(host, holder["pid"]) != {
            "pid": holder["pid"], "started": holder["started"]}:
        return None
    holder["who"] = {key: printable_name(holder["who"].get(key)) for key in UNKNOWN_ACTOR}
    return {key: holder[key] for key in HOLDER_KEYS}


def refuse_while_busy(host):
    """Raise LivepatchError `host-busy` if another change is seen to run."""
    holder = running_change(host)
    if holder:
        raise _busy(holder)


def _note(descriptor, holder):
    """Write the holder over the record of a killed one; on a full disk, the lock holds without a record."""
    os.ftruncate(descriptor, 0)
    with suppress(OSError):
        os.pwrite(descriptor, json.dumps(holder, sort_keys=True).encode("utf-8"), 0)


def _busy(holder):
    by = "another run of this collection"
    if holder:
        by = (f"{actor_label(holder['who'])} since {holder['since']} (transaction {holder['transaction']}, "
              f"pid {holder['pid']})")
    return LivepatchError(
        "host-busy", f"This host is being changed by {by}. Wait until this change has ended.", holder=holder)
