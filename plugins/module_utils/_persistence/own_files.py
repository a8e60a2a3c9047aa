# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads files that this collection keeps on a host: they are data that can be damaged or replaced."""

import errno
import os
import re
import stat

MOST_BYTES = 64 << 20
WORD = re.compile(rb"[!-~]{1,64}")  # printable ASCII; a boot_id is a word


def read_own(host, path):
    """The bytes of a file of this collection; raises FileNotFoundError, and OSError with the reason as strerror.

    Refuses anything but a regular file that only root can write: a named pipe would never end, and a link can lead to
    a file of another user. A dangling link is not an absent file.
    """
    status = host.status(path)
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a directory", path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link", path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EUCLEAN, "it is not a regular file", path)
    if status.st_uid not in (0, host.user_id(), os.geteuid()) or status.st_mode & 0o022:
        raise OSError(errno.EUCLEAN, "other users could write it", path)
    if status.st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES >> 20} MiB", path)
    return host.read_bytes(path)


def read_words(host, path, most):
    """The words in the first `most` bytes of a file, as texts; none if it cannot be read.

    Any other byte separates two words. A word must be compared as a whole: a damaged one equals no boot_id.
    """
    try:
        content = host.read_small(path, most)
    except OSError:
        return []
    return [word.decode("ascii") for word in WORD.findall(content)]


def directory_fault(host, path):
    """Why a change refuses a directory of this collection, as a clause; None for a good or an absent one."""
    try:
        status = host.status(path)
    except OSError as error:
        return reason_unless_absent(host, error)
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    if status.st_uid not in (0, host.user_id(), os.geteuid()):
        return "it belongs to another user"
    return "other users can use it" if stat.S_IMODE(status.st_mode) & 0o077 else None


def only_root_writes(host, path):
    """Whether a path is a directory that no other user can change; others may read it."""
    try:
        status = os.lstat(host.path(path))
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def reason_unless_absent(host, error):
    """The reason of an OSError as a clause; None for an absent file, and for one that this user may not read."""
    absent = isinstance(error, (FileNotFoundError, NotADirectoryError))
    return None if absent or may_not_read(host, error) else reason(error)


def may_not_read(host, error):
    """Whether an OSError only means that this user lacks a permission; root does not."""
    return isinstance(error, PermissionError) and host.user_id() != 0


def reason(error):
    """The reason of a LivepatchError or an OSError as a clause."""
    return getattr(error, "strerror", None) or str(error)
