# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads bundle.yml: CVEs, summaries and digests of patches (docs/docsite/rst/guide_bundles.rst)."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path, PurePath, PurePosixPath

import yaml

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.notes import LONGEST
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError

FILE_NAME = "bundle.yml"
# The keys of `provenance`, which patch_build writes: what the file was made of.
PROVENANCE = ("inputs", "source", "tool", "tool_version", "compiler", "kernel_build_id", "built")
_MAX_SIZE = 1024 * 1024
_FILE_SUFFIX = re.compile(r"\.ko(\.(gz|xz|zst))?$")


class _Key(t.NamedTuple):
    """One key of an entry: its pattern, the pattern in words, and whether it is about one file only."""

    pattern: re.Pattern[str]
    expected: str
    of_one_file: bool = False
    is_list: bool = False
    of_mapping: tuple[str, ...] = ()

    def accepts(self, value: object) -> bool:
        if self.of_mapping:
            return isinstance(value, dict) and set(value) <= set(self.of_mapping) and all(
                _Key(self.pattern, "").accepts(text) for text in value.values())
        values = value if self.is_list and isinstance(value, list) else [value]
        if self.is_list != isinstance(value, list):
            return False
        return all(
            isinstance(text, str) and self.pattern.fullmatch(text) and "".join(text.splitlines()).isprintable()
            for text in values)


_KEYS = {
    "cves": _Key(re.compile(r"CVE-[0-9]{4}-[0-9]{4,}"), "a list of CVE numbers such as CVE-2026-12345", is_list=True),
    "summary": _Key(re.compile(r".+", re.DOTALL), "text without control characters"),
    "advisory": _Key(re.compile(r"https?://\S+"), "a link that begins with https:// or http://"),
    "kernel_build_id": _Key(
        re.compile(rf"([0-9a-f]{{2}}){{1,{LONGEST}}}", re.IGNORECASE | re.ASCII),
        f"hex digits in quotes, two for each byte and at most {LONGEST} bytes", of_one_file=True),
    "sha256": _Key(
        re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII), "64 hex digits in quotes", of_one_file=True),
    "version": _Key(re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~!_-]{0,63}", re.ASCII), "a version in quotes, such as '1.2'"),
    "provenance": _Key(
        re.compile(r".{1,200}"), f"a mapping with some of {', '.join(PROVENANCE)}, each a text", of_one_file=True,
        of_mapping=PROVENANCE),
}
# For the controller alone: a host gets a description with the digest.
_NOT_FOR_HOSTS = ("sha256", "provenance", "version")


class Metadata:
    """The entries of a bundle.yml, each about one file (its path) or about all builds of a patch (its name)."""

    def __init__(self, path: Path, entries: dict[str, dict[str, t.Any]]) -> None:
        self._path = path
        self._entries = entries
        self._unused = set(entries)

    def of(self, file: PurePath, name: str) -> dict[str, t.Any] | None:
        """The metadata of a file with this module name. The entry of the file overrides the entry of the name."""
        keys = [key for key in (name, file.as_posix()) if key in self._entries]
        self._unused.difference_update(keys)
        if not keys:
            return None
        metadata: dict[str, t.Any] = {"cves": [], "summary": None, "advisory": None, "kernel_build_id": None}
        for key in keys:
            metadata.update(self._entries[key])
        for key in _NOT_FOR_HOSTS:
            metadata.pop(key, None)
        if metadata["kernel_build_id"]:
            metadata["kernel_build_id"] = metadata["kernel_build_id"].lower()
        return metadata

    def expected_digest(self, file: PurePath) -> str | None:
        """The required digest of a file, as `sha256sum` prints it."""
        digest = self._entries.get(file.as_posix(), {}).get("sha256")
        return digest and digest.lower()

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


def read_metadata(directory: Path) -> Metadata:
    """Read the bundle.yml of a bundle; a bundle without one has no metadata.

    Raises BundleError: bundle-yml-unreadable, bundle-yml-invalid, bundle-yml-unknown-key.
    """
    path = directory / FILE_NAME
    document = _load(path)
    if document is None:
        return Metadata(path, {})
    if not isinstance(document, dict) or set(document) != {"patches"} or not isinstance(document["patches"], dict):
        raise _invalid(path, "must have the key 'patches' and no other, with a mapping of file paths or patch names")
    for entry, metadata in document["patches"].items():
        _check_entry(path, entry, metadata)
    return Metadata(path, document["patches"])


def _load(path: Path) -> object:
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read ({error.strerror}). Check its permissions"
        raise BundleError("bundle-yml-unreadable", problem, os.fspath(path)) from error
    if len(text) > _MAX_SIZE:
        raise _invalid(path, f"is larger than {_MAX_SIZE >> 20} MiB. Shorten it")
    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise _invalid(path, f"is not correct YAML{where}. Correct it there") from error


def _invalid(path: Path, problem: str) -> BundleError:
    return BundleError("bundle-yml-invalid", problem, os.fspath(path))


def _check_entry(path: Path, entry: object, metadata: object) -> None:
    if not isinstance(entry, str) or not isinstance(metadata, dict):
        raise _invalid(path, f"has an entry {entry!r} that is not a mapping with some of: {', '.join(_KEYS)}")
    is_file = "/" in entry or _FILE_SUFFIX.search(entry) is not None
    is_plain = PurePosixPath(entry).as_posix() == entry and ".." not in entry.split("/") and not entry.startswith("/")
    if is_file and not is_plain:
        raise _invalid(path, f"has an entry {entry!r} that is not a plain path below the bundle, such as 6.1/fix.ko")
    for key, value in metadata.items():
        if key not in _KEYS:
            problem = f"has the unknown key {key!r} in the entry {entry!r}. Allowed are: {', '.join(_KEYS)}"
            raise BundleError("bundle-yml-unknown-key", problem, os.fspath(path))
        if _KEYS[key].of_one_file and not is_file:
            raise _invalid(path, f"has {key} in the entry {entry!r}, which can be several files. Name one file instead")
        if not _KEYS[key].accepts(value):
            raise _invalid(path, f"has a wrong {key} in the entry {entry!r}: it must be {_KEYS[key].expected}")
