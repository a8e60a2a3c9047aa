# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Recognises versions of one patch by their names, as kpatch_4_18_0_553_1_1 and kpatch_4_18_0_553_1_2.

A name consists of words with `_`, `-` or `.` between them. The first word that is a number begins the version, and the
words before it are the stem. A number after `cve` or another word of IDENTIFIERS names a problem and is no version.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable

try:
    from packaging.version import InvalidVersion, Version

    HAS_PACKAGING = True
except ImportError:  # of ansible-core's own requirements, but not for its sanity tests
    HAS_PACKAGING = False

# A word, and how many numbers after it belong to it: CVE-2026-1234, bug 1234.
IDENTIFIERS = {"cve": 2, "bug": 1, "bz": 1, "bsc": 1, "rhbz": 1, "issue": 1}
_NUMBER = re.compile(r"[vr]?([0-9]+)")
# Single letters are versions to PEP 440 too, and in a name they can mean anything.
_WORDS_OF_VERSIONS = frozenset({"alpha", "beta", "pre", "rc", "post", "dev"})

Series = dict[str, t.Any]


def series_of(names: Iterable[str]) -> dict[str, Series]:
    """{name: {stem, rank}} of each name with another version among `names`; a higher rank is a later version."""
    versions: dict[str, dict[str, t.Any]] = {}
    for name in set(names):
        stem, version = split_name(name)
        versions.setdefault(stem, {})[name] = version
    found = {}
    for stem, members in versions.items():
        order = sorted(set(members.values()))
        if len(members) > 1:
            found.update({name: {"stem": stem, "rank": order.index(version)} for name, version in members.items()})
    return found


def split_name(name: str) -> tuple[str, tuple[t.Any, ...]]:
    """The stem of a name and its version to compare with others of that stem; () without a version, the oldest.

    A version in the form of PEP 440 is compared like that. Of other ones the words belong to the stem, with the numbers
    left out, and the numbers are compared one by one.
    """
    words = re.split(r"[_.-]+", name)
    fixed = _identifier_places(words)
    start = next(
        (place for place, word in enumerate(words) if place not in fixed and _NUMBER.fullmatch(word)), len(words))
    stem, rest = "_".join(words[:start]), words[start:]
    if not rest:
        return stem, ()
    version = None if any(place >= start for place in fixed) else _parse(rest)
    if version is not None:
        return stem, (version,)
    numbers, shape = [], []
    for place, word in enumerate(rest, start):
        match = None if place in fixed else _NUMBER.fullmatch(word)
        shape.append("#" if match else word)
        numbers += [int(match.group(1))] if match else []
    return "_".join([stem, *shape]), tuple(numbers)


def _identifier_places(words: list[str]) -> set[int]:
    """The places of the numbers that belong to an identifier."""
    places: set[int] = set()
    for start, word in enumerate(words):
        for place in range(start + 1, start + 1 + IDENTIFIERS.get(word.lower(), 0)):
            if place < len(words) and words[place].isdigit():
                places.add(place)
    return places


def _parse(words: list[str]) -> Version | None:
    plain = all(_NUMBER.fullmatch(word) or word in _WORDS_OF_VERSIONS for word in words)
    if not (plain and HAS_PACKAGING):
        return None
    try:
        return Version(".".join(word.lstrip("vr") if _NUMBER.fullmatch(word) else word for word in words))
    except InvalidVersion:
        return None
