# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports the condition of this collection's own files and directories on a host; a missing one is no fault."""

import stat

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import (
    REPAIR_DIRECTORY,
    REPAIR_FILE,
    REPAIR_STORED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.preload import NOT_PERSISTENT
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import SCHEMA
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import read_lease
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import set_aside_ledgers
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    directory_fault,
    read_own,
    reason_unless_absent,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    DIRECTORIES,
    FILES,
    JOURNAL,
    LEASE,
    LEDGER,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
    TRIAL_ENDED,
    TRIAL_PROCESS,
    WATCH,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import DIGEST, kept_description
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import is_newer
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import TEXT, matches, parse_json

ENDED = {"transaction": TEXT, "name": TEXT, "message": TEXT, "time": TEXT}


def record_findings(host, journal_unreadable):
    """A finding for each own file or directory that cannot be used; `journal_unreadable` as in history.py.

    The ledger has findings of its own. A user who may not read a file gets no finding about it.
    """
    found = []
    for path, why, action in _faults(host):
        found.append(finding("record-unusable", path, path=path, why=why, action=action))
    if journal_unreadable:
        found.append(finding("journal-damaged", JOURNAL, journal=JOURNAL, count=journal_unreadable))
    for path in set_aside_ledgers(host):
        found.append(finding("ledger-set-aside", path, path=path))
    ended = _trial_ended(host)
    if ended:
        found.append(finding(
            "trial-ended-without-records", ended["name"], time=ended["time"], message=ended["message"]))
    return found


def persistence_findings(host):
    """A finding if the state directory does not last until the next boot."""
    why = loss_at_reboot(host, STATE_DIRECTORY)
    return [finding("state-not-persistent", STATE_DIRECTORY, path=STATE_DIRECTORY, why=why)] if why else []


def loss_at_reboot(host, path):
    """Why a reboot can lose what is at a path, as a clause, or None."""
    return NOT_PERSISTENT.get(host.file_system_type(path))


def _faults(host):
    """The path, the reason and the action of each fault."""
    for path in DIRECTORIES:
        why = directory_fault(host, path)
        if why:
            yield path, why, REPAIR_DIRECTORY
    for path in FILES:
        why = None if path == LEDGER else _fault_of_file(host, path)
        if why:
            yield path, why, REPAIR_FILE
    for path, why in _faults_of_store(host):
        yield path, why, REPAIR_STORED


def _fault_of_file(host, path):
    if path == LEASE:
        return read_lease(host)[1]
    try:
        content = read_own(host, path)
        if path in (TRIAL_PROCESS, WATCH, TRIAL_ENDED):
            parse_json(content)
    except (OSError, ValueError) as error:
        return _reason(host, error)
    return None


def _reason(host, error):
    """The reason of a fault, None for an absent file, and for one that this user may not read."""
    return "its content is damaged" if isinstance(error, ValueError) else reason_unless_absent(host, error)


def _faults_of_store(host):
    """The damaged descriptions and the unusable files of the store."""
    try:
        names = host.names(STORE_DIRECTORY)
    except OSError:
        return  # told of the directory itself
    for name in names:
        digest, _dot, kind = name.rpartition(".")
        path = f"{STORE_DIRECTORY}/{name}"
        if kind == "json" and DIGEST.match(digest):
            why = _fault_of_description(host, path, digest)
            if why:
                yield path, why
        elif kind == "ko" and not _is_regular(host, path):
            yield path, "it is not a regular file"


def _is_regular(host, path):
    """Whether a path is a regular file, or is gone meanwhile."""
    try:
        return stat.S_ISREG(host.status(path).st_mode)
    except OSError:
        return True


def _fault_of_description(host, path, digest):
    try:
        description = parse_json(read_own(host, path))
    except (OSError, ValueError) as error:
        return _reason(host, error)
    if kept_description(description, digest) or is_newer(description, SCHEMA):  # a newer one has its own finding
        return None
    return "it does not describe the file"


def _trial_ended(host):
    """The note of a trial's end without records, see _unattended/last_resort.py, or None."""
    try:
        ended = parse_json(read_own(host, TRIAL_ENDED))
    except (OSError, ValueError):
        return None
    return ended if matches(ended, ENDED) else None
