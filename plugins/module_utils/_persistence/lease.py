# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host: a run leaves it with each patch on trial, and other runs may not change the host until it ends.

    /run/kernel-livepatch/lease       the run that holds this host; absent without one

A lease ends with the trial of its run: when the run accepts the patch or rolls it back, when the host reverts, and at
the latest when the time of the trial is over. A run with a mark on the host (see hook.py) has its livepatch_after still
to do. It keeps its lease until it removes the mark, at the latest until that time. So a lease needs no place that
outlives a boot. Its end is on the clock of Host.now(), as that of the trial: the wall clock can be set. Only a change
that holds the host's lock writes it.

The file stays after a take-over, also when its lease is over: it names the runs that have lost this host. They may not
change it any more in this boot, or they would undo what their successor has accepted.
"""

import json
import os
import re
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import error_from, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import make_way, replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL, PULL_RUN
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
REFUSED = [{"run": TEXT, "by": TEXT, "since": TEXT}]  # the runs that have lost this host, to whom and since when
MOST_REFUSED = 8
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
    record, why = _read(host)
    left = record["ends"] - host.now() if record else 0
    if left <= 0:
        return None, why
    if left > LONGEST_SECONDS:
        return None, DAMAGED
    who = {key: printable_name(record["who"].get(key)) for key in UNKNOWN_ACTOR}
    return {"run": record["run"], "who": who, "since": printable_name(record["since"]), "ends": record["ends"]}, None


def is_held_by(host, run):
    """Whether the lease in effect is that of a run."""
    lease, _why = read_lease(host)
    return lease is not None and lease["run"] == run


def _read(host):
    """The record of this boot, also of a lease that is over, and why the file cannot be used; each is None without one.
    """
    try:
        record = _parse(read_own(host, LEASE))
    except ValueError:
        return None, DAMAGED
    except OSError as error:
        return None, reason_unless_absent(host, error)
    return (record if record["boot_id"] == host.read_or(BOOT_ID) else None), None


def _parse(content):
    """The record in a file; raises ValueError."""
    record = parse_json(content) if len(content) <= MOST_BYTES else None
    if not (matches(record, RECORD) and record["schema"] >= 1 and RUN.fullmatch(record["run"])):
        raise ValueError(DAMAGED)
    refused = record.get("refused")
    return dict(record, refused=refused if matches(refused, REFUSED) else [])


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


def refuse_leased(host, controller, lost=True):
    """Raise LivepatchError `host-leased` if another run holds this host; `controller` as in RunLease.

    With `lost` also if the host was taken over from this run, by a run or a person that has ended meanwhile.
    """
    controller = controller or {}
    if controller.get("take_lease"):
        return
    lease, _why = read_lease(host)
    if lease and lease["run"] != controller.get("run"):
        raise error_from([_leased(host, lease)], lease=describe_lease(host, lease))
    record, _why = _read(host)
    loss = next((one for one in record["refused"] if one["run"] == controller.get("run")), None) if record else None
    if lost and loss:
        raise LivepatchError(
            "host-leased",
            f"{printable_name(loss['by'])} has taken this host over from the run {controller['run']} on "
            f"{printable_name(loss['since'])}, so this run does not change it any more. Start another run.")


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

    def follow(self, trial, marked_by=None):
        """End the lease if the ledger has no trial any more; raises OSError. `marked_by`: as in RunLease."""
        if not (trial or is_held_by(self._host, marked_by)):
            record, _why = _read(self._host)
            _end(self._host, record, record["refused"] if record else [])


class RunLease:
    """The lease of this host for one change, which holds the lock; raises LivepatchError `host-leased`.

    `controller`: a dict with `run`, None or absent for a change outside any run, and `take_lease`, whether the change
    takes the lease over from another run. `who`: see identify_actor. `findings`: those about an earlier lease. `lost`:
    see refuse_leased.
    """

    def __init__(self, host, controller, who, lost=True):
        controller = controller or {}
        self._host = host
        self._run = controller.get("run")
        self._who = who
        self._written = None
        refuse_leased(host, controller, lost)
        earlier, why = read_lease(host)
        record, _why = _read(host)
        own = bool(earlier) and earlier["run"] == self._run
        self._since = earlier["since"] if own else utc_timestamp(host.wall_clock())
        self.findings = [_damaged(why)] if why else []
        taken = bool(controller.get("take_lease"))
        self._refused = [one for one in record["refused"] if not (taken and one["run"] == self._run)] if record else []
        if earlier and not own and earlier["run"] != PULL_RUN:  # its later runs have the same name
            self._refused.append({"run": earlier["run"], "by": actor_label(who), "since": self._since})
            self.findings.append(finding(
                "lease-taken-over", earlier["run"], run=earlier["run"], who=actor_label(earlier["who"])))

    def follow(self, trial, marked_by=None):
        """Let the lease end with a trial of the ledger; without a trial, or outside any run, this host has none.

        `marked_by`: the run with a mark on this host; if it is this one, its lease goes on without a trial. Raises
        LivepatchError `no-space` and OSError.
        """
        if self._run and not trial and marked_by == self._run and is_held_by(self._host, marked_by):
            return
        record = {
            "schema": SCHEMA, "boot_id": self._host.read_or(BOOT_ID), "run": self._run, "who": self._who,
            "since": self._since}
        if not (self._run and trial):
            self._written = None
            _end(self._host, record, self._refused)
            return
        ends = min(trial["ends"], self._host.now() + LONGEST_SECONDS)
        content = _content(dict(record, ends=ends), self._refused)
        if content != self._written:
            replace_private(self._host.path(LEASE), content)
            self._written = content


def unwritable_lease(error, when):
    """The LivepatchError `lease-unwritable` for a lease that could not be written; `when` is its time in words."""
    return LivepatchError(
        "lease-unwritable",
        f"The lease of this host cannot be written to {LEASE} ({reason(error)}), so another run could change this host "
        f"{when}. Make it writable and run again.")


def _content(record, refused):
    """The bytes of a record, with as many of the latest `refused` runs as a reader takes."""
    record = {key: value for key, value in record.items() if key != "refused"}
    for first in range(max(0, len(refused) - MOST_REFUSED), len(refused) + 1):
        more = {"refused": refused[first:]} if refused[first:] else {}
        content = json.dumps(dict(record, **more), sort_keys=True).encode("utf-8")
        if len(content) <= MOST_BYTES:
            break
    return content


def _end(host, record, refused):
    """End the lease; the file stays for the `refused` runs, as a lease that is over. Raises OSError."""
    if not refused:
        _remove(host)
        return
    try:
        # No change is without a run in the file: earlier versions read it too.
        ended = dict(record, run=record["run"] or refused[-1]["run"], ends=0)
        replace_private(host.path(LEASE), _content(ended, refused))
    except (LivepatchError, OSError):  # a full disk: the end matters more
        _remove(host)


def _remove(host):
    with suppress(FileNotFoundError, NotADirectoryError):
        make_way(host.path(LEASE))
        os.unlink(host.path(LEASE))
