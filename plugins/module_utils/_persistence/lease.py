# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host: a run leaves it with each patch on trial, and other runs may not change the host until it ends.

    /run/kernel-livepatch/lease       the run that holds this host; absent without one

A lease ends with the trial of its run: when the run accepts the patch or rolls it back, when the host reverts, and at
the latest when the time of the trial is over. So it needs no place that outlives a boot. Its end is on the clock of
Host.now(), as that of the trial: the wall clock can be set. Only a change that holds the host's lock writes it.
"""

import json
import os
import re
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import make_way, replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import (
    UNKNOWN_ACTOR,
    actor_label,
    printable_name,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    read_own,
    reason,
    reason_unless_absent,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEASE
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import (
    NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    matches,
    parse_json,
)

# A later schema keeps these keys, so that an older version respects its lease too. To refuse it would block for ever.
SCHEMA = 1
RECORD = {"schema": NUMBER, "boot_id": OPTIONAL_TEXT, "run": TEXT, "who": dict, "since": TEXT, "ends": NUMBER}
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,63}")
LONGEST_SECONDS = LONGEST_TRIAL + 24 * 3600  # of a trial, and of the transition before it
MOST_BYTES = 4096
DAMAGED = "its content is damaged"


def check_run(run):
    """Raise LivepatchError `bad-option` for what is no identifier of a run; None is a change without a run."""
    if run is not None and not RUN.fullmatch(run):
        raise LivepatchError(
            "bad-option", "via_controller has a run that is no identifier. Remove via_controller from the task.")


def read_lease(host):
    """The lease in effect, and why its file cannot be used, as a clause; each is None without one.

    Shape: `run`, `who` (see identify_actor), `since` (UTC), `ends` (on the clock of Host.now()). A file that this user
    may not read counts as none.
    """
    try:
        record = _parse(read_own(host, LEASE))
    except ValueError:
        return None, DAMAGED
    except OSError as error:
        return None, reason_unless_absent(host, error)
    left = record["ends"] - host.now()
    if record["boot_id"] != host.read_or(BOOT_ID) or left <= 0:
        return None, None
    if left > LONGEST_SECONDS:
        return None, DAMAGED
    who = {key: printable_name(record["who"].get(key)) for key in UNKNOWN_ACTOR}
    return {"run": record["run"], "who": who, "since": printable_name(record["since"]), "ends": record["ends"]}, None


def _parse(content):
    """The record in a file; raises ValueError."""
    record = parse_json(content) if len(content) <= MOST_BYTES else None
    if not (matches(record, RECORD) and record["schema"] >= 1 and RUN.fullmatch(record["run"])):
        raise ValueError(DAMAGED)
    return record


def describe_lease(host, lease):
    """A lease as modules return it: `run`, `who`, `since` and `until` (UTC, by the wall clock of now)."""
    until = utc_timestamp(host.wall_clock() + lease["ends"] - host.now())
    return {"run": lease["run"], "who": lease["who"], "since": lease["since"], "until": until}


def lease_findings(host):
    """The finding about a lease for a check outside any run: other runs hold this host, or the file is damaged."""
    lease, why = read_lease(host)
    if why:
        return [_damaged(why)]
    return [_leased(host, lease)] if lease else []


def refuse_leased(host, controller):
    """Raise LivepatchError `host-leased` if another run holds this host; `controller` as in RunLease."""
    lease, _why = read_lease(host)
    if lease and not _may_change(lease, controller or {}):
        raise error_from([_leased(host, lease)], lease=describe_lease(host, lease))


def _may_change(lease, controller):
    return lease["run"] == controller.get("run") or bool(controller.get("take_lease"))


def _leased(host, lease):
    shown = describe_lease(host, lease)
    return finding(
        "host-leased", lease["run"], run=lease["run"], who=actor_label(lease["who"]), since=lease["since"],
        until=shown["until"])


def _damaged(why):
    return finding("lease-damaged", LEASE, path=LEASE, why=why)


class TrialLease:
    """The lease of this host for a change of the host itself, which no lease stops: it ends with the trial."""

    findings = ()

    def __init__(self, host):
        self._host = host

    def follow(self, trial):
        """End the lease if the ledger has no trial any more; raises OSError."""
        if not trial:
            _remove(self._host)


class RunLease:
    """The lease of this host for one change, which holds the lock; raises LivepatchError `host-leased`.

    `controller`: a dict with `run`, None or absent for a change outside any run, and `take_lease`, whether the change
    takes the lease over from another run. `who`: see identify_actor. `findings`: those about an earlier lease.
    """

    def __init__(self, host, controller, who):
        controller = controller or {}
        self._host = host
        self._run = controller.get("run")
        self._who = who
        self._written = None
        refuse_leased(host, controller)
        earlier, why = read_lease(host)
        own = bool(earlier) and earlier["run"] == self._run
        self._since = earlier["since"] if own else utc_timestamp(host.wall_clock())
        self.findings = [_damaged(why)] if why else []
        if earlier and not own:
            self.findings.append(finding(
                "lease-taken-over", earlier["run"], run=earlier["run"], who=actor_label(earlier["who"])))

    def follow(self, trial):
        """Let the lease end with a trial of the ledger; without a trial, or outside any run, this host has none.

        Raises LivepatchError `no-space` and OSError.
        """
        if not (self._run and trial):
            self._written = None
            _remove(self._host)
            return
        content = json.dumps({
            "schema": SCHEMA, "boot_id": self._host.read_or(BOOT_ID), "run": self._run, "who": self._who,
            "since": self._since, "ends": min(trial["ends"], self._host.now() + LONGEST_SECONDS),
        }, sort_keys=True).encode("utf-8")
        if content != self._written:
            replace_private(self._host.path(LEASE), content)
            self._written = content


def unwritable_lease(error, when):
    """The LivepatchError `lease-unwritable` for a lease that could not be written; `when` is its time in words."""
    return LivepatchError(
        "lease-unwritable",
        f"The lease of this host cannot be written to {LEASE} ({reason(error)}), so another run could change this host "
        f"{when}. Make it writable and run again.")


def _remove(host):
    with suppress(FileNotFoundError, NotADirectoryError):
        make_way(host.path(LEASE))
        os.unlink(host.path(LEASE))
