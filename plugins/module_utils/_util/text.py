# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How texts are worded for people to read."""


def join_limited(items, most):
    """A list of words for a message, not more of them than one can read: the first `most`, and how many more."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")


def printable(text):
    """A text of somebody else's without anything that controls a terminal: `?` for each such letter."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def truncate(text, most):
    """The same, and cut where it is longer than so many characters."""
    return printable(text if len(text) <= most else f"{text[:most - 3]}...")
