# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that is installed and does not run: what its files show of it, for the checks of a kernel that runs."""

import struct
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.compression import CompressionError
from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kernel_image import notes_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

IMAGES = ("/boot/vmlinuz-{release}", "/lib/modules/{release}/vmlinuz", "/usr/lib/modules/{release}/vmlinuz",
          "/boot/Image-{release}", "/boot/vmlinux-{release}")
UNCOMPRESSED = ("/usr/lib/debug/boot/vmlinux-{release}", "/usr/lib/debug/lib/modules/{release}/vmlinux",
                "/lib/modules/{release}/build/vmlinux")
SYMBOLS = ("/boot/System.map-{release}", "/lib/modules/{release}/System.map", "/usr/lib/modules/{release}/System.map")
KALLSYMS = "/proc/kallsyms"
NOTES = "/sys/kernel/notes"
# Files about the running kernel; the checks know how to do without them.
OF_RUNNING_KERNEL = ("/proc/modules", "/proc/config.gz", "/sys/module/", "/sys/kernel/", KALLSYMS)
NOWHERE = "/dev/null/of-the-running-kernel"  # no file can be below this one
SYMBOL_OF_ALL = b" klp_enable_patch\n"  # Debian's System.map has one line, which names another package


class InstalledKernel(Host):
    """The host as if this kernel ran, and showed no more than its files: no loaded module, no ftrace, no parameter."""

    def __init__(self, host, release):
        super().__init__(host.root)
        self._host = host
        self._release = release

    def release(self):
        return self._release

    def path(self, path):
        return super().path(NOWHERE if path.startswith(OF_RUNNING_KERNEL) else path)

    def read_bytes(self, path):
        if path == KALLSYMS:
            return self._symbols
        if path == NOTES:
            return self._notes
        return super().read_bytes(path)

    def machine(self):
        return self._host.machine()

    def user_id(self):
        return self._host.user_id()

    def wall_clock(self):
        return self._host.wall_clock()

    @cached_property
    def image(self):
        """The path of its image, None if it is not found."""
        return self._first(IMAGES)

    def _first(self, paths):
        return next(filter(self.exists, [path.format(release=self._release) for path in paths]), None)

    @cached_property
    def _symbols(self):
        """The symbols of its System.map, in the form of /proc/kallsyms."""
        for path in SYMBOLS:
            content = self.read_bytes_or(path.format(release=self._release), b"")
            if SYMBOL_OF_ALL in content:
                return content
        raise FileNotFoundError(2, "No such file or directory", KALLSYMS)

    @cached_property
    def _notes(self):
        """The ELF notes of its image, or of its uncompressed image."""
        plain = self._first(UNCOMPRESSED)
        for path in filter(None, (self.image, plain)):
            with suppress(OSError, struct.error, CompressionError, LivepatchError):
                return notes_of(self, path)
        raise FileNotFoundError(2, "No such file or directory", NOTES)
