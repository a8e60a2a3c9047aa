# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads bundle.yml: what patch files do not hold, such as CVEs and versions (docs/docsite/rst/guide_bundles.rst)."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import LONGEST
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import LONGEST_VERSION, SHAPE
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.names import is_pattern, name_matches
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.yaml_text import YamlError, read_yaml

FILE_NAME = "bundle.yml"
# The keys of `provenance`, which patch_build writes: what the file was made of.
PROVENANCE = ("inputs", "source", "tool", "tool_version", "compiler", "kernel_build_id", "built")
LONGEST_PROVENANCE = 200  # characters of each text in it
_MAX_SIZE = 1024 * 1024
_FILE_SUFFIX = re.compile(r"\.ko(\.(gz|xz|zst))?$")


class _Key(t.NamedTuple):
    """One key of an entry: the pattern of its text, the value in words, and whether it is about one file only.

    `kind`: a `text`, a `list` of texts, a `date`, or `reasons`, a text without a pattern for each text.
    """

    pattern: re.Pattern[str]
    expected: str
    of_one_file: bool = False
    kind: str = "text"

    def read(self, value: object) -> t.Any:
        """The value in the shape of module_utils/_patch/metadata.py; None for a wrong one."""
        if self.kind == "date":
            return _date(value)
        if self.kind == "reasons":
            fits = isinstance(value, dict) and all(self._fits(key) and _is_text(value[key]) for key in value)
            return [{"cve": key, "reason": reason} for key, reason in t.cast("dict", value).items()] if fits else None
        if self.kind == "provenance":
            fits = isinstance(value, dict) and set(value) <= set(PROVENANCE) and all(map(self._fits, value.values()))
            return value if fits else None
        if self.kind == "list":
            return list(dict.fromkeys(value)) if isinstance(value, list) and all(map(self._fits, value)) else None
        return value if self._fits(value) else None

    def _fits(self, text: object) -> bool:
        return _is_text(text) and self.pattern.fullmatch(text) is not None


def _is_text(value: object) -> t.TypeGuard[str]:
    return isinstance(value, str) and bool(value) and "".join(value.splitlines()).isprintable()


