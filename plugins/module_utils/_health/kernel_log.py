# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the kernel's own warnings in its log, among all other records."""

import re
from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kmsg import KernelLog, kernel_records
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import number_of, truncate

MOST_LINES = 50  # of the log in a result
LONGEST_LINE = 300  # characters
LONGEST_IN_MESSAGE = 160
MOST_AT_ONCE = 20000  # records; the next read goes on, and a kernel can log without end
KERNEL = 0  # the facility of records that no process has written
WARNING = 4  # the level of WARN() and of the default; a worse level has a smaller number

# Kind: the begin of such a record. The first match counts, so BUG comes after other kinds that can begin with it.
# Sources: kernel/panic.c, lib/bug.c, arch/*/kernel/{traps,dumpstack}.c, arch/*/mm/fault.c, kernel/watchdog*.c,
# kernel/workqueue.c, kernel/hung_task.c, kernel/rcu/tree_stall.h, lib/refcount.c, lib/list_debug.c, mm/kasan/report.c,
# lib/ubsan.c, mm/slub.c, mm/usercopy.c, lib/string_helpers.c, kernel/locking/lockdep.c, kernel/cfi.c.
KINDS = tuple((kind, re.compile(text)) for kind, text in (
    ("panic", r"Kernel panic - not syncing"),
    ("memory error", r"BUG: (?:KASAN|KFENCE|KMSAN|KCSAN): "),
    ("undefined behaviour", r"UBSAN: "),
    ("lockup", r"(?:NMI )?(?:watchdog: )?(?:BUG: soft lockup|.{0,40}\bhard LOCKUP)"
               r"|(?:workqueue: )?BUG: workqueue lockup"),
    ("hung task", r"INFO: task .{1,64}:\d+ .{0,80}?blocked (?:for|in|on) "),
    ("RCU stall", r"(?:rcu\w*: )?INFO: rcu\w* .{0,40}(?:detected|stall)|rcu: .{1,80} kthread (?:starved|timer wakeup)"),
    ("oops", r"BUG: (?:kernel NULL pointer|unable to handle)|Unable to handle kernel |Oops\b|Internal error: "
             r"|.{1,200}: [0-9a-f]{4,} .{0,40}\[#\d+\]|general protection fault|(?:traps: )?PANIC: double fault"),
    ("BUG", r"[kK]ernel BUG at |BUG: |BUG \S+ \(|\[ BUG: "),
    ("reference count error", r"refcount_t: "),
    ("list corruption", r"list_(?:add|del)\b.{0,20} (?:corruption|double add)"),
    ("buffer overflow", r"(?:\w+: )?detected buffer overflow|usercopy: Kernel memory \w+ attempt"),
    ("control flow error", r"CFI failure at "),
    # Since 6.18 the processor comes last. Without it, "at FUNCTION" at the end is from the stack unwinder and harmless.
    ("WARN", r"WARNING: (?:CPU: \d+ PID: \d+ at |.{0,200}\bat \S+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[^]]*\])?, CPU#\d+)"),
    ("locking error", r"WARNING: (?:possible |inconsistent lock |suspicious RCU |bad unlock |[Nn]ested lock |held lock "
                      r"|lock held |invalid wait |.{1,40} still has locks held|(?:SOFT|HARD)IRQ-\S+ -> )"),
))
# Lines that begin with a process's name: any user can choose it to look like one of these.
ABOUT_PROCESSES = re.compile(
    r" invoked oom-killer: |: page allocation |\[\d+\]: segfault at | \(\d+\): Using mlock |\[\d+\]: unhandled ")

# number, stamp: of the last record before the ones to read, None if unknown; see baseline.py.
Since = namedtuple("Since", "number stamp")


def kernel_warnings(host, since):
    """The kernel's warnings: findings, one for each kind, and the lines of the log from the first warning on."""
    records = kernel_records(host)
    if records is None:
        return [finding("kernel-log-unreadable", "/dev/kmsg")], []
    found = _incomplete(records, since)
    records = [record for record in records if record.facility == KERNEL and _is_later(record, since)]
    kinds = [kind_of(record) for record in records]
    first = next((place for place, kind in enumerate(kinds) if kind), None)
    if first is None:
        return found, []
    for kind in dict.fromkeys(filter(None, kinds)):
        line = truncate(records[kinds.index(kind)].text, LONGEST_IN_MESSAGE)
        found.append(finding("kernel-warning", kind, kind=kind, count=kinds.count(kind), line=line))
    return found, [truncate(record.text, LONGEST_LINE) for record in records[first:first + MOST_LINES]]


class FollowedLog:
    """The kernel's log from a Since on, read again and again with one open descriptor; counts its warnings.

    `source` is the KernelLog, to wait for; `number` is that of the last record read.
    """

    def __init__(self, host, since):
        self.source = KernelLog(host, whole=True)
        self._since = since
        self._lost = 0
        self._counts = {}
        self._first_lines = {}

    @property
    def number(self):
        return self._since.number

    def read(self):
        """Read what is new, at most MOST_AT_ONCE records; returns whether there was any."""
        before = self.number
        for record in self.source.each_record(MOST_AT_ONCE):
            if not _is_later(record, self._since):
                continue
            if self.number is not None:
                self._lost += record.number - self.number - 1
            self._since = self._since._replace(number=record.number)
            kind = kind_of(record) if record.facility == KERNEL else None
            if kind:
                self._counts[kind] = self._counts.get(kind, 0) + 1
                self._first_lines.setdefault(kind, truncate(record.text, LONGEST_IN_MESSAGE))
        return self.number != before

    def findings(self):
        """A finding for each kind of warning so far, and those about a log that cannot be read to the end."""
        if not self.source.is_open:
            return [finding("kernel-log-unreadable", "/dev/kmsg")]
        return _lost_records(self._lost) + [
            finding("kernel-warning", kind, kind=kind, count=count, line=self._first_lines[kind])
            for kind, count in self._counts.items()]


def kind_of(record):
    """The kind of a Record's warning; None for an ordinary record."""
    if record.level > WARNING or ABOUT_PROCESSES.search(record.text):
        return None
    return next((kind for kind, begins in KINDS if begins.match(record.text)), None)


def _is_later(record, since):
    return record.number > since.number if since.number is not None else record.stamp >= since.stamp


def _incomplete(records, since):
    """A finding if the oldest expected records are gone."""
    if since.number is None or not records or records[0].number <= since.number + 1:
        return []
    return _lost_records(records[0].number - since.number - 1)


def _lost_records(count):
    return [finding("kernel-log-incomplete", "/dev/kmsg", records=number_of(count, "record"))] if count else []
