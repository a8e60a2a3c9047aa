# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel log from a moment on (/dev/kmsg, Documentation/ABI/testing/dev-kmsg)."""

import errno
import os

RECORD_BYTES = 8192


class KernelLog:
    """The lines that the kernel logs after this object was made; a context manager.

    Where the log cannot be read there are no lines: the log only ever explains what an errno or sysfs has already said.
    """

    def __init__(self, host):
        try:
            self._descriptor = os.open(host.path("/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError:
            self._descriptor = None
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self._descriptor is not None:
            os.close(self._descriptor)

    def read(self):
        """All lines so far, oldest first, without the record's prefix and continuation fields."""
        while self._descriptor is not None:
            try:
                record = os.read(self._descriptor, RECORD_BYTES)
            except OSError as error:
                if error.errno == errno.EPIPE:  # records were overwritten: the next read goes on with the oldest left
                    continue
                break
            if not record:
                break
            self._add(record.decode("utf-8", "replace"))
        return self.lines

    def _add(self, record):
        for line in record.splitlines():
            if not line.startswith(" "):  # " KEY=value" lines belong to the record before them
                self.lines.append(line.split(";", 1)[-1])
