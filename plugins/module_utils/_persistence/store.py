# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of patch files on this host, by digest, each with its description.

    /var/lib/kernel-livepatch/patches/SHA256.ko     the uncompressed module, exactly as it is loaded
    /var/lib/kernel-livepatch/patches/SHA256.json   its description; written last, so it marks a complete pair
"""

import errno
import hashlib
import json
import os
import re
import stat
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    private_directory,
    refuse_shared_directory,
    sweep,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import find_build
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import SCHEMA, is_usable
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import metadata_digest
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import read_own
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STORE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.versions import (
    in_current_form,
    is_newer,
    refuse_newer,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.schema import parse_json

DIGEST = re.compile(r"[0-9a-f]{64}\Z")
CHUNK = 1 << 20
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe in a file's place must not block
OF_ONE_OFFER = ("series", "passed_over")  # keys of a description that depend on the other builds of an offer


def _add_btf_base(description):
    """Schema 2 did not tell of .BTF.base; without it the types are compared as strictly as the kernel can."""
    return dict({"btf_base": False}, **description)


def _add_needed_by(description):
    """Schema 3 did not tell which objects need a symbol; it was looked up for its own one."""
    symbols = description.get("klp_symbols")
    if not isinstance(symbols, list):
        return description
    return dict(description, klp_symbols=[
        dict({"needed_by": [symbol.get("object")]}, **symbol) if isinstance(symbol, dict) else symbol
        for symbol in symbols])


# Schema 1 is older than the ledger: no boot and no rollback depends on such a file, and it is sent again.
MIGRATIONS = ((2, _add_btf_base), (3, _add_needed_by))


def kept_description(record, sha256):
    """The description of exactly this file, of this or of an earlier version; None for any other value."""
    description = in_current_form(record, SCHEMA, MIGRATIONS)
    if description is None:
        return None
    description = dict(description, schema=SCHEMA)
    return description if is_usable(description, sha256) else None


class Store:
    """Keeps files by content: a name proves nothing, so every file is hashed again when it is opened."""

    def __init__(self, host):
        self.host = host
        self.directory = host.path(STORE_DIRECTORY)

    def has(self, sha256):
        """Whether a file and its description are kept."""
        return self.description(sha256) is not None

    def put(self, stream, description):
        """Store the bytes of `stream`; raises LivepatchError `digest-mismatch`, `newer-version`, `no-space`."""
        self._ensure_private()
        self._sweep()
        sha256 = description["sha256"]
        refuse_newer(self._read(sha256), SCHEMA, f"{STORE_DIRECTORY}/{sha256}.json")
        for kind in ("json", "ko"):
            make_way(self._path(sha256, kind))
        write_private(self._path(sha256, "ko"), lambda target: _copy_exactly(stream, target, description))
        self._write_description(description)

    def has_other_metadata(self, description):
        """Whether a bundle says something else today of a kept file than the host knows."""
        kept = self.description(description["sha256"])
        return kept is not None and metadata_digest(kept) != metadata_digest(description)

    def update(self, description):
        """Keep what a bundle says today of a kept file; raises LivepatchError `no-space`, and OSError."""
        if self.has_other_metadata(description):
            kept = self.description(description["sha256"])
            self._write_description(dict(kept, metadata=description.get("metadata")))

    def keep_replace_set(self, sha256, number):
        """Keep the replace set that the kernel shows for a loaded file; raises LivepatchError `no-space`, OSError."""
        kept = self.description(sha256)
        if kept is not None and kept.get("replace_set") != number:
            self._write_description(dict(kept, replace_set=number))

    def _write_description(self, description):
        kept = {key: value for key, value in description.items() if key not in OF_ONE_OFFER}
        text = json.dumps(kept, sort_keys=True).encode("utf-8")
        write_private(self._path(description["sha256"], "json"), lambda target: target.write(text))

    def open(self, sha256):
        """A read-only descriptor of a file hashed just now; the caller closes it. A damaged file is dropped.

        Only root can write below the directory, so the kernel reads the hashed bytes from the same descriptor.
        Raises LivepatchError `kept-file-damaged`.
        """
        self._ensure_private()
        try:
            descriptor = os.open(self._path(sha256, "ko"), FLAGS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise  # the file itself may be good
            raise self._damaged(sha256, error.strerror) from error
        try:
            why = fault_of(descriptor, sha256)
            if why:
                raise self._damaged(sha256, why)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check_undamaged(self, sha256):
        """Raises LivepatchError `kept-file-damaged`, `directory-not-private` if `open` would; changes nothing."""
        for directory in (os.path.dirname(self.directory), self.directory):
            refuse_shared_directory(directory)
        why = self.fault(sha256)
        if why:
            raise unusable(why)

    def fault(self, sha256):
        """Why `open` would refuse a kept file, as a clause, or None; unlike `open` it removes nothing."""
        try:
            descriptor = os.open(self._path(sha256, "ko"), FLAGS)
        except OSError as error:
            return error.strerror
        try:
            return fault_of(descriptor, sha256)
        except OSError as error:
            return error.strerror
        finally:
            os.close(descriptor)

    def description(self, sha256):
        """The description of a kept file; None without a usable one, so that the file is sent again."""
        if not os.path.lexists(self._path(sha256, "ko")):
            return None
        return kept_description(self._read(sha256), sha256)

    def is_newer(self, sha256):
        """Whether a newer version of this collection wrote the description of a kept file."""
        if not DIGEST.match(sha256) or not os.path.lexists(self._path(sha256, "ko")):
            return False
        return is_newer(self._read(sha256), SCHEMA)

    def is_readable(self):
        """Whether this user may read what is kept."""
        try:
            os.listdir(self.directory)
        except OSError as error:
            return error.errno == errno.ENOENT
        return True

    def descriptions(self):
        """The descriptions of all kept files."""
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return []
        digests = [name[:-len(".json")] for name in names if name.endswith(".json")]
        kept = [self.description(digest) for digest in digests if DIGEST.match(digest)]
        return [description for description in kept if description]

    def of_build(self, name, build_id, sha256=None):
        """The description of a kept file of one build of a patch, or None; with `sha256`, of this file if kept."""
        return find_build(self.descriptions(), {"name": name, "build_id": build_id, "sha256": sha256})

    def drop(self, sha256):
        """Remove a kept file and its description; a directory in their place is renamed."""
        for kind in ("json", "ko"):
            make_way(self._path(sha256, kind))
            with suppress(FileNotFoundError):
                os.unlink(self._path(sha256, kind))

    def _ensure_private(self):
        private_directory(os.path.dirname(self.directory))
        private_directory(self.directory)

    def _damaged(self, sha256, why):
        self.drop(sha256)
        return LivepatchError(
            "kept-file-damaged",
            f"The host's copy of the patch file was damaged ({why}) and has been deleted. Run again to send it "
            "anew.")

    def _sweep(self):
        """Remove the unfinished files of a killed run; the caller holds the host's lock."""
        sweep(self.directory)
        names = os.listdir(self.directory)
        for name in names:
            if name.endswith(".ko") and f"{name[:-len('.ko')]}.json" not in names:
                with suppress(IsADirectoryError):
                    os.unlink(os.path.join(self.directory, name))

    def _read(self, sha256):
        """The value in a description's file, of any version; None for an unreadable one."""
        try:
            return parse_json(read_own(self.host, f"{STORE_DIRECTORY}/{sha256}.json"))
        except (OSError, ValueError):
            return None

    def _path(self, sha256, kind):
        if not DIGEST.match(sha256):
            raise LivepatchError("bad-digest", f"{sha256!r} is not a sha256 digest. Give 64 hexadecimal digits.")
        return os.path.join(self.directory, f"{sha256}.{kind}")


