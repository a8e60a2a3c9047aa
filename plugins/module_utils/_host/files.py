# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes directories and files for root only; a file is written whole or not at all."""

import errno
import os
import stat
import tempfile

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

UNFINISHED = ".new-"  # prefix of the names of unfinished files


def private_directory(path):
    """Make a directory (0700) if it is absent, and refuse one that other users control; returns the path.

    Raises LivepatchError `directory-not-private`, `not-permitted`.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except PermissionError as error:
        raise LivepatchError(
            "not-permitted", f"This user may not create {path}. Run the task with become: true.") from error
    except FileExistsError:  # something exists, and is checked below
        pass
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise LivepatchError(
            "directory-not-private",
            f"Other users can use {path}, or it is not a directory. Remove it, or set its owner and mode 0700.")
    return path


def write_private(path, write):
    """Let `write(stream)` fill a new file (0600), sync it to the disk, and replace `path` with it.

    Raises LivepatchError `no-space`, or OSError, and then leaves no file behind.
    """
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=UNFINISHED, dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LivepatchError(
                "no-space", f"There is no space for the patch file below {directory}. Free some space and run again."
            ) from error
        raise
    sync_directory(directory)


def sweep(directory):
    """Remove the unfinished files of killed processes; the caller holds the lock for the directory."""
    for name in os.listdir(directory):
        if name.startswith(UNFINISHED):
            os.unlink(os.path.join(directory, name))


def sync_directory(directory):
    """Sync the names in a directory to the disk; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
