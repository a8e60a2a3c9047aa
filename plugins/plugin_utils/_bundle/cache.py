# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Caches patch files: each is read and parsed once in a run, for any number of hosts and tasks.

Ansible forks a worker for every host and task, so nothing can be kept in memory. The cache is a directory in Ansible's
temporary directory for a run (0700), and Ansible removes it at the end of the run. In it:

    files/KEY      the digest of a file's content, by the file's path and the values of stat()
    contents/KEY   the digest of the uncompressed image, or the error, by the digest of the content
    images/KEY     the description, by the digest of the uncompressed image
    images/KEY.ko  the uncompressed image itself, after its first use
    images/KEY.z   the same, compressed by zlib, as base64, after its first use; empty if that is too large
    keyrings/KEY   a keyring that has to verify what is read in this run, by its digest; see signed.py
    manifests/KEY  the digests in a verified manifest, by that of the manifest, its signature and its keyring
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
import typing as t
import zlib
from collections.abc import Callable
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import image, read_file, uncompress
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import (
    PatchFileError,
    TaskError,
    check_path,
)

# A younger file can change again without new time stamps, so it is hashed again.
_SETTLED_NS = 100_000_000

# A larger image is sent as a file of its own: Ansible holds the arguments of a module in memory several times.
LARGEST_ENCLOSURE = 1 << 20  # characters

_DIGEST = re.compile("[0-9a-f]{64}")  # here and not in a function: each task is a process of its own
_DIRECTORIES = ("", "files", "contents", "images", "locks", "keyrings", "manifests")

_Path = t.Union[str, "os.PathLike[str]"]


def is_digest(word: t.Any) -> t.TypeGuard[str]:
    """Whether a value is a sha256 digest in hex, and so a safe name for a file."""
    return isinstance(word, str) and _DIGEST.fullmatch(word) is not None


