# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads bundles: directories of patch files for many kernels."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path, PurePath

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build, version_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import (
    FILE_NAME,
    Metadata,
    read_metadata,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.series import series_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.signed import SignedFiles, signed_files
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError, check_path

# Release, architecture, name, the build-id of the kernel or "", and the version or "".
Key = tuple[str, str, str, str, str]
SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The builds of a bundle: descriptions of its files, sorted by release, architecture, name and kernel build.

    A description has `metadata` (see module_utils/_patch/metadata.py) if it is in bundle.yml, and `series` ({stem,
    rank}) if the bundle has other versions of the patch. `files` has the path below the bundle of each build.
    """

    path: Path
    builds: list[dict[str, t.Any]]
    files: list[PurePath]
    metadata: Metadata

    def for_people(self) -> list[dict[str, t.Any]]:
        """The descriptions with the `path` of each file, and with all its metadata: also what no host gets."""
        return [
            {**build, "path": file.as_posix(),
             **({"metadata": {**build["metadata"], **self.metadata.private(file)}} if "metadata" in build else {})}
            for build, file in zip(self.builds, self.files, strict=True)]


def read_bundle(path: str | os.PathLike[str], cache: ParseCache, keyring: bytes | None = None) -> Bundle:
    """Read every patch file below a directory, and its bundle.yml if there is one.

    With a `keyring`, or if this run requires one, only signed files are read; see signed.py. Raises PatchFileError with
    the file's name for an unusable patch file, TaskError, and BundleError: bundle-unreadable, bundle-empty,
    bundle-no-release, bundle-duplicate, bundle-digest-mismatch, file-name-unusable and those of metadata.py and
    signed.py.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise BundleError("bundle-unreadable", "is not a directory. Give a directory of patch files", os.fspath(path))
    check_path(directory)
    signed = signed_files(directory, cache, keyring)
    metadata = read_metadata(directory, lambda file, digest: _check_signed(signed, file, digest))
    builds: dict[Key, dict[str, t.Any]] = {}
    origins: dict[Key, Path] = {}
    files = _patch_files(directory)
    for known in signed:
        known.check_complete(directory, [*files, *metadata.files()], _is_part)
    for file in files:
        check_path(file)
        build = _describe(metadata, signed, file.relative_to(directory), file, cache)
        extra = metadata.of(file.relative_to(directory), build["name"])
        if extra:
            build = {**build, "metadata": extra}
        key = _key(build, file)
        if key not in builds:
            builds[key], origins[key] = build, file
        elif builds[key]["sha256"] != build["sha256"]:
            kernel = f"{build['release']} ({build['arch']})"
            problem = (
                f"and {file} are different builds of {build['name']} for {kernel}. Remove one, or set the version or "
                f"the kernel_build_id of each in {FILE_NAME}")
            raise BundleError("bundle-duplicate", problem, os.fspath(origins[key]))
    if not builds:
        problem = f"has no patch file ({', '.join(SUFFIXES)}) at any depth. Give a directory that has one"
        raise BundleError("bundle-empty", problem, os.fspath(directory))
    metadata.check_all_used()
    keys = sorted(builds)
    return Bundle(
        directory, _with_series([builds[key] for key in keys]),
        [origins[key].relative_to(directory) for key in keys], metadata)


def read_single(path: Path, cache: ParseCache, keyring: bytes | None = None) -> dict[str, t.Any]:
    """The description of one patch file, with its metadata if a bundle.yml is beside it; `keyring` as in read_bundle.

    Raises PatchFileError, TaskError, and BundleError: bundle-digest-mismatch and those of metadata.py and signed.py.
    """
    signed = signed_files(path, cache, keyring)
    metadata = read_metadata(path.parent, lambda file, digest: _check_signed(signed, file, digest))
    for known in signed:
        known.check_complete(path.parent, metadata.files(), lambda name: name == FILE_NAME)
    build = _describe(metadata, signed, PurePath(path.name), path, cache)
    extra = metadata.of(PurePath(path.name), build["name"])
    return {**build, "metadata": extra} if extra else build


def describe_file(path: Path, cache: ParseCache, keyring: bytes | None = None) -> dict[str, t.Any]:
    """The description of one patch file as it is, without the metadata of a bundle; `keyring` as in read_bundle.

    Raises PatchFileError, TaskError, and BundleError: those of signed.py.
    """
    signed = signed_files(path, cache, keyring)
    return cache.describe_checked(path, lambda digest: _check_signed(signed, path, digest))


def _with_series(builds: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [
        {**build, "series": series} if series else build
        for build, series in zip(builds, series_of(builds), strict=True)]


def _key(build: dict[str, t.Any], file: Path) -> Key:
    if build["release"] is None:
        problem = "does not say which kernel it is for (it has no vermagic). Build it again, or remove it"
        raise BundleError("bundle-no-release", problem, os.fspath(file))
    return build_key(build)


def build_key(build: t.Mapping[str, t.Any]) -> Key:
    """What tells the builds of a bundle apart; `build` has its `metadata`, if there is any."""
    return (
        build["release"], build["arch"], build["name"], required_kernel_build(build) or "", version_of(build) or "")


def _is_part(name: str) -> bool:
    """Whether the file with this path below a bundle is read: a patch file, or bundle.yml."""
    return name.endswith(SUFFIXES) or name == FILE_NAME


def _check_signed(signed: list[SignedFiles], file: Path, digest: str) -> None:
    for known in signed:
        known.check(file, digest)


def _describe(
        metadata: Metadata, signed: list[SignedFiles], relative: PurePath, file: Path,
        cache: ParseCache) -> dict[str, t.Any]:
    """The description of a file, if the bytes that were read are the expected ones."""

    def check(digest: str) -> None:
        _check_signed(signed, file, digest)
        expected = metadata.expected_digest(relative)
        if expected not in (None, digest):
            problem = f"has the sha256 digest {digest}, but {FILE_NAME} expects {expected}. Find out which one is right"
            raise BundleError("bundle-digest-mismatch", problem, os.fspath(file))
    return cache.describe_checked(file, check)


def _patch_files(directory: Path) -> list[Path]:
    """All patch files below a directory, sorted; a directory with several links to it is read once."""

    def refuse(error: OSError) -> t.NoReturn:
        problem = f"cannot be read ({error.strerror}). Give a directory of patch files, and check its permissions"
        raise BundleError("bundle-unreadable", problem, error.filename)

    found = []
    entered = set()
    for current, directories, files in os.walk(directory, onerror=refuse, followlinks=True):
        status = os.stat(current)
        if (status.st_dev, status.st_ino) in entered:
            directories.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        directories.sort()
        found += [Path(current, name) for name in files if name.endswith(SUFFIXES)]
    return sorted(found)
