# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs the files of this collection that the next boot needs, when a patch is accepted again."""

import os
import stat

from ansible_collections.kernel.livepatch.plugins.module_utils._change.adoption import adoptable
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WHY_NO_BOOT_SERVICE
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._init.boot_forecast import (
    CHANGED,
    NOT_OURS,
    service_faults,
    service_notes,
    unit_argv,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import boot_service_status
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import (
    KEPT,
    UNIT,
    is_masked,
    unit_path,
    unit_text,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.condition import persistence_findings
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.drift import service_missing
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    PROGRAM,
    STATE_DIRECTORY,
    STORE_DIRECTORY,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.installer import (
    is_current,
    lasting_interpreter,
)


def boot_repairs(change):
    """The findings about the next boot that accepting a PatchChange's patch repairs; changes nothing.

    A masked unit stays so: an operator masks it on purpose.
    """
    return file_faults(change.store, change.description) + service_repairs(change.host) + [
        finding("boot-shared", load.name, tool=load.tool, name=load.name, path=load.path) for load in adoptable(change)]


def file_faults(store, description):
    """The finding about a missing or damaged file of an accepted patch, as a list."""
    entry = {"name": description["name"], "release": description["release"]}
    if not store.has(description["sha256"]):
        return [finding("accepted-file-missing", entry["name"], directory=STORE_DIRECTORY, **entry)]
    why = store.fault(description["sha256"])
    return [finding("accepted-file-damaged", entry["name"], why=why, **entry)] if why else []


def service_repairs(host):
    """The findings about the boot service that installing it again repairs."""
    status = boot_service_status(host)
    if status["init"] == "none" or is_masked(host):
        return []
    if not status["installed"] or (unit_path(host) == KEPT and not status["enabled"]):
        why = WHY_NO_BOOT_SERVICE["not-enabled" if status["installed"] else "not-installed"]
        return [finding("boot-service-missing", UNIT, why=why)]
    faults = [fault for fault in service_faults(host) if fault["code"] not in NOT_OURS]
    argv = unit_argv(host)
    if argv and not faults:
        if not is_current(host, argv):
            faults.append(finding("boot-program-damaged", PROGRAM, path=PROGRAM, why=CHANGED))
        path = unit_path(host)
        if host.read_bytes(path) != unit_text(argv):
            faults.append(finding("boot-unit-changed", UNIT, path=path, why=CHANGED))
        if lasting_interpreter(host, argv):
            faults += service_notes(host)
    return faults


def boot_obstacles(host):
    """The finding about a host of which no boot loads an accepted patch; no repair of this collection helps."""
    status = boot_service_status(host)
    return persistence_findings(host) or ([service_missing(status)] if status["obstacle"] else [])


def repair_directories(host):
    """Set the mode 0700 of directories that other users can only read.

    Raises LivepatchError `directory-not-private` for other directories: a change must not trust their content.
    """
    for path in map(host.path, (STATE_DIRECTORY, STORE_DIRECTORY)):
        if not os.path.lexists(path):
            continue
        status = os.lstat(path)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and mode & 0o077 and not mode & 0o022:
            os.chmod(path, 0o700)
        private_directory(path)


def with_repairs(diff, faults):
    """A diff in Ansible's format, with a line for each fault before the repair, and one after it."""
    before = "".join(f"{fault['subject']}: {fault['code']}\n" for fault in faults)
    after = "".join(f"{subject}: repaired\n" for subject in sorted({fault["subject"] for fault in faults}))
    return dict(diff, before=diff["before"] + before, after=diff["after"] + after)
