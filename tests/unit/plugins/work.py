# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts work instead of seconds, which depend on the machine and on what else it does. Runs on Python 3.6."""

import sys
from contextlib import contextmanager


class TooMuchWork(AssertionError):
    """The code under test did more steps than its bound."""


@contextmanager
def at_most(steps):
    """Fail as soon as the block's calls have run more lines of Python than `steps`.

    A turn of a loop is a step, also in a comprehension. What C code does in one call is one step: count its
    operands with `CountedBytes` or `CountedText`. Raises TooMuchWork.
    """
    count = 0
    earlier = sys.gettrace()

    def trace(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        if count > steps:
            sys.settrace(None)
            raise TooMuchWork(f"more than {steps} steps")
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(earlier)
    if count > steps:  # the code under test may have caught the exception
        raise TooMuchWork(f"more than {steps} steps")


class CountedBytes(bytes):
    """Bytes that sum up in `read` how many of them were handed out by slices, and looked through by searches."""

    read = 0

    def __getitem__(self, key):
        found = bytes.__getitem__(self, key)
        self.read += len(found) if isinstance(key, slice) else 1
        return found


def _searching(name):
    plain = getattr(bytes, name)

    def search(self, *arguments):
        self.read += len(self)
        return plain(self, *arguments)
    return search


for _name in ("__contains__", "__iter__", "count", "find", "index", "partition", "replace", "rfind", "rindex",
              "rpartition", "rsplit", "split", "splitlines"):
    setattr(CountedBytes, _name, _searching(_name))


class CountedText(str):
    """A text that sums up in `CountedText.compared` how often one of its kind was compared with another text."""

    compared = 0

    def __eq__(self, other):
        CountedText.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__
