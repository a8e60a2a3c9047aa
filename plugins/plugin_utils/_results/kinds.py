# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The kinds of values in a result. Each kind returns a plain, bounded and printable copy of a host's value."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

LARGEST = 4 << 20  # characters of a whole result; each value counts as VALUE characters more
VALUE = 8
MOST = 2**64  # of a number, in either direction
MARK = " [...]"  # the end of a truncated text
LEVELS = ("blocker", "warning", "note")


class Misfit(Exception):
    """A value that has not the shape; `keys` lead to it, `problem` continues the sentence."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.keys: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(self.keys) or 'it'} {self.problem}"


class Sizes:
    """The unused part of LARGEST in one result, and the lists in it with too many entries: name, number, rest."""

    def __init__(self) -> None:
        self.left = LARGEST
        self.left_out: dict[str, tuple[int, int]] = {}

    def take(self, size: int) -> None:
        self.left -= size + VALUE
        if self.left < 0:
            raise Misfit(f"is larger than {LARGEST >> 20} MB in all")


def printable_lines(text: str, most: int) -> str:
    """A foreign text of several lines without control characters, truncated to `most` characters with a mark."""
    if len(text) > most:
        text = text[:most - len(MARK)] + MARK
    if text.replace("\n", "").isprintable():
        return text
    return "\n".join(map(printable, text.replace("\r", "").replace("\t", " ").split("\n")))


@dataclasses.dataclass(frozen=True)
class Text:
    """A text of at most `most` characters. A longer one is truncated if `cut`, and else does not fit.

    `lines`: newlines stay. `null`: None fits too. `pattern`: the whole text must match. `choices`: no other text fits.
    """

    most: int
    cut: bool = False
    lines: bool = False
    null: bool = False
    pattern: str = ""
    choices: tuple[str, ...] = ()

    def read(self, value: t.Any, sizes: Sizes) -> str | None:
        if value is None and self.null:
            return None
        if not isinstance(value, str):
            raise _wrong_type(value, "a text")
        text = str.__str__(value)  # without a subclass, which ansible-core has since 2.19
        if len(text) > self.most:
            if not self.cut:
                raise Misfit(f"is longer than {self.most} characters")
            text = text[:self.most - len(MARK)] + MARK
        sizes.take(len(text))
        text = printable_lines(text, self.most) if self.lines else printable(text)
        if self.choices and text not in self.choices:
            raise Misfit(f"is {text[:40]!r} instead of {', '.join(self.choices[:-1])} or {self.choices[-1]}")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise Misfit(f"is {text[:40]!r}")
        return text


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or false."""

    null: bool = False

    def read(self, value: t.Any, sizes: Sizes) -> bool | None:
        if value is None and self.null:
            return None
        if value is not True and value is not False:
            raise _wrong_type(value, "true or false")
        sizes.take(0)
        return value


@dataclasses.dataclass(frozen=True)
class Number:
    """A number; a whole one if `whole`. No infinity and no NaN, because JSON has neither."""

    whole: bool = False
    null: bool = False

    def read(self, value: t.Any, sizes: Sizes) -> int | float | None:
        if value is None and self.null:
            return None
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise _wrong_type(value, "a whole number" if self.whole else "a number")
        if not -MOST < value < MOST:
            raise Misfit("is too large a number")
        sizes.take(0)
        return int(value) if isinstance(value, int) else float(value)


@dataclasses.dataclass(frozen=True)
class Items:
    """A list of at most `most` entries of one kind. A longer one does not fit, unless `keep` says which entries stay.

    `keep`: `first`, or `worst` for findings. `title` names the list in the warning of a longer one.
    """

    entry: Kind
    most: int
    keep: str = ""
    title: str = ""
    null: bool = False

    def read(self, value: t.Any, sizes: Sizes) -> list[t.Any] | None:
        if value is None and self.null:
            return None
        if not isinstance(value, list):
            raise _wrong_type(value, "a list")
        sizes.take(0)
        entries = value if len(value) <= self.most else self._kept(value, sizes)
        try:
            return [self.entry.read(entry, sizes) for entry in entries]
        except Misfit as misfit:
            misfit.keys.insert(0, "[]")
            raise

    def _kept(self, value: list[t.Any], sizes: Sizes) -> list[t.Any]:
        if not self.keep:
            raise Misfit(f"is longer than {self.most} (it has {len(value)})")
        sizes.left_out[self.title] = (len(value), self.most)
        return value[:self.most] if self.keep == "first" else worst_of(value, self.most)


@dataclasses.dataclass(frozen=True)
class Keys:
    """A dict with all of the keys `must`, and perhaps those of `may`. Every other key is dropped."""

    must: Mapping[str, Kind]
    may: Mapping[str, Kind] = dataclasses.field(default_factory=dict)
    null: bool = False

    def read(self, value: t.Any, sizes: Sizes) -> dict[str, t.Any] | None:
        if value is None and self.null:
            return None
        if not isinstance(value, dict):
            raise _wrong_type(value, "a dict")
        sizes.take(0)
        result, key = {}, ""
        try:
            for key, kind in self.must.items():
                if key not in value:
                    raise Misfit("is missing")
                result[key] = kind.read(value[key], sizes)
            for key, kind in self.may.items():
                if key in value:
                    result[key] = kind.read(value[key], sizes)
        except Misfit as misfit:
            misfit.keys.insert(0, key)
            raise
        return result


Kind: t.TypeAlias = Text | Flag | Number | Items | Keys


def level_rank(entry: t.Any) -> int:
    """The rank of a finding by its level, the worst first; anything else is last."""
    level = entry.get("level") if isinstance(entry, Mapping) else None
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else len(LEVELS)


def worst_of(findings: Sequence[t.Any], most: int) -> list[t.Any]:
    """The worst findings, in their order."""
    if len(findings) <= most:
        return list(findings)
    worst = sorted(range(len(findings)), key=lambda index: level_rank(findings[index]))[:most]
    return [findings[index] for index in sorted(worst)]


def _wrong_type(value: t.Any, right: str) -> Misfit:
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a dict"}
    is_what = "null" if value is None else next(
        (name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)
    if isinstance(value, bool):
        is_what = "a boolean"
    return Misfit(f"is {is_what} instead of {right}")
