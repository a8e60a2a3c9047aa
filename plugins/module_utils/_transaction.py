# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change on one host: the host's lock while it lasts, and the two records that the journal has of it."""

import binascii
import os
import time
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._findings import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._journal import CURRENT, append_record
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import module_build_id
from ansible_collections.kernel.livepatch.plugins.module_utils._lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._operator import operator
from ansible_collections.kernel.livepatch.plugins.module_utils._store import Store


@contextmanager
def transaction(host, action, told=None):
    """Hold the host's lock for a Transaction; raises LivepatchError `host-busy`.

    `action` is `patch` or `rollback`, `told` what the controller says of itself, see _operator.py.
    """
    seconds = host.wall_clock()
    name = _name(seconds)
    who = operator(host, told)
    with change_lock(host, {"transaction": name, "since": _written(seconds), "who": who}):
        yield Transaction(host, action, name, who)


class Transaction:
    """What is written about one change; `id` is None until it has begun, and there is no change before that."""

    def __init__(self, host, action, name, who):
        self.id = None
        self._host = host
        self._action = action
        self._name = name
        self._who = who
        self._digests = {}
        self._started = None

    def begin(self, patches, before):
        """Write that a change begins; raises LivepatchError `journal-unwritable`, and then nothing may be changed.

        `patches` are dicts of `name`, `sha256`, `build_id`, `previous_state` and `wanted_state`; `before` is the
        interface's list of patches.
        """
        kept = Store(self._host).descriptions()
        self._digests = {(entry["name"], entry["build_id"]): entry["sha256"] for entry in kept if entry["build_id"]}
        self._started = self._host.now()
        record = {
            "transaction": self._name, "time": self._now(), "action": self._action, "who": self._who,
            "boot_id": self._host.read_or("/proc/sys/kernel/random/boot_id"), "kernel": self._host.release(),
            "patches": [dict(patch, sha256=patch["sha256"] or self._digest(patch)) for patch in patches],
            "before": self._enabled(before),
        }
        try:
            append_record(self._host, "begin", record)
        except OSError as error:
            raise LivepatchError(
                "journal-unwritable",
                f"The journal {CURRENT} cannot be written ({error.strerror or error}), and nothing is changed without "
                "a record of it: make that possible and run again.") from error
        self.id = self._name

    def end(self, outcome, patches, after, code=None, replaces=()):
        """Write how the change ended, which is over by now; returns the findings of that, none when it went well.

        `outcome` is `done`, `left-going`, or `failed` with a `code`; `patches` are dicts of `name`, `state` and
        `transition_seconds`; `after` is the interface's list of patches.
        """
        if self.id is None:
            return []
        record = {
            "transaction": self.id, "time": self._now(), "outcome": outcome, "code": code,
            "seconds": round(self._host.now() - self._started, 3), "patches": patches,
            "replaces": list(replaces), "after": self._enabled(after),
        }
        try:
            append_record(self._host, "end", record)
        except (LivepatchError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            return [finding("journal-end-missing", self.id, transaction=self.id, why=why)]
        return []

    def _enabled(self, patches):
        """Who of the interface's patches is enabled, oldest first: `name`, `build_id`, `sha256` of the kept file."""
        loaded = [{"name": patch["name"], "build_id": module_build_id(self._host, patch["name"])}
                  for patch in patches if patch["state"] == "enabled"]
        return [dict(patch, sha256=self._digest(patch)) for patch in loaded]

    def _digest(self, patch):
        return self._digests.get((patch["name"], patch["build_id"]))

    def _now(self):
        return _written(self._host.wall_clock())


def _name(seconds):
    """A name that sorts by time and that no other transaction has."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    microseconds = int(seconds % 1 * 1e6)
    return f"{stamp}.{microseconds:06d}Z-{binascii.hexlify(os.urandom(4)).decode('ascii')}"


def _written(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
