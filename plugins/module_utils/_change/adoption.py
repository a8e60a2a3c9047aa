# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a boot from loading patches twice: of a patch that another tool loads too, the tool's file is set aside.

The file stays where it is under a longer name with the transaction, and a rollback of that one gives it back.
"""

import errno
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import sync_directory
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.boot_loads import (
    boot_loads,
    path_aside,
    set_aside,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

REMOVE_PACKAGE = "Remove the package that owns this file"


def shared_boots(change):
    """The findings about patches that another tool loads at boot, if a PatchChange's patch is to be accepted."""
    if change.request.state != "accepted":
        return []
    loads = [load for load in boot_loads(change.host) if not (change.request.adopt and _replaces(change, load))]
    return [finding(
        "other-tool-loads-at-boot", load.name, tool=load.tool, name=load.name, path=load.path,
        action=_action(change, load)) for load in loads]


def shared_boots_of(kernel, is_accepted):
    """The same for an InstalledKernel; it says drift if the patch is accepted for it already.

    Nothing is set aside for a kernel that does not run: a rollback there would not find the file.
    """
    found = []
    for load in boot_loads(kernel):
        facts = {"tool": load.tool, "name": load.name, "path": load.path}
        action = (
            f"Run kpatch uninstall -k {kernel.release()} {os.path.basename(load.path)}, or accept the patch with adopt "
            "after the boot into this kernel" if load.can_set_aside else REMOVE_PACKAGE)
        found.append(finding("boot-shared", load.name, **facts) if is_accepted else finding(
            "other-tool-loads-at-boot", load.name, action=action, **facts))
    return found


def adoptable(change):
    """The BootLoads that the acceptance of a PatchChange's patch sets aside."""
    return [load for load in boot_loads(change.host) if change.request.adopt and _replaces(change, load)]


def adopt(change, transaction):
    """Set aside the other tool's files for an accepted patch; returns the findings.

    Raises LivepatchError `not-adopted`.
    """
    found = []
    for load in adoptable(change):
        aside = path_aside(load, transaction)
        try:
            _rename(change.host, load.path, aside)
        except OSError as error:
            raise LivepatchError(
                "not-adopted",
                f"{change.name} is accepted, and {load.path} cannot be renamed ({error.strerror}), so {load.tool} "
                "would load it at boot as well. Correct this, then run the task again.") from error
        found.append(finding("adopted", load.name, tool=load.tool, name=load.name, path=aside))
    return found


def not_taken_over(host, undone, accepted):
    """The ledger's `accepted` without what the undone transactions took over: the other tool loads that again."""
    digests = {_digest(host, path) for _load, path in set_aside(host, undone or ())}
    return [entry for entry in accepted if entry["sha256"] not in digests]


def give_back(host, undone):
    """After the rollback of some transactions, None for all: give back what they set aside; returns the findings.

    A rollback to no live patch gives nothing back.
    """
    found = []
    for load, path in set_aside(host, undone or ()):
        facts = {"tool": load.tool, "name": load.name, "path": load.path}
        try:
            if host.exists(load.path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            _rename(host, path, load.path)
        except OSError as error:
            found.append(finding("not-given-back", load.name, aside=path, why=error.strerror, **facts))
        else:
            found.append(finding("given-back", load.name, **facts))
    return found


def _replaces(change, load):
    """Whether the other tool does without its file once the patch is accepted: of the same build, or of a replaced one.
    """
    if not load.can_set_aside:
        return False
    if _digest(change.host, load.path) == change.description["sha256"]:
        return True
    enabled = names_of(patch for patch in change.before if patch["state"] == "enabled")
    return change.description["replace"] is not False and ("load" in change.steps() or load.name not in enabled)


def _action(change, load):
    if not load.can_set_aside:
        return REMOVE_PACKAGE
    file = os.path.basename(load.path)
    if _replaces(change, load):
        return f"Set adopt to true, so that only this collection loads patches at boot, or run kpatch uninstall {file}"
    return f"Set {load.name} to state accepted first, with adopt and this file as src, or run kpatch uninstall {file}"


def _digest(host, path):
    try:
        return image_digest(host.path(path))[0]
    except LivepatchError:
        return None


def _rename(host, path, target):
    os.rename(host.path(path), host.path(target))
    sync_directory(os.path.dirname(host.path(path)))