def _copy_exactly(stream, target, description):
    digest = hashlib.sha256()
    left = description["size"] + 1  # one byte more than described proves another file
    while left > 0:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            break
        digest.update(chunk)
        target.write(chunk)
        left -= len(chunk)
    if digest.hexdigest() != description["sha256"]:
        raise LivepatchError(
            "digest-mismatch",
            f"{description['file']} arrived with other bytes than the checked ones. Run again.")


def newer_descriptions(host, ledger):
    """The paths, by digest, of the descriptions of accepted files that a newer version of this collection wrote."""
    store = Store(host)
    digests = sorted({entry["sha256"] for entry in ledger["accepted"]})
    return {digest: f"{STORE_DIRECTORY}/{digest}.json" for digest in digests if store.is_newer(digest)}


def unusable(why):
    """The LivepatchError about a kept file that must not be loaded and stays as it is."""
    return LivepatchError(
        "kept-file-damaged",
        f"The host's copy of the patch file cannot be used ({why}). Send it again with patch.")


def fault_of(descriptor, sha256):
    """Why an opened file must not be loaded, as a clause, or None; hashes it just now. Raises OSError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        return "other users could write it"
    return None if digest_of(descriptor) == sha256 else "it has other bytes than were sent"


def digest_of(descriptor):
    """The sha256 of an opened file from its current position on."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: os.read(descriptor, CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()
