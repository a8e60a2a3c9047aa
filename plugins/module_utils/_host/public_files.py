# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes files for others to read, into directories that do not belong to this collection.

No directory is trusted because of its name: each is opened from the one above it, and a symbolic link is refused. So
the file cannot be led to another place. What other users own on the way decides only about their own directories: a
user cannot move a directory of root, or one that is elsewhere, to a name that root opens here.
"""

import errno
import os
import stat
from contextlib import suppress

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MODE_OF_DIRECTORY = 0o755


class PublicDirectory:
    """An opened directory, for `with`; raises OSError, with the reason for a refused directory as strerror.

    Refuses a directory on the way that every user can write. `of_root`: refuses also one that anyone except root can
    write. `create`: makes missing directories, readable by every user.
    """

    def __init__(self, host, path, of_root, create=False):
        self.path = path
        self._descriptor = os.open(host.path("/"), DIRECTORY)
        passed = "/"
        try:
            for part in filter(None, path.split("/")):
                passed = os.path.join(passed, part)
                self._enter(part, passed, create)
                _refuse_shared(os.fstat(self._descriptor), passed, of_root)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _enter(self, part, passed, create):
        above = self._descriptor
        try:
            self._descriptor = os.open(part, DIRECTORY, dir_fd=above)
        except FileNotFoundError:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "it does not exist", passed) from None
            os.mkdir(part, MODE_OF_DIRECTORY, dir_fd=above)
            self._descriptor = os.open(part, DIRECTORY, dir_fd=above)
            os.fchmod(self._descriptor, MODE_OF_DIRECTORY)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):  # a link has one or the other, by the kernel's version
                raise NotADirectoryError(error.errno, f"{passed} is a symbolic link or no directory", passed) from None
            raise
        os.close(above)

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        os.close(self._descriptor)

    def has(self, name, content, mode):
        """Whether a regular file of root has this content and mode."""
        try:
            descriptor = os.open(name, OLD_FILE, dir_fd=self._descriptor)
        except OSError:
            return False
        with open(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            return (stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
                    and stat.S_IMODE(status.st_mode) == mode and stream.read(len(content) + 1) == content)

    def write(self, name, content, mode):
        """Replace a file, or a link, as a whole. The caller is the only writer of the file."""
        unfinished = f".{name}.new"
        self.remove(unfinished)
        descriptor = os.open(unfinished, NEW_FILE, 0o600, dir_fd=self._descriptor)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.rename(unfinished, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            self.remove(unfinished)
            raise

    def remove(self, name):
        """Remove a file or a link, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)


def _refuse_shared(status, path, of_root):
    if status.st_mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, f"every user can write {path}", path)
    if of_root and (status.st_uid not in (0, os.geteuid()) or status.st_mode & stat.S_IWGRP):
        raise PermissionError(errno.EPERM, f"others than root can write {path}", path)
