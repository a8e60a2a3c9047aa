# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a patch file on the host (remote_src), uncompressed."""

import hashlib
import os
import stat
from contextlib import closing, contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.compression import CompressionError, uncompressed
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

CHUNK = 1 << 20


def image_digest(path):
    """sha256 and size of the uncompressed module in a file. Raises LivepatchError as `open_image` does."""
    digest = hashlib.sha256()
    size = 0
    with open_image(path) as image:
        for chunk in iter(lambda: image.read(CHUNK), b""):
            size += len(chunk)
            digest.update(chunk)
    return digest.hexdigest(), size


@contextmanager
def open_image(path):
    """The uncompressed bytes of a patch file, as a stream.

    Raises LivepatchError `no-such-file`, `remote-src-directory`, `not-a-file`, and during a read `zstd-missing`,
    `corrupt-compression`, `too-large`.
    """
    with _opened(path) as raw, closing(uncompressed(raw)) as pieces:
        yield Image(path, pieces)


class Image:
    """A stream over pieces of bytes; turns a CompressionError into a LivepatchError with the file's name."""

    def __init__(self, path, pieces):
        self._path = path
        self._pieces = pieces
        self._left = b""

    def read(self, size):
        """At most `size` bytes, none at the end."""
        if not self._left:
            try:
                self._left = next(self._pieces, b"")
            except CompressionError as error:
                raise LivepatchError(error.code, MESSAGES[error.code].format(path=self._path, why=error)) from error
            except OSError as error:
                why = error.strerror or str(error)
                raise LivepatchError(
                    "corrupt-compression", MESSAGES["corrupt-compression"].format(path=self._path, why=why)) from error
        plain, self._left = self._left[:size], self._left[size:]
        return plain


MESSAGES = {
    "corrupt-compression": "{path} cannot be uncompressed ({why}). Fetch it again.",
    "too-large":
        "{path} is refused: {why}. Make sure that it is a kernel module, and compress it again without a long window "
        "(--long).",
    "zstd-missing":
        "{path} is compressed with zstd and the host has no zstd command. Install zstd on the host, or give an "
        "uncompressed file.",
}


def _opened(path):
    """The file, opened once, so that the checked file is also the read one; does not wait for a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LivepatchError(
            "no-such-file", f"{path} on the host cannot be read ({error.strerror}). Correct src.") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb", buffering=0)  # unbuffered: zstd reads from the descriptor itself
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise LivepatchError(
            "remote-src-directory", f"{path} is a directory on the host. With remote_src, name one patch file.")
    raise LivepatchError("not-a-file", f"{path} on the host is not a regular file. Name one patch file.")