def _date(value: object) -> str | None:
    """A date of YAML, or its text, as text."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    try:
        return datetime.datetime.strptime(value, "%Y-%m-%d").date().isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,12}")
_KEYS = {
    "cves": _Key(_CVE, "a list of CVE numbers such as CVE-2026-12345", kind="list"),
    "summary": _Key(re.compile(r".+", re.DOTALL), "text without control characters"),
    "advisory": _Key(re.compile(r"https?://\S+"), "a link that begins with https:// or http://"),
    "version": _Key(
        re.compile(rf"\S{{1,{LONGEST_VERSION}}}"),
        f'text in quotes such as "1.10", at most {LONGEST_VERSION} characters'),
    "not_covered": _Key(_CVE, "a mapping of CVE numbers such as CVE-2026-12345 to reasons", kind="reasons"),
    "expires": _Key(re.compile(""), "a date such as 2027-01-31", kind="date"),
    "effective_kernel": _Key(
        re.compile(r"\S{1,128}"), "the release of a kernel in quotes, such as 6.1.0-60-amd64, at most 128 characters"),
    "kernel_build_id": _Key(
        re.compile(rf"([0-9a-f]{{2}}){{1,{LONGEST}}}", re.IGNORECASE | re.ASCII),
        f"hex digits in quotes, two for each byte and at most {LONGEST} bytes", of_one_file=True),
    "sha256": _Key(
        re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII), "64 hex digits in quotes", of_one_file=True),
    "provenance": _Key(
        re.compile(rf".{{1,{LONGEST_PROVENANCE}}}"), f"a mapping with some of {', '.join(PROVENANCE)}, each a text",
        of_one_file=True, kind="provenance"),
}
# For the controller alone: a host gets a description with the digest.
_NOT_FOR_HOSTS = ("sha256", "provenance")


class Metadata:
    """The entries of a bundle.yml, each about one file (its path) or about the patches of a name or a pattern."""

    def __init__(self, path: Path, entries: dict[str, dict[str, t.Any]], exists: bool = True) -> None:
        self._path = path
        self._exists = exists
        self._entries = entries
        self._unused = set(entries)

    def of(self, file: PurePath, name: str) -> dict[str, t.Any] | None:
        """The metadata of a file with this module name.

        The entry of the name overrides those of patterns, and the entry of the file overrides both. A CVE that one
        entry closes and another leaves open is what the overriding entry says.
        """
        names = [key for key in self._entries if not _is_file(key) and name_matches(key, name)]
        keys = sorted(names, key=is_pattern, reverse=True)
        keys += [key for key in (file.as_posix(),) if key in self._entries]
        self._unused.difference_update(keys)
        if not keys:
            return None
        metadata: dict[str, t.Any] = {key: [] if key in ("cves", "not_covered") else None for key in SHAPE}
        for key in keys:
            _override(metadata, self._entries[key])
        for key in _NOT_FOR_HOSTS:
            metadata.pop(key, None)
        if metadata["kernel_build_id"]:
            metadata["kernel_build_id"] = metadata["kernel_build_id"].lower()
        return metadata

    def expected_digest(self, file: PurePath) -> str | None:
        """The required digest of a file, as `sha256sum` prints it."""
        digest = self._entries.get(file.as_posix(), {}).get("sha256")
        return digest and digest.lower()

    def files(self) -> list[Path]:
        """The path of bundle.yml, if there is one."""
        return [self._path] if self._exists else []

    def private(self, file: PurePath) -> dict[str, t.Any]:
        """The metadata of a file that no host gets: `sha256` and `provenance`, each None if it is not in bundle.yml."""
        made_of = self._entries.get(file.as_posix(), {}).get("provenance")
        return {
            "sha256": self.expected_digest(file),
            "provenance": made_of and {key: made_of.get(key) for key in PROVENANCE}}

    def entry(self, file: PurePath) -> dict[str, t.Any]:
        """The entry of a file as it is written, or an empty dict."""
        return dict(self._entries.get(file.as_posix(), {}))

    def files_by_inputs(self) -> dict[str, PurePosixPath]:
        """The files that patch_build has made, by the digest of what each was made of."""
        return {
            entry["provenance"]["inputs"]: PurePosixPath(file) for file, entry in self._entries.items()
            if entry.get("provenance", {}).get("inputs")}

    def check_all_used(self) -> None:
        """Raise BundleError bundle-yml-unmatched for an entry without a file or a patch in the bundle."""
        if self._unused:
            entry = min(self._unused)
            problem = f"has an entry for {entry!r}, but the bundle has no such file or patch. Correct the entry"
            raise BundleError("bundle-yml-unmatched", problem, os.fspath(self._path))


def read_metadata(directory: Path, check: Callable[[Path, str], None] = lambda _path, _digest: None) -> Metadata:
    """Read the bundle.yml of a bundle; a bundle without one has no metadata.

    `check` gets its path and the digest of the bytes that were read, before they are parsed.
    Raises BundleError: bundle-yml-unreadable, bundle-yml-invalid, bundle-yml-unknown-key.
    """
    path = directory / FILE_NAME
    content = _load(path)
    if content is None:
        return Metadata(path, {}, exists=False)
    check(path, hashlib.sha256(content).hexdigest())
    return parse_metadata(path, content)


def parse_metadata(path: Path, content: bytes) -> Metadata:
    """The metadata in the bytes of a bundle.yml; `path` is its path for messages. Raises BundleError as above."""
    if len(content) > _MAX_SIZE:
        raise _invalid(path, f"is larger than {_MAX_SIZE >> 20} MiB. Shorten it")
    try:
        document = read_yaml(content, aliases=True) or {}
    except YamlError as error:
        raise _invalid(path, f"{error}. Correct it there") from error
    if not isinstance(document, dict) or set(document) != {"patches"} or not isinstance(document["patches"], dict):
        raise _invalid(path, "must have the key 'patches' and no other, with a mapping of file paths or patch names")
    return Metadata(path, {
        entry: _read_entry(path, entry, metadata) for entry, metadata in document["patches"].items()})


def entry_faults(entry: Mapping[str, t.Any]) -> dict[str, str]:
    """The keys of an entry with a value that no bundle can have, each with the expected value in words.

    None is no value, also in a mapping.
    """
    given = {
        key: {inner: one for inner, one in value.items() if one is not None} if isinstance(value, dict) else value
        for key, value in entry.items() if value is not None}
    return {key: _KEYS[key].expected for key, value in given.items() if _KEYS[key].read(value) is None}


def _load(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read ({error.strerror}). Check its permissions"
        raise BundleError("bundle-yml-unreadable", problem, os.fspath(path)) from error


def _invalid(path: Path, problem: str) -> BundleError:
    return BundleError("bundle-yml-invalid", problem, os.fspath(path))


def _override(metadata: dict[str, t.Any], entry: Mapping[str, t.Any]) -> None:
    """Give `metadata` the keys of an entry; no CVE stays both closed and open."""
    metadata.update(entry)
    left_open = {one["cve"] for one in metadata["not_covered"]}
    if "not_covered" in entry:
        metadata["cves"] = [cve for cve in metadata["cves"] if cve not in left_open]
    else:
        metadata["not_covered"] = [one for one in metadata["not_covered"] if one["cve"] not in metadata["cves"]]


def _is_file(entry: str) -> bool:
    return "/" in entry or _FILE_SUFFIX.search(entry) is not None


def _read_entry(path: Path, entry: object, metadata: object) -> dict[str, t.Any]:
    if not isinstance(entry, str) or not isinstance(metadata, dict):
        raise _invalid(path, f"has an entry {entry!r} that is not a mapping with some of: {', '.join(_KEYS)}")
    is_plain = PurePosixPath(entry).as_posix() == entry and ".." not in entry.split("/") and not entry.startswith("/")
    if _is_file(entry) and not is_plain:
        raise _invalid(path, f"has an entry {entry!r} that is not a plain path below the bundle, such as 6.1/fix.ko")
    read = {key: _read_value(path, entry, key, value) for key, value in metadata.items()}
    both = {one["cve"] for one in read.get("not_covered", ())}.intersection(read.get("cves", ()))
    if both:
        problem = f"has {min(both)} in cves and in not_covered of the entry {entry!r}. Remove it from one of them"
        raise _invalid(path, problem)
    return read


def _read_value(path: Path, entry: str, key: t.Any, value: object) -> t.Any:
    if key not in _KEYS:
        problem = f"has the unknown key {key!r} in the entry {entry!r}. Allowed are: {', '.join(_KEYS)}"
        raise BundleError("bundle-yml-unknown-key", problem, os.fspath(path))
    if _KEYS[key].of_one_file and not _is_file(entry):
        raise _invalid(path, f"has {key} in the entry {entry!r}, which can be several files. Name one file instead")
    read = _KEYS[key].read(value)
    if read is None:
        raise _invalid(path, f"has a wrong {key} in the entry {entry!r}: it must be {_KEYS[key].expected}")
    return read
