# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file tree in which a kernel is built: / or another root with the kernel's compiler.

Paths of a Root are those inside of it. A symbolic link in it with an absolute target leads inside too, as for a process
that lives there.
"""

import errno
import os
import stat
import subprocess
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._building.worker import enter
from ansible_collections.kernel.livepatch.plugins.module_utils._host import processes
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import open_regular
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

MOST_LINKS = 40  # as many as the kernel follows (MAXSYMLINKS in include/linux/namei.h)
DIRECTORIES = processes.ENVIRONMENT["PATH"].split(":")
UNABLE = 126  # exit status of a program that cannot be started, as of a shell


@contextmanager
def space_checked(place):
    """Tell a full disk by its own code; raises LivepatchError `build-space-low`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LivepatchError(
            "build-space-low", f"The build host has no space left below {place}. Free some space and run again."
        ) from error


class Root:
    """A root by its path on the build host.

    `originals` has the places of saved copies, by the path on the build host of a file that a running or killed build
    has changed: such a file counts as it was.
    """

    def __init__(self, directory="/"):
        self.directory = os.path.normpath(directory)
        self.originals = {}

    def fault(self):
        """Why this root cannot be used, in words, or None."""
        if self.directory == "/":
            return None
        if not self.directory.startswith("/"):
            return "it is not an absolute path"
        try:
            status = os.stat(self.directory)
        except OSError as error:
            return f"{error.strerror}"
        if not stat.S_ISDIR(status.st_mode):
            return "it is not a directory"
        if os.geteuid() != 0:
            return "only root can enter it, and this task does not run as root"
        if status.st_uid != 0 or status.st_mode & 0o022:
            return "other users than root can change it"
        missing = [name for name in ("dev", "proc") if not os.path.isdir(os.path.join(self.directory, name))]
        if missing:
            return f"it has no directory {missing[0]}"
        return None

    def path(self, path):
        """The path on the build host to read a path in this root; raises OSError for too many links."""
        place = self.place(path)
        if self.originals:
            directory, name = os.path.split(place)
            return self.originals.get(os.path.join(os.path.realpath(directory), name), place)
        return place

    def place(self, path):
        """The same without regard to saved copies. Symbolic links are resolved inside of the root."""
        if self.directory == "/":
            return path
        done, left, links = "/", _parts(path), 0
        while left:
            part = left.pop(0)
            if part == "..":
                done = os.path.dirname(done)
                continue
            entry = os.path.join(done, part)
            outside = self.directory + entry
            if os.path.islink(outside):
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(outside)
                done = "/" if target.startswith("/") else done
                left = _parts(target) + left
            else:
                done = entry
        return self.directory + done if done != "/" else self.directory

    def inside(self, path):
        """The path in this root of a path on the build host that `path` has returned."""
        return path if self.directory == "/" else path[len(self.directory):] or "/"

    def exists(self, path):
        return os.path.exists(self.path(path))

    def is_file(self, path):
        return os.path.isfile(self.path(path))

    def is_directory(self, path):
        return os.path.isdir(self.path(path))

    def read(self, path, most=1 << 24):
        """The text of a file, at most its first `most` bytes; None if it cannot be read."""
        try:
            with open_regular(self.path(path)) as stream:
                return stream.read(most).decode("utf-8", "replace")
        except OSError:
            return None

    def first(self, paths, test=None):
        """The first of some paths that exists as a file, or that passes another test; None without one."""
        return next((path for path in paths if path and (test or self.is_file)(path)), None)

    def program(self, name):
        """The path of a program by its name or its path, or None."""
        places = [name] if "/" in name else [f"{directory}/{name}" for directory in DIRECTORIES]
        return self.first(places, lambda path: self.is_file(path) and os.access(self.path(path), os.X_OK))

    def run(self, argv, seconds, directory="/", **environment):
        """Run a program inside; returns its exit status and the last 64 KiB of its output, as Host.run.

        A program that cannot be started has the status 126 and the reason as its output. Raises LivepatchError
        `command-timed-out`.
        """
        try:
            return processes.run(
                argv, seconds, cwd=None, preexec_fn=lambda: enter(self.directory, directory),
                env=dict(processes.ENVIRONMENT, HOME="/", **environment))
        except OSError as error:
            return UNABLE, f"{error.filename or argv[0]}: {error.strerror}"
        except subprocess.SubprocessError as error:
            return UNABLE, f"{self.directory} cannot be entered ({error})"


def _parts(path):
    return [part for part in path.split("/") if part not in ("", ".")]
