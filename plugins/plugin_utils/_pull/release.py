# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""release.yml: which patch is released to which ring of hosts, and a halt (docs/docsite/rst/guide_pull.rst).

It is read in each run, from a file or from an address, and decides on its own: nothing of an earlier run is kept.
"""

from __future__ import annotations

import hashlib
import math
import os
import typing as t
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    format_value,
    parse_share,
    parse_whole,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.yaml_text import YamlError, read_yaml

MOST_BYTES = 64 * 1024
MOST_RINGS, MOST_RELEASES = 100, 20
LONGEST_REASON = 200
SOAK, LONGEST_SOAK = 3600, 7 * 24 * 3600  # seconds
# From the end of the soak to the end of the trial: runs that are late or fail are still in time.
MARGIN = 3 * 3600
_KEYS = ("rings", "releases", "halt", "soak", "trial")
_RELEASE_KEYS = ("src", "name", "version", "up_to")
PLACES = 2 ** 64  # that the hosts are spread over


class Release(t.NamedTuple):
    """One entry of `releases`: a patch for the rings 0 to `up_to`; `src` is absolute, or below the file."""

    src: str
    up_to: int
    name: str | None = None
    version: str | None = None


class ReleaseFile(t.NamedTuple):
    """A release.yml. `halt` is the reason of a halt, None without one; `soak` and `trial` are seconds.

    `rings`: the end of each ring among the PLACES, in whole numbers, because every host compares with them.
    """

    rings: tuple[int, ...]
    releases: tuple[Release, ...]
    halt: str | None
    soak: int
    trial: int
    digest: str

    def ring_of(self, name: str) -> int:
        """The ring of a host, from its name alone: the same in each run, and independent of other hosts."""
        place = place_of(name)
        return next(ring for ring, end in enumerate(self.rings) if place < end)

    def release_for(self, ring: int) -> Release | None:
        """The first entry that is for a ring."""
        return next((release for release in self.releases if ring <= release.up_to), None)


def place_of(name: str) -> int:
    """The place of a host, from 0 to below PLACES.

    A digest of the name spreads hosts evenly, whatever their names have in common. Another text than for the order of
    waves is digested, so that rings and waves have nothing to do with each other.
    """
    digest = hashlib.sha256(b"kernel.livepatch ring\0" + name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def read_release(
        source: str, directory: Path, fetch: Callable[[str, int], bytes],
        check: Callable[[Path, str], None] | None = None) -> ReleaseFile:
    """The release.yml at a path, below `directory` if it is relative, or at an address that begins with https://.

    `fetch` returns the first bytes of an address, and raises OSError. `check` gets the path and the digest of a file,
    and raises if it is not signed; then an address is refused. Raises TaskError `release-unreadable`,
    `release-invalid`.
    """
    if is_address(source):
        if check:
            raise TaskError(
                "release-unreadable",
                f"livepatch_require_signature is set, and {printable(source)} is an address, which has no signed list "
                "beside it. Give a file of a signed directory.")
        place: str | Path = source
        content = _fetched(source, fetch)
    else:
        place = directory / Path(source).expanduser()
        content = _read(place)
        if check:  # before a byte of it is parsed
            check(place, hashlib.sha256(content).hexdigest())
    if len(content) > MOST_BYTES:
        raise _invalid(source, f"is larger than {MOST_BYTES >> 10} KiB", "Shorten it")
    return parse_release(content, source, lambda src: _source(src, place, source))


def is_address(source: str) -> bool:
    return "://" in source


def _fetched(address: str, fetch: Callable[[str, int], bytes]) -> bytes:
    if urlsplit(address).scheme != "https":
        raise TaskError(
            "release-unreadable",
            f"{printable(address)} is no address of https, so anybody on the way could write the release. Give an "
            "address that begins with https://, or a file.")
    try:
        return fetch(address, MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(address, str(error)) from error


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(str(path), error.strerror or str(error)) from error


def _unreadable(source: str, why: str) -> TaskError:
    return TaskError(
        "release-unreadable",
        f"The release {printable(source)} cannot be read ({truncate(printable(why), LONGEST_REASON)}), so nothing was "
        "changed. A patch on trial is not accepted without it. Correct livepatch_release, or make it readable.")


def _source(src: str, place: str | Path, shown: str) -> str:
    """The patch file or bundle of an entry: a path, relative to release.yml if that is a file."""
    if is_address(src) or (not isinstance(place, Path) and not os.path.isabs(src)):
        raise _invalid(
            shown, f"has the src {format_value(src)}",
            "Give a path on the host: absolute, or relative to a release.yml that is a file")
    return str(place.parent / src) if isinstance(place, Path) else src


def parse_release(content: bytes, shown: str, source: Callable[[str], str] = str) -> ReleaseFile:
    """The release in the bytes of a file; raises TaskError `release-invalid`.

    `source` returns the path of the `src` of an entry.
    """
    try:
        document = read_yaml(content, aliases=False)
    except YamlError as error:
        raise _invalid(shown, str(error), "Correct it there") from None
    _check_keys(document, shown, "", _KEYS, ("rings", "releases"))
    rings = _rings(document["rings"], shown)
    releases = document["releases"]
    if not isinstance(releases, list) or len(releases) > MOST_RELEASES:
        raise _invalid(shown, "has releases that are no list", f"Give a list with at most {MOST_RELEASES} entries")
    soak = _seconds(document, "soak", SOAK, 0, LONGEST_SOAK, shown)
    return ReleaseFile(
        rings, tuple(_release(entry, len(rings), shown, source) for entry in releases),
        _halt(document.get("halt"), shown), soak,
        _seconds(document, "trial", soak + MARGIN, soak + 1, LONGEST_TRIAL, shown), hashlib.sha256(content).hexdigest())


def _check_keys(
        document: t.Any, shown: str, where: str, known: Sequence[str], needed: Sequence[str]) -> None:
    if not isinstance(document, Mapping):
        raise _invalid(shown, f"has no mapping{where}", f"Give the keys {', '.join(needed)}")
    unknown = next((key for key in document if key not in known), None)
    if unknown is not None:
        raise _invalid(shown, f"has the unknown key {format_value(unknown)}{where}", f"Known are {', '.join(known)}")
    missing = next((key for key in needed if document.get(key) is None), None)
    if missing:
        raise _invalid(shown, f"has no {missing}{where}", "Add it")


def _rings(value: t.Any, shown: str) -> tuple[int, ...]:
    right = "Give growing shares of all hosts, of which the last is 100%, as in [1%, 10%, 50%, 100%]"
    shares = [parse_share(share) for share in value] if isinstance(value, list) else []
    rings = tuple(math.ceil(share[1] * PLACES) for share in shares if share)
    grow = all(former < latter for former, latter in pairwise((0, *rings)))
    if not rings or len(rings) != len(shares) or not grow or rings[-1] != PLACES or len(rings) > MOST_RINGS:
        raise _invalid(shown, f"has the rings {format_value(value)}", right)
    return rings


def _release(entry: t.Any, rings: int, shown: str, source: Callable[[str], str]) -> Release:
    _check_keys(entry, shown, " in an entry of releases", _RELEASE_KEYS, ("src", "up_to"))
    up_to = parse_whole(entry["up_to"])
    if up_to is None or not 0 <= up_to < rings:
        raise _invalid(
            shown, f"has up_to {format_value(entry['up_to'])}", f"Give the number of a ring, from 0 to {rings - 1}")
    for key in ("src", "name", "version"):
        value = entry.get(key)
        if value is not None and not (isinstance(value, str) and value.strip() and value.isprintable()):
            raise _invalid(shown, f"has the {key} {format_value(value)}", "Give a text, a version in quotes")
    return Release(source(entry["src"]), up_to, entry.get("name"), entry.get("version"))


def _halt(value: t.Any, shown: str) -> str | None:
    if value is None or value is False:
        return None
    if value is True:
        return "no reason is given"
    if not isinstance(value, str) or not value.strip():
        raise _invalid(shown, f"has the halt {format_value(value)}", "Give true, false, or the reason as a text")
    return truncate(printable(" ".join(value.split())), LONGEST_REASON)


def _seconds(
        document: Mapping[str, t.Any], key: str, default: int, least: int, most: int, shown: str) -> int:
    value = document.get(key)
    number = default if value is None else parse_whole(value)
    if number is None or not least <= number <= most:
        raise _invalid(shown, f"has the {key} {format_value(value)}", f"Give seconds from {least} to {most}")
    return number


def _invalid(shown: str, problem: str, right: str) -> TaskError:
    return TaskError("release-invalid", f"The release {printable(shown)} {problem}, so nothing was changed. {right}.")
