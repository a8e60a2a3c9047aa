# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes directories and files for root only; a file is written whole or not at all."""

import errno
import os
import stat
import tempfile
from contextlib import suppress

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
    refuse_shared_directory(path)
    return path


def refuse_shared_directory(path):
    """Raises LivepatchError `directory-not-private` for what is not a directory for this user alone, and OSError."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise LivepatchError(
            "directory-not-private",
            f"Other users can use {path}, or it is not a directory. Remove it, or set its owner and mode 0700.")


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
        with suppress(FileNotFoundError):  # another change without the lock can have swept it
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LivepatchError(
                "no-space", f"There is no space left below {directory}. Free some space and run again."
            ) from error
        raise
    sync_directory(directory)


def read_regular(path, most):
    """The first `most` bytes of a regular file; raises OSError, also for a link and for any other kind of file."""
    descriptor = _open_regular(path, os.O_NOFOLLOW)
    try:
        content = b""
        while len(content) < most:
            chunk = os.read(descriptor, most - len(content))
            if not chunk:
                break
            content += chunk
        return content
    finally:
        os.close(descriptor)


def open_regular(path):
    """A binary stream of a regular file, also by a link to it; raises OSError for any other kind of file at once."""
    return os.fdopen(_open_regular(path), "rb")


def _open_regular(path, flags=0):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)  # a FIFO must not block
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "It is not a regular file", path)
    return descriptor


def make_way(path):
    """Let a regular file be written at `path`: rename a directory there, and remove a link or a special file.

    Raises OSError.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        os.rename(path, tempfile.mkdtemp(prefix=f"{os.path.basename(path)}.damaged-", dir=os.path.dirname(path)))
    elif not stat.S_ISREG(mode):
        os.unlink(path)


def replace_private(path, content):
    """Write bytes to `path` as write_private does, also where something else than a regular file is."""
    make_way(path)
    write_private(path, lambda stream: stream.write(content))


def sweep(directory):
    """Remove the unfinished files of killed processes; the caller holds the lock for the directory."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name.startswith(UNFINISHED) and not os.path.isdir(path):
            os.unlink(path)


def sync_directory(directory):
    """Sync the names in a directory to the disk; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