class ParseCache:
    """Descriptions and uncompressed images of patch files, shared by all processes with the same directory."""

    def __init__(self, directory: _Path) -> None:
        """Use `directory`, private to this user: in Ansible, `ansible.constants.DEFAULT_LOCAL_TMP`."""
        self._root = Path(directory, "kernel-livepatch")
        if os.path.isdir(Path(self._root, _DIRECTORIES[-1])):
            return
        with self._writing():
            for name in _DIRECTORIES:
                Path(self._root, name).mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def file_of(self, content: bytes) -> t.Iterator[Path]:
        """A temporary file with this content, as long as the context lasts. Raises TaskError."""
        path = Path(self._root, f"sent-{os.getpid()}")
        self._write(path, content)
        try:
            yield path
        finally:
            path.unlink()

    def describe(self, path: _Path) -> dict[str, t.Any]:
        """Return the description of a patch file, as plugin_utils/_bundle/description.py does.

        Raises PatchFileError with the file's name in the message, also file-name-unusable.
        """
        return self.describe_checked(path, lambda _digest: None)

    def describe_checked(self, path: _Path, check: Callable[[str], None]) -> dict[str, t.Any]:
        """Return the same; `check` gets the digest of the bytes that were read, before they are parsed.

        The digest is as `sha256sum` prints it.
        """
        return self._description(self._content_record(path, check), os.fspath(path))

    def describe_bytes(self, data: bytes, file: str) -> dict[str, t.Any]:
        """Return the description of a patch file's bytes, possibly compressed; `file` is the name to report.

        Raises PatchFileError.
        """
        record = self._parse_once(data, hashlib.sha256(data).hexdigest(), source=None)
        return self._description(record, file)

    def find_description(self, sha256: str) -> dict[str, t.Any] | None:
        """Return the description of an image of this run by the digest of its uncompressed bytes; None if unknown."""
        record = self._load("images", sha256) if is_digest(sha256) else None
        return record["description"] if record else None

    def add_keyring(self, content: bytes) -> None:
        """Require for the rest of this run that a key of this keyring has signed what is read."""
        self._write(Path(self._root, "keyrings", hashlib.sha256(content).hexdigest()), content)

    def keyrings(self) -> list[bytes]:
        """Return the keyrings that this run requires."""
        directory = Path(self._root, "keyrings")
        return [Path(directory, name).read_bytes() for name in sorted(os.listdir(directory)) if is_digest(name)]

    def find_manifest(self, key: str) -> dict[str, str] | None:
        """Return the digests of a manifest that this run has verified; None if it has not."""
        return self._load("manifests", key)

    def keep_manifest(self, key: str, digests: dict[str, str]) -> None:
        """Keep the digests of a verified manifest for the rest of this run."""
        self._store("manifests", key, digests)

    def image_path(self, sha256: str) -> Path:
        """Return the path of the uncompressed image with this digest; it must have been described before.

        Raises PatchFileError: unreadable, changed, corrupt-compression, too-large.
        """
        path = self._image_file(sha256, "ko")
        with self._lock(sha256):
            if not path.exists():
                source = self._image_record(sha256)["source"]
                data = image(source)
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise PatchFileError("changed", "has changed since it was checked. Run again", source)
                self._write(path, data)
        return path

    def enclosure(self, sha256: str) -> str | None:
        """Return that image as text for the arguments of a module; None if it is too large.

        Raises PatchFileError as image_path does.
        """
        path = self._image_file(sha256, "z")
        if not path.exists():
            image_path = self.image_path(sha256)
            with self._lock(sha256):
                if not path.exists():
                    text = base64.b64encode(zlib.compress(image_path.read_bytes()))
                    self._write(path, text if len(text) <= LARGEST_ENCLOSURE else b"")
        return path.read_bytes().decode("ascii") or None

    def _image_file(self, sha256: str, suffix: str) -> Path:
        if not is_digest(sha256):
            raise ValueError(f"not a digest: {sha256!r}")
        return Path(self._root, "images", f"{sha256}.{suffix}")

    def _content_record(self, path: _Path, check: Callable[[str], None]) -> dict[str, t.Any]:
        """The cached record of a file: {content, image, compression} or {content, error}."""
        check_path(path)
        identity = _identity(path)
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        known = self._load("files", key)
        if known is None:
            with self._lock(key):
                known = self._load("files", key)
                if known is None:
                    return self._read(path, key, identity, check)
        check(known["content"])
        return known

    def _read(
            self, path: _Path, key: str, identity: list[t.Any], check: Callable[[str], None]) -> dict[str, t.Any]:
        data = read_file(path)
        digest = hashlib.sha256(data).hexdigest()
        check(digest)
        record = self._parse_once(data, digest, source=os.path.abspath(path))
        changed_ns = max(os.stat(path).st_mtime_ns, os.stat(path).st_ctime_ns)
        if _identity(path) == identity and time.time_ns() - changed_ns > _SETTLED_NS:
            self._store("files", key, record)
        return record

    def _parse_once(self, data: bytes, content: str, source: str | None) -> dict[str, t.Any]:
        with self._lock(content):
            record = self._load("contents", content)
            if record is None:
                record = {"content": content, **self._parse(data, source)}
                self._store("contents", content, record)
        return record

    def _parse(self, data: bytes, source: str | None) -> dict[str, t.Any]:
        # In the one process that parses. The parser and pyelftools take memory that Ansible would copy for each host.
        from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe_image

        try:
            plain, compression = uncompress(data)
            description = describe_image(plain, "", compression)
        except PatchFileError as error:
            return {"error": [error.code, error.problem]}
        digest = description["sha256"]
        self._store("images", digest, {"description": description, "source": source})
        if source is None:
            self._write(self._image_file(digest, "ko"), plain)
        return {"image": digest, "compression": compression}

    def _description(self, record: dict[str, t.Any], path: str) -> dict[str, t.Any]:
        if "error" in record:
            code, problem = record["error"]
            raise PatchFileError(code, problem, path)
        description = self._image_record(record["image"])["description"]
        return {**description, "file": os.path.basename(path), "compression": record["compression"]}

    @contextlib.contextmanager
    def _lock(self, name: str) -> t.Iterator[None]:
        """Let one process at a time do the work of this name; the lock dies with its holder."""
        with self._writing():
            descriptor = os.open(Path(self._root, "locks", name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _image_record(self, sha256: str) -> dict[str, t.Any]:
        record = self._load("images", sha256)
        if record is None:
            raise ValueError(f"not described: {sha256!r}")
        return record

    def _load(self, kind: str, key: str) -> dict[str, t.Any] | None:
        try:
            return json.loads(Path(self._root, kind, key).read_bytes())
        except FileNotFoundError:
            return None

    def _store(self, kind: str, key: str, record: dict[str, t.Any]) -> None:
        self._write(Path(self._root, kind, key), json.dumps(record).encode())

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file atomically."""
        with self._writing():
            descriptor, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.rename(temporary, path)
            except OSError:  # a part of an image would keep the disk full
                os.unlink(temporary)
                raise

    @contextlib.contextmanager
    def _writing(self) -> t.Iterator[None]:
        """Name the directory that cannot be written; raises TaskError `local-directory-unwritable`."""
        try:
            yield
        except OSError as error:
            raise TaskError(
                "local-directory-unwritable",
                f"The controller cannot write into {self._root.parent} ({error.strerror}). Free some space there, or "
                "name another directory in ANSIBLE_LOCAL_TEMP.") from error


def _identity(path: _Path) -> list[t.Any]:
    try:
        status = os.stat(path)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}). Check the path and its permissions"
        raise PatchFileError("unreadable", problem, os.fspath(path)) from error
    times = [status.st_mtime_ns, status.st_ctime_ns]
    return [os.path.abspath(path), status.st_size, *times, status.st_ino, status.st_dev]
