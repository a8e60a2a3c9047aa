# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between this collection and a kernel: files below one root, clocks, users, and system calls."""

import errno
import os
import pwd
import re
import sys
import time
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host import files, processes, syscalls

BLOCK = 1 << 16  # bytes
OCTAL = re.compile(r"\\([0-7]{3})")  # a character in a mount point of mountinfo
UPPER = "upperdir="  # an option of overlayfs
IN_MEMORY = re.compile(r"/dev/(zram|ram)\d+\Z")
LABEL = "security.selinux"  # an extended attribute; xattr(7)
GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR)


def _text(content):
    return content.decode("utf-8", "replace").rstrip("\n")


class Host:
    """A host with its /proc, /sys, /dev and /var below `root`; the host half accesses the system only through it.

    With a root other than "/" the files are a simulation, and a test overrides the system calls and the clock.
    """

    def __init__(self, root="/"):
        self.root = root
        self._is_child = False

    def path(self, path):
        """The real path of an absolute path of the host."""
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def read_bytes(self, path):
        """The whole content of a file; raises OSError."""
        with open(self.path(path), "rb") as stream:
            return stream.read()

    def read(self, path):
        """The text of a kernel file without the newline at its end; raises OSError."""
        return _text(self.read_bytes(path))

    def read_or(self, path, default=None):
        """Like `read`, with `default` for a file that is absent, vanishes meanwhile, or may not be read."""
        content = self.read_bytes_or(path)
        return default if content is None else _text(content)

    def read_bytes_or(self, path, default=None):
        """Like `read_bytes`, with `default` as for `read_or`."""
        try:
            return self.read_bytes(path)
        except OSError as error:
            if error.errno in GONE or error.errno in (errno.EACCES, errno.EPERM, errno.EINVAL):
                return default
            raise

    def read_small(self, path, most):
        """The first `most` bytes of a regular file, without following a link and without waiting; raises OSError."""
        return files.read_regular(self.path(path), most)

    def line_blocks(self, path):
        """The lines of a long file as lists of bytes, with newlines, read only as far as needed; raises OSError."""
        with open(self.path(path), "rb") as stream:
            yield from iter(lambda: stream.readlines(BLOCK), [])

    def names(self, path):
        """The sorted entries of a directory; none if it is absent or vanishes."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError as error:
            if error.errno in GONE:
                return []
            raise

    def is_dir(self, path):
        return os.path.isdir(self.path(path))

    def exists(self, path):
        return os.path.exists(self.path(path))

    def status(self, path):
        """The result of lstat(2) for a path; raises OSError."""
        return os.lstat(self.path(path))

    def link_target(self, path):
        """The target of a symbolic link as it is written there; raises OSError."""
        return os.readlink(self.path(path))

    def resolved(self, path):
        """A path with every symbolic link resolved."""
        real = os.path.realpath(self.path(path))
        return real if self.root == "/" else os.path.join("/", os.path.relpath(real, self.root))

    def free_space(self, path):
        """The free space for root on the file system of a path, or of its first existing parent.

        Bytes, and number of files, None if the file system does not count them.
        """
        status = self._file_system(path)
        return status.f_bfree * status.f_frsize, status.f_ffree if status.f_files else None

    def is_read_only(self, path):
        """Whether that file system is mounted read-only."""
        return bool(self._file_system(path).f_flag & os.ST_RDONLY)

    def file_system_type(self, path):
        """The type of the file system of a path, such as `ext4`; None if it is not known. Source: proc(5), mountinfo.

        `zram` or `ram` on a disk in memory. For an overlay, the type of the directory for its changes, unless that is
        an overlay or not visible here; `volatile` for one that need not survive a crash (overlayfs.rst).
        """
        kind, source, options = self._mount(path)
        if kind == "overlay" and "volatile" in options.split(","):
            return "volatile"
        upper = next((word[len(UPPER):] for word in options.split(",") if word.startswith(UPPER)), None)
        if kind == "overlay" and upper:
            kind, source = next((found[:2] for found in [self._mount(upper)] if found[0]), (kind, source))
        disk = IN_MEMORY.match(source)
        return disk.group(1) if disk else kind

    def _mount(self, path):
        """The type, the source and the options of the mounted file system of a path."""
        where, found, longest = f"{self.resolved(path)}/", (None, "", ""), 0
        for line in self.read_or("/proc/self/mountinfo", "").splitlines():
            before, _separator, after = line.partition(" - ")
            fields, kinds = before.split(" "), after.split(" ")
            if len(fields) < 5 or len(kinds) < 3:
                continue
            point = f"{OCTAL.sub(lambda code: chr(int(code.group(1), 8)), fields[4]).rstrip('/')}/"
            if where.startswith(point) and len(point) >= longest:  # a later mount covers an earlier one
                found, longest = tuple(kinds[:3]), len(point)
        return found

    def _file_system(self, path):
        while not self.exists(path):
            path = os.path.dirname(path)
        return os.statvfs(self.path(path))

    def write(self, path, text):
        """Write to an existing kernel file with one write(2), as sysfs requires; raises OSError."""
        descriptor = os.open(self.path(path), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("utf-8"))
        finally:
            os.close(descriptor)

    def ask(self, path, text):
        """Write a question to a kernel file and read the answer, as in selinuxfs; raises OSError."""
        descriptor = os.open(self.path(path), os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("utf-8"))
            return _text(os.read(descriptor, BLOCK)).rstrip("\0")
        finally:
            os.close(descriptor)

    def label(self, file):
        """The SELinux label of a real path or of a descriptor, as text; None without one."""
        try:
            return _text(os.getxattr(file, LABEL)).rstrip("\0")
        except OSError:
            return None

    def set_label(self, file, label):
        """Set the SELinux label of a real path or of a descriptor; does nothing if that is not possible."""
        with suppress(OSError):
            os.setxattr(file, LABEL, label.encode("utf-8") + b"\0")

    def release(self):
        """The running kernel's release, as `uname -r` prints it."""
        return self.read("/proc/sys/kernel/osrelease")

    def machine(self):
        """The running kernel's architecture, as `uname -m` prints it."""
        return os.uname().machine

    def now(self):
        """Seconds on a clock that only moves forward."""
        return time.monotonic()

    def wall_clock(self):
        """Seconds since 1970 in UTC, by a clock that can be set."""
        return time.time()

    def user_id(self):
        """The effective user id of this process."""
        return os.geteuid()

    def user_name(self, uid):
        """The name of a user on this host; the number as text for a user without a name."""
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return str(uid)

    def interpreter(self):
        """The path of the running Python; None if it does not know."""
        return sys.executable or None

    def sleep(self, seconds):
        time.sleep(seconds)

    def run(self, argv, seconds):
        """Run a command to its end; returns its exit status (minus a signal's number) and its last 64 KiB of output.

        `argv` begins with a path, or with a name in the system's own directories; there is no shell. Raises OSError if
        it cannot be started. Kills it after `seconds`, and raises LivepatchError `command-timed-out`.
        """
        return processes.run(argv, seconds, own_session=not self._is_child)

    def spawn(self, argv):
        """Start an independent process that outlives this one and its login; returns its number.

        Raises OSError if it cannot be started.
        """
        return processes.spawn(argv)

    def start_child(self, function):
        """Run a function in a child process, see processes.Child; its value must be JSON. Raises OSError.

        Commands that it runs stay in its process group.
        """
        def call():
            self._is_child = True  # of the child's copy of this object
            return function()
        return processes.Child(call)

    def wait_readable(self, sources, seconds):
        """Sleep, at most until one of the files or children in `sources` can be read."""
        processes.wait_readable(sources, seconds)

    def finit_module(self, descriptor, parameters):
        """Insert the module behind a read-only descriptor; raises OSError with the kernel's errno."""
        syscalls.finit_module(descriptor, parameters)

    def hold_trace_event(self, number):
        """Keep an event of tracefs armed until the returned descriptor is closed; raises OSError, LivepatchError."""
        return syscalls.hold_trace_event(number)

    def search_key(self, keyring, description):
        """Search a keyring of the kernel for an asymmetric key; raises OSError with the kernel's errno."""
        syscalls.search_key(keyring, description)

    def delete_module(self, name):
        """Remove a module without waiting and never by force; raises OSError with the kernel's errno."""
        syscalls.delete_module(name)
