# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders the versions of patches: one judge for the host and for the controller.

Versions in the form of PEP 440 are ordered as packaging.version orders them; a unit test compares the two. If one of
two versions has another form, both are compared part by part: numbers as numbers, words as text, a number after a word,
and a longer version after its beginning, but before it with a tilde or a word such as rc there. A number with a colon
is an epoch, which comes first. dpkg and rpm do so with tildes and epochs too.

Many names hold a version, as kpatch_4_18_0_553_1_2. Such a name consists of words with `_`, `-` or `.` between
them. The first word that is a number, after another word, begins the version, and the words before it are the stem. A
number after `cve` or another word of IDENTIFIERS names a problem and is no version.
"""

import re

# A word, and how many numbers after it belong to it: CVE-2026-1234, bug 1234.
IDENTIFIERS = {"cve": 2, "bug": 1, "bz": 1, "bsc": 1, "rhbz": 1, "issue": 1}
NUMBER = re.compile(r"[vr]?([0-9]+)")
# Single letters are versions to PEP 440 too, and in a name they can mean anything.
WORDS_OF_VERSIONS = frozenset(("alpha", "beta", "pre", "rc", "post", "dev"))

PEP440 = re.compile(r"""
    v? (?:(?P<epoch>[0-9]+)!)? (?P<release>[0-9]+(?:\.[0-9]+)*)
    (?P<pre>[-_.]? (?P<pre_word>alpha|beta|preview|pre|rc|a|b|c) (?:[-_.]?(?P<pre_number>[0-9]+))? )?
    (?P<post>-(?P<post_alone>[0-9]+) | [-_.]?(?:post|rev|r) (?:[-_.]?(?P<post_number>[0-9]+))? )?
    (?P<dev>[-_.]?dev (?:[-_.]?(?P<dev_number>[0-9]+))? )?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?
    """, re.VERBOSE | re.IGNORECASE)
EPOCH = re.compile(r"([0-9]+)[:!]")
PART = re.compile(r"[0-9]+|[^\W0-9_]+|~")
BEFORE_A_RELEASE = frozenset(("alpha", "beta", "pre", "preview", "rc", "dev"))
# The kinds of parts in their order; the end is a part too.
TILDE, EARLY_WORD, END, WORD, DIGITS = range(5)
PRE_WORDS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
LONGEST = 200  # characters; Python refuses to read a longer number at all
BEFORE_ALL, AFTER_ALL = (-1,), (1,)  # against (0, ...)


def compare_versions(one, other):
    """-1 if `one` is the earlier version, 1 if it is the later one, 0 if they are equal; both are texts."""
    first, second = version_keys([one, other])
    return (first > second) - (first < second)


def version_keys(versions):
    """A key for each of some versions, to compare them with each other."""
    keys = [_pep440_key(version) for version in versions]
    return [_parts_key(version) for version in versions] if None in keys else keys


def split_name(name):
    """The stem of a name, and a key for its version among others of this stem: () without a version, the earliest.

    A version in the form of PEP 440 is compared like that. Of other ones the words belong to the stem, with the numbers
    left out, and the numbers are compared one by one.
    """
    words = re.split(r"[_.-]+", name[:LONGEST])
    fixed = _identifier_places(words)
    start = next((
        place for place, word in enumerate(words) if place not in fixed.union((0,)) and NUMBER.fullmatch(word)),
        len(words))
    stem, rest = "_".join(words[:start]), words[start:]
    if not rest:
        return stem, ()
    version = None if any(place >= start for place in fixed) else _version_of_words(rest)
    if version is not None:
        return stem, (version,)
    numbers, shape = [], []
    for place, word in enumerate(rest, start):
        match = None if place in fixed else NUMBER.fullmatch(word)
        shape.append("#" if match else word)
        numbers += [int(match.group(1))] if match else []
    return "_".join([stem, *shape]), tuple(numbers)


def _pep440_key(version):
    """The order of packaging.version as a tuple, or None for a version of another form."""
    match = PEP440.fullmatch(version.strip())
    if not match:
        return None
    release = [int(number) for number in match.group("release").split(".")]
    while release and release[-1] == 0:
        release.pop()
    post, dev = BEFORE_ALL, AFTER_ALL
    if match.group("post"):
        post = (0, int(match.group("post_alone") or match.group("post_number") or 0))
    if match.group("dev"):
        dev = (0, int(match.group("dev_number") or 0))
    # 1.dev1 comes before 1a1, and 1.post1.dev1 does not.
    pre = BEFORE_ALL if match.group("dev") and not match.group("post") else AFTER_ALL
    if match.group("pre"):
        word = match.group("pre_word").lower()
        pre = (0, PRE_WORDS.get(word, word), int(match.group("pre_number") or 0))
    local = re.split("[-_.]", match.group("local") or "")
    return int(match.group("epoch") or 0), tuple(release), pre, post, dev, tuple(map(_local_part, filter(None, local)))


def _local_part(text):
    return (DIGITS, int(text), "") if text.isdecimal() else (WORD, 0, text.lower())


def _parts_key(version):
    epoch = EPOCH.match(version)
    parts = PART.findall(version, epoch.end() if epoch else 0)
    return (int(epoch.group(1)) if epoch else 0, *map(_part, parts), (END, 0, ""))


def _part(text):
    if text == "~":
        return TILDE, 0, ""
    return (EARLY_WORD, 0, text.lower()) if text.lower() in BEFORE_A_RELEASE else _local_part(text)


def _identifier_places(words):
    """The places of the numbers that belong to an identifier."""
    places = set()
    for start, word in enumerate(words):
        for place in range(start + 1, start + 1 + IDENTIFIERS.get(word.lower(), 0)):
            if place < len(words) and words[place].isdigit():
                places.add(place)
    return places


def _version_of_words(words):
    if not all(NUMBER.fullmatch(word) or word in WORDS_OF_VERSIONS for word in words):
        return None
    return _pep440_key(".".join(word.lstrip("vr") if NUMBER.fullmatch(word) else word for word in words))
