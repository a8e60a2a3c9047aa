# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allows one change at a time on a host: a lock that ends with its holder, and records the holder and the time.

Going back must not depend on the lock. A change that goes back continues without it if the lock's file cannot be used,
or if its holder does not end: see `_patience`.
"""

import errno
import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity, process_state
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import (
    UNKNOWN_ACTOR,
    actor_label,
    printable_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    only_root_writes,
    read_own,
    reason,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LOCK, RUN_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    TEXT,
    matches,
    parse_json,
)

HOLDER_KEYS = ("transaction", "since", "pid", "who")  # the keys shown of a holder
# `until` is on the clock of Host.now(): a change that holds the lock for longer hangs.
HOLDER = {"transaction": TEXT, "since": TEXT, "pid": NUMBER, "started": NUMBER, "until": NUMBER,
          "who": dict}

POLL_SECONDS = 0.5
HOLD_SECONDS = 900  # of a change, without its transitions
STOPPED_SECONDS = 10  # a holder that is stopped (T, or t by a debugger) for so long is not waited for any more
STUCK_SECONDS = 60  # the same for one in uninterruptible sleep (D), which no signal ends, and for one without a record


@contextmanager
def change_lock(host, change, wait=0, going_back=False, seconds=0):
    """Hold the host's lock; `change` is a dict of `transaction`, `since` and `who`.

    It waits `wait` seconds for the end of another change, and then raises LivepatchError `host-busy`, with the other
    change as `holder` in the details. Raises `lock-unusable`, `directory-not-private`, `not-permitted` too. `seconds`
    is the longest time for this change's transitions. Yields None; a change that is `going_back` gets the reason as a
    clause if it must continue without the lock.
    """
    descriptor, why = _acquire(host, wait, going_back)
    if descriptor is None:
        yield why
        return
    try:
        until = host.now() + HOLD_SECONDS + seconds
        try:
            _note(descriptor, dict(change, until=until, **process_identity(host, "self")))
            yield None
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_change(host):
    """The change that runs on this host; None if there is none, or if this user may not see it.

    Shape: `transaction`, `since`, `pid`, `who` (see `identify_actor`). It checks the holder's process and not the lock:
    a test of the lock would acquire it, and would block a change that begins.
    """
    holder = _holder(host)
    return holder and {key: holder[key] for key in HOLDER_KEYS}


def refuse_while_busy(host):
    """Raise LivepatchError `host-busy` if another change is seen to run."""
    holder = running_change(host)
    if holder:
        raise _busy(host, holder)


def _holder(host):
    """The record of the lock's holder, if its process lives, or None."""
    try:
        holder = parse_json(read_own(host, LOCK))
    except (OSError, ValueError):  # empty, or half written
        return None
    if not matches(holder, HOLDER):
        return None
    if process_identity(host, holder["pid"]) != {"pid": holder["pid"], "started": holder["started"]}:
        return None
    holder["who"] = {key: printable_name(holder["who"].get(key)) for key in UNKNOWN_ACTOR}
    return holder


def _acquire(host, wait, going_back):
    """The descriptor of the lock's file, locked, and None; or None, and the reason to go back without the lock."""
    try:
        descriptor = _open(host, going_back)
    except (LivepatchError, OSError) as error:
        if going_back:
            return None, f"it cannot be used ({reason(error)})"
        raise _unusable(error) from error
    try:
        why = _lock(host, descriptor, wait, going_back)
    except OSError as error:  # a file system without locks
        os.close(descriptor)
        if going_back:
            return None, f"it cannot be used ({reason(error)})"
        raise _unusable(error) from error
    except BaseException:
        os.close(descriptor)
        raise
    if why:
        os.close(descriptor)
        return None, why
    return descriptor, None


def _open(host, going_back):
    try:
        private_directory(host.path(RUN_DIRECTORY))
    except (LivepatchError, OSError):
        # Others may look into this directory, and cannot change it: the lock still works for this change.
        if not (going_back and only_root_writes(host, RUN_DIRECTORY)):
            raise
    # O_NONBLOCK: a named pipe in its place must not block.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(host.path(LOCK), flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise OSError(errno.EUCLEAN, "it is not a regular file of root", host.path(LOCK))
        if stat.S_IMODE(status.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(host, descriptor, wait, going_back):
    """Lock a descriptor; returns None, or the reason to go back without the lock. Raises LivepatchError `host-busy`."""
    deadline = host.now() + wait
    suspect_since = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError as error:
            holder = _holder(host)
            patience, why = _patience(host, descriptor, holder) if going_back else (None, None)
            if patience is None:
                suspect_since = None
                if host.now() >= deadline:
                    raise _busy(host, holder) from error
            else:
                suspect_since = host.now() if suspect_since is None else suspect_since
                if host.now() - suspect_since >= patience:
                    return why
        host.sleep(POLL_SECONDS)


def _patience(host, descriptor, holder):
    """How many seconds to watch a holder before going back without the lock, and the reason; None for a live change.

    A change is live if its process runs, and is not past the time that it announced.
    """
    pid = holder["pid"] if holder else _pid_in_proc_locks(host, descriptor)
    state = process_state(host, pid) if pid else None
    if state in ("T", "t"):
        return STOPPED_SECONDS, f"process {pid} holds it and is stopped"
    if state == "D":
        return STUCK_SECONDS, f"process {pid} holds it and hangs in the kernel"
    if holder is None:
        return STUCK_SECONDS, f"process {pid or 'unknown'} holds it and has recorded no change"
    if host.now() > holder["until"]:
        return 0, f"process {pid} holds it for longer than a change can take"
    return None, None


def _pid_in_proc_locks(host, descriptor):
    """The process that locked a file without a record, or None; see proc_locks(5)."""
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in host.read_or("/proc/locks", "").splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device and fields[4].isdigit():
            return int(fields[4]) or None
    return None


def _note(descriptor, holder):
    """Write the holder over the record of a killed one; on a full disk, the lock holds without a record."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder, sort_keys=True).encode("utf-8"), 0)


def _unusable(error):
    if isinstance(error, LivepatchError):
        return error
    return LivepatchError(
        "lock-unusable",
        f"{LOCK} cannot be used as the lock of this host ({reason(error)}). Remove it, then run again.")


def _busy(host, holder):
    by, end = "another run of this collection", "Wait until this change has ended."
    if holder:
        by = (f"{actor_label(holder['who'])} since {holder['since']} (transaction {holder['transaction']}, "
              f"pid {holder['pid']})")
        if process_state(host, holder["pid"]) in ("T", "t"):
            end = f"This process is stopped. Continue it with kill -CONT {holder['pid']}, or end it with kill -KILL."
    shown = holder and {key: holder[key] for key in HOLDER_KEYS}
    return LivepatchError("host-busy", f"This host is being changed by {by}. {end}", holder=shown)
