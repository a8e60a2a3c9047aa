# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the kernel log (/dev/kmsg, Documentation/ABI/testing/dev-kmsg), from a moment on or as a whole."""

import errno
import os
import re
from collections import namedtuple

RECORD_BYTES = 8192
MOST_RECORDS = 200000  # a limit, because a kernel can log without end
PREFIX = re.compile(r"(?P<priority>\d+),(?P<number>\d+),(?P<stamp>\d+),[^;]*;(?P<text>.*)")

# facility: 0 for records of the kernel, never 0 for those of a process. level: see syslog(2). number: counts all
# records of this boot. stamp: seconds on the log's own clock. text: the message, with the kernel's escapes.
Record = namedtuple("Record", "facility level number stamp text")


class KernelLog:
    """The lines logged after this object was made, or with `whole` all lines; a context manager.

    An unreadable log gives no lines: the log only explains an error already known from an errno or sysfs.
    `overwritten`: whether the kernel has overwritten records before they were read.
    """

    def __init__(self, host, whole=False):
        try:
            self._descriptor = os.open(host.path("/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_SET if whole else os.SEEK_END)
        except OSError:
            self._descriptor = None
        self.lines = []
        self.overwritten = False

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def close(self):
        """Close the log; it then gives no records."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def is_open(self):
        """Whether the log can be read."""
        return self._descriptor is not None

    def fileno(self):
        """For select(2): readable when there are records to read."""
        return self._descriptor

    def read(self):
        """All lines so far, oldest first, without the record's prefix and continuation fields."""
        self.lines += [line.split(";", 1)[-1] for line in self._raw()]
        return self.lines

    def records(self):
        """The Records since the last read, oldest first; None if the log cannot be read."""
        if self._descriptor is None:
            return None
        return list(self.each_record())

    def each_record(self, most=MOST_RECORDS):
        """The Records since the last read, oldest first, at most about `most`; one after another, for little memory."""
        return (_record(match) for match in map(PREFIX.match, self._raw(most)) if match)

    def _raw(self, most=MOST_RECORDS):
        """The records in the kernel's format, without continuation fields."""
        for _number in range(most if self._descriptor is not None else 0):
            try:
                record = os.read(self._descriptor, RECORD_BYTES)
            except OSError as error:
                if error.errno == errno.EPIPE:  # records were overwritten: the next read continues with the oldest
                    self.overwritten = True
                    continue
                break
            if not record:
                break
            for line in record.decode("utf-8", "replace").splitlines():
                if not line.startswith(" "):  # " KEY=value" lines belong to the record before them
                    yield line


def _record(match):
    priority = int(match.group("priority"))
    return Record(
        priority >> 3, priority & 7, int(match.group("number")), int(match.group("stamp")) / 1e6, match.group("text"))


def kernel_records(host):
    """Every Record still in the log, oldest first; None if it cannot be read."""
    with KernelLog(host, whole=True) as log:
        return log.records()
