# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Verifies the signature of a directory that ansible-sign has signed, and the files that are read in it.

    .ansible-sign/sha256sum.txt         the digest of each file, by its path below the directory
    .ansible-sign/sha256sum.txt.sig     the signature of these bytes

The two files are copied first, so the verified bytes are the ones that count. A file is judged by the digest of the
bytes that were read of it, and a host gets no others.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import BundleError, TaskError

MANIFEST, SIGNATURE = ".ansible-sign/sha256sum.txt", ".ansible-sign/sha256sum.txt.sig"
LARGEST = 16 << 20  # bytes of each file
KEYBOX = b"KBXf"  # at offset 8 of a keyring by GnuPG 2.1 and later
OPTION = "require_signature"


class SignedFiles:
    """The files of a signed directory, by the digests in its manifest."""

    def __init__(self, root: Path, digests: t.Mapping[str, str]) -> None:
        self._root = root
        self._digests = digests

    def check(self, path: Path, digest: str) -> None:
        """Raise BundleError bundle-file-unsigned or bundle-file-changed for a file with this content."""
        signed = self._digests.get(_below(self._root, path))
        if signed is None:
            problem = f"is not in the signed list {self._root / MANIFEST}. Remove the file, or sign the directory again"
            raise BundleError("bundle-file-unsigned", problem, os.fspath(path))
        if signed != digest:
            problem = (
                f"has the sha256 digest {digest}, and the signed list {self._root / MANIFEST} has {signed}. Restore "
                "the signed file, or sign the directory again")
            raise BundleError("bundle-file-changed", problem, os.fspath(path))

    def check_complete(self, directory: Path, found: t.Iterable[Path], is_wanted: t.Callable[[str], bool]) -> None:
        """Raise BundleError bundle-file-missing for a file below a directory that was not found.

        `is_wanted` gets the path below that directory.
        """
        below = _below(self._root, directory)
        prefix = "" if below == "." else f"{below}/"
        known = {_below(self._root, path) for path in found}
        missing = sorted(
            name for name in self._digests
            if name.startswith(prefix) and is_wanted(name[len(prefix):]) and name not in known)
        if missing:
            problem = f"is missing, and the signed list {self._root / MANIFEST} has it. Restore the file"
            raise BundleError("bundle-file-missing", problem, os.fspath(self._root / missing[0]))


def require_signature(keyring: str | None, cache: ParseCache) -> None:
    """From now on in this run, read no patch file and no bundle without a signature by a key of this keyring.

    Raises TaskError `signature-keyring-unusable`. Without a keyring, nothing changes.
    """
    if keyring:
        cache.add_keyring(read_keyring(keyring))


def read_keyring(path: str) -> bytes:
    """The bytes of a keyring; raises TaskError `signature-keyring-unusable`."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise _unusable(path, f"it cannot be read ({error.strerror})") from error
    if not content or len(content) > LARGEST:
        raise _unusable(path, "it is empty" if not content else f"it is larger than {LARGEST >> 20} MiB")
    return content


def signed_files(path: Path, cache: ParseCache, keyring: bytes | None = None) -> list[SignedFiles]:
    """What has to hold for the files of a bundle, or for one patch file: one for each keyring that is required.

    `keyring`: of the task, beside those of the run. Raises TaskError and BundleError, before any file is parsed.
    """
    keyrings = list(dict.fromkeys([*cache.keyrings(), *([keyring] if keyring else [])]))
    if not keyrings:
        return []
    root = _root_of(Path(os.path.abspath(path)))
    manifest, signature = (_read(root / name) for name in (MANIFEST, SIGNATURE))
    return [SignedFiles(root, _verified(root, manifest, signature, one, cache)) for one in keyrings]


def _root_of(path: Path) -> Path:
    """The nearest directory above a path, or itself, with a manifest."""
    for directory in (path, *path.parents):
        if os.path.lexists(directory / MANIFEST):
            return directory
    problem = (
        f"is not signed: neither it nor a directory above it has {MANIFEST}. Sign its directory with ansible-sign "
        f"project gpg-sign, or leave out {OPTION}")
    raise BundleError("bundle-unsigned", problem, os.fspath(path))


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}), so the directory is not signed. Sign it with ansible-sign"
        raise BundleError("bundle-unsigned", problem, os.fspath(path)) from error
    if len(content) > LARGEST:
        problem = f"is larger than {LARGEST >> 20} MiB. Sign a directory with fewer files"
        raise BundleError("bundle-manifest-invalid", problem, os.fspath(path))
    return content


def _verified(root: Path, manifest: bytes, signature: bytes, keyring: bytes, cache: ParseCache) -> dict[str, str]:
    """The digests in a manifest, once its signature is verified; that is done once in a run."""
    parts = [hashlib.sha256(part).hexdigest() for part in (manifest, signature, keyring)]
    key = hashlib.sha256("".join(parts).encode()).hexdigest()
    known = cache.find_manifest(key)
    if known is None:
        known = _verify(root, manifest, signature, keyring)
        cache.keep_manifest(key, known)
    return known


def _verify(root: Path, manifest: bytes, signature: bytes, keyring: bytes) -> dict[str, str]:
    try:
        import gnupg
        from ansible_sign.checksum import ChecksumFile, InvalidChecksumLine
        from ansible_sign.checksum.differ.base import ChecksumFileExistenceDiffer
        from ansible_sign.signing import GPGVerifier
    except ImportError as error:
        raise TaskError(
            "signature-tool-missing",
            f"{OPTION} needs the Python library ansible-sign on the controller. Install it there, for {sys.executable}."
        ) from error
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-") as directory:
        paths = {name: os.path.join(directory, name) for name in ("manifest", "signature", "keyring", "home")}
        for name, content in (("manifest", manifest), ("signature", signature), ("keyring", keyring)):
            Path(paths[name]).write_bytes(content)
        os.mkdir(paths["home"], 0o700)
        is_keybox = keyring[8:12] == KEYBOX
        try:
            if not is_keybox and not gnupg.GPG(gnupghome=paths["home"]).import_keys(keyring).count:
                raise _unusable(OPTION, "it has no public key. Export the keys with gpg --export")
            result = GPGVerifier(
                paths["manifest"], paths["signature"], gpg_home=paths["home"],
                keyring=paths["keyring"] if is_keybox else None).verify()
        except (OSError, ValueError) as error:
            raise TaskError(
                "signature-tool-missing",
                f"{OPTION} needs the program gpg on the controller, and it cannot be run ({error}). Install GnuPG."
            ) from error
    if not result.success:
        problem = (
            f"has no valid signature by a key of {OPTION}. Check who changed the directory, or sign it again with one "
            "of these keys")
        raise BundleError("bundle-signature-invalid", problem, os.fspath(root / MANIFEST))
    try:
        return ChecksumFile(os.fspath(root), ChecksumFileExistenceDiffer).parse(manifest.decode("utf-8"))
    except (InvalidChecksumLine, UnicodeDecodeError) as error:
        problem = f"is signed, and not a list of digests ({error}). Sign the directory again with ansible-sign"
        raise BundleError("bundle-manifest-invalid", problem, os.fspath(root / MANIFEST)) from error


def _below(root: Path, path: Path) -> str:
    return Path(os.path.relpath(os.path.abspath(path), root)).as_posix()


def _unusable(path: str, why: str) -> TaskError:
    return TaskError(
        "signature-keyring-unusable",
        f"{OPTION} cannot be used ({path}): {why}. Give the path of a keyring with public keys.")
