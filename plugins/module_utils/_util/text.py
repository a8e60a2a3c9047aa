# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats texts for people to read."""

import errno


def number_of(count, word):
    """A count in words: "1 task", "2 tasks"."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def errno_words(number):
    """An error number of the kernel by its name and its number (errno(3))."""
    name = errno.errorcode.get(number)
    return f"{name} ({number})" if name else f"error {number}"


def join_limited(items, most):
    """A list of words for a message, kept short: the first `most`, and the number of others."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")


def printable(text):
    """A foreign text without terminal control characters: `?` for each such character."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def truncate(text, most):
    """Like `printable`, and truncated to `most` characters."""
    return printable(text if len(text) <= most else f"{text[:most - 3]}...")


def escape(text):
    r"""A name for people, without loss: other characters as in Python, and bytes that are not UTF-8 as `\xff`."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def without_surrogates(value):
    """The same value for JSON with `?` for surrogates in texts: a name on a disk can hold bytes that are not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(inner) for key, inner in value.items()}
    return [without_surrogates(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _escaped(letter):
    if letter.isprintable():
        return letter
    if "\udc80" <= letter <= "\udcff":  # a byte, from os.fsdecode()
        return f"\\x{ord(letter) - 0xdc00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
