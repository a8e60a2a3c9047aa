# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Puts built patch files into a bundle, each with its entry in bundle.yml, one controller at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import (
    SUFFIXES,
    build_key,
    read_bundle,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.metadata import (
    FILE_NAME,
    entry_faults,
    parse_metadata,
    read_metadata,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.yaml_edit import set_entry
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError, check_path

LOCK = ".bundle.lock"
LOCK_SECONDS = 120  # a holder writes two files
LOCK_PAUSE = 0.1
BUILD_ID_IN_NAME = 12  # hex digits


class BundleWriter:
    """A bundle that files are put into. It may not exist yet."""

    def __init__(self, path: Path, cache: ParseCache) -> None:
        self.path = path
        self._cache = cache
        # Of this run: the digest of each written file, and each build that will be written.
        self._written: dict[PurePosixPath, str] = {}
        self._expected: list[tuple[dict[str, t.Any], str | None]] = []

    def check(self) -> None:
        """Refuse a bundle that cannot be used, before anything is built for it.

        Raises BundleError and PatchFileError: those of read_bundle, and bundle-unwritable.
        """
        check_path(self.path)
        if self.path.is_dir():
            self._builds()
            self._text()
        elif self.path.exists() or self.path.is_symlink():
            raise BundleError("bundle-unreadable", "is not a directory. Give another", os.fspath(self.path))
        # The first directory that exists: the others are made for the first file.
        place = next(place for place in (self.path, *self.path.absolute().parents) if os.path.lexists(place))
        if not place.is_dir():
            raise self._unwritable(f"{place} is not a directory")
        if not os.access(place, os.W_OK | os.X_OK):
            raise self._unwritable("Permission denied" if place == self.path else f"Permission denied for {place}")

    def known_inputs(self) -> dict[str, PurePosixPath]:
        """The files in the bundle that a build has made, by the digest of its inputs; not those changed since."""
        if not self.path.is_dir():
            return {}
        metadata = read_metadata(self.path)
        return {
            inputs: file for inputs, file in metadata.files_by_inputs().items()
            if (self.path / file).is_file() and metadata.expected_digest(file) == _digest(self.path / file)}

    def put(self, content: bytes, description: dict[str, t.Any], entry: dict[str, t.Any]) -> tuple[Path, str, str]:
        """Write a file and its entry, or neither; returns its path, and bundle.yml before and after.

        `description` is the file's. Raises BundleError: bundle-busy, bundle-unwritable, bundle-duplicate,
        bundle-yml-invalid.
        """
        with self._locked():
            file = self._place(description, entry)
            digest = hashlib.sha256(content).hexdigest()
            if self._written.get(file, digest) != digest:
                raise self._of_one_release(file)
            before, after = self._edited(file, {**entry, "sha256": digest})
            self._refuse_duplicate(file, description, after)
            target = self.path / file
            with self._writing():
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace({target: content, self.path / FILE_NAME: after.encode("utf-8")})
            self._written[file] = digest
        return target, before, after

    def predict(self, build: dict[str, t.Any], entry: dict[str, t.Any]) -> tuple[str, str]:
        """What `put` would make of bundle.yml: it before and after. Raises BundleError as `put` does.

        `build` has the name, the release, the arch, the inputs and the tool of the file. Nothing is changed.
        """
        file = self._place(build, entry)
        self._refuse_second_kernel(file, build, entry)
        before, after = self._edited(file, entry)
        if build["tool"] != "kbuild":  # module source can have a version that only its file tells
            self._refuse_duplicate(file, build, after)
        return before, after

    def update(self, file: PurePosixPath, entry: dict[str, t.Any], write: bool = True) -> tuple[str, str]:
        """Set keys of a file's entry; returns bundle.yml before and after. Without `write`, nothing is changed.

        Raises BundleError as `put` does.
        """
        if not write:
            return self._edited(file, entry)
        with self._locked():
            before, after = self._edited(file, entry)
            if after != before:
                with self._writing():
                    _replace({self.path / FILE_NAME: after.encode("utf-8")})
            return before, after

    def place(self, release: str, name: str) -> PurePosixPath:
        """Where the file of a build goes, if no other build of the release is there."""
        return PurePosixPath(release, f"{name}.ko")

    def _edited(self, file: PurePosixPath, entry: dict[str, t.Any]) -> tuple[str, str]:
        """bundle.yml before and after; refuses an entry that would make the whole bundle unusable."""
        path = self.path / FILE_NAME
        for key, expected in entry_faults(entry).items():
            problem = f"would get a wrong {key}: it must be {expected}. Nothing was written. Correct it and run again"
            raise BundleError("bundle-yml-invalid", problem, os.fspath(path))
        before = self._text()
        after = set_entry(before, file.as_posix(), {**self._outdated(file, entry), **entry})
        try:
            parse_metadata(path, after.encode("utf-8"))
        except BundleError as error:
            problem = f"cannot get this entry, because it then {error.problem}. Nothing was written"
            raise BundleError(error.code, problem, os.fspath(path)) from error
        return before, after

    def _outdated(self, file: PurePosixPath, entry: dict[str, t.Any]) -> dict[str, t.Any]:
        """What an earlier build has written into an entry, and a new one does not know: each key with None."""
        old = read_metadata(self.path).entry(file)
        made_of, made_for = old.get("provenance") or {}, old.get("kernel_build_id")
        if "provenance" not in entry or not made_for or made_for != made_of.get("kernel_build_id"):
            return {}  # a build-id that the operator has written stays
        return {"kernel_build_id": None}

    def _text(self) -> str:
        path = self.path / FILE_NAME
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:  # YAML can also be UTF-16
            problem = "is not in UTF-8, so no entry can be written into it. Save it in UTF-8"
            raise BundleError("bundle-yml-invalid", problem, os.fspath(path)) from error

    def _builds(self) -> list[dict[str, t.Any]]:
        has_files = any(
            name.endswith(SUFFIXES) for _place, _directories, names in os.walk(self.path) for name in names)
        if not has_files:
            read_metadata(self.path)
            return []
        return read_bundle(self.path, self._cache).builds

    def _place(self, description: dict[str, t.Any], entry: dict[str, t.Any]) -> PurePosixPath:
        """The file's place; another one for a second build of its release."""
        first = self.place(description["release"], description["name"])
        if not (self.path / first).exists():
            return first
        kernel_build = entry.get("kernel_build_id")
        other = read_metadata(self.path).entry(first).get("kernel_build_id")
        same_kernel = not (kernel_build and other) or kernel_build == other.lower()
        if same_kernel and self._cache.describe(self.path / first)["arch"] == description["arch"]:
            return first
        folder = "-".join(filter(None, [description["arch"], (kernel_build or "")[:BUILD_ID_IN_NAME]]))
        return PurePosixPath(description["release"], folder, first.name)

    def _refuse_duplicate(self, file: PurePosixPath, description: dict[str, t.Any], after: str) -> None:
        """Refuse a second file for one build with this bundle.yml: the bundle would be unusable."""
        metadata = parse_metadata(self.path / FILE_NAME, after.encode("utf-8"))

        def key_of(build: dict[str, t.Any], place: PurePosixPath) -> tuple[t.Any, ...]:
            return build_key({**build, "metadata": metadata.of(place, build["name"])})
        wanted = key_of(description, file)
        for path in sorted(self.path.rglob("*")):
            other = PurePosixPath(path.relative_to(self.path).as_posix())
            if not path.name.endswith(SUFFIXES) or not path.is_file() or other == file:
                continue
            found = self._cache.describe(path)
            if key_of(found, other) == wanted and found["sha256"] != description.get("sha256"):
                problem = (
                    f"is another file for {found['name']} and {found['release']} ({found['arch']}). Remove it, and "
                    "its entry in bundle.yml, or build into another bundle, or give the patch a version of its own")
                raise BundleError("bundle-duplicate", problem, os.fspath(path))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the bundle's lock, on a file of its own: bundle.yml is replaced by each change."""
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not _acquire(descriptor, time.monotonic, time.sleep):
                problem = f"is in use by another build for longer than {LOCK_SECONDS} s. Run the task again"
                raise BundleError("bundle-busy", problem, os.fspath(self.path))
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def _refuse_second_kernel(self, file: PurePosixPath, build: dict[str, t.Any], entry: dict[str, t.Any]) -> None:
        """Refuse a build for another kernel of this run, if nothing tells the two kernels apart."""
        mine = entry.get("kernel_build_id")
        for other, kernel_build in self._expected:
            is_same = all(other[key] == build[key] for key in ("release", "arch", "name"))
            if is_same and other["inputs"] != build["inputs"] and not (mine and kernel_build and mine != kernel_build):
                raise self._of_one_release(file)
        self._expected.append((build, mine))

    def _of_one_release(self, file: PurePosixPath) -> BundleError:
        problem = (
            "is for another kernel of this run with the same release. Set vmlinux of each of these kernels, so that "
            "its build-id tells them apart")
        return BundleError("bundle-duplicate", problem, os.fspath(self.path / file))

    def _unwritable(self, why: str) -> BundleError:
        problem = f"cannot be written ({why}). Check its permissions and the free space"
        return BundleError("bundle-unwritable", problem, os.fspath(self.path))


def _acquire(descriptor: int, now: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    end = now() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        if now() >= end:
            return False
        sleep(LOCK_PAUSE)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _replace(contents: Mapping[Path, bytes]) -> None:
    """Replace files, with the usual permissions; no reader sees a part of one, and none takes a new file.

    All are written before the first is replaced: a full disk changes nothing.
    """
    umask = os.umask(0)
    os.umask(umask)
    written: dict[str, Path] = {}
    try:
        for target, content in contents.items():
            descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=target.parent)
            written[temporary] = target
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~umask)
        for temporary, target in written.items():
            os.replace(temporary, target)
    finally:
        for temporary in written:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
