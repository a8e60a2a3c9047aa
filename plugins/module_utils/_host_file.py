# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch file that is on the host already (remote_src), seen uncompressed."""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import zlib
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError

CHUNK = 1 << 20
LARGEST = 256 << 20

# The first bytes of a file decide, never its name.
MAGICS = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\0", lzma.open),
)
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

# What the decompressors of the standard library raise for damaged data.
CORRUPT = (OSError, EOFError, lzma.LZMAError, zlib.error)


def image_digest(path):
    """sha256 and size of the uncompressed module in a file.

    Raises LivepatchError `too-large`, and as `open_image` does.
    """
    digest = hashlib.sha256()
    size = 0
    with open_image(path) as image:
        for chunk in iter(lambda: image.read(CHUNK), b""):
            size += len(chunk)
            digest.update(chunk)
            if size > LARGEST:
                raise LivepatchError(
                    "too-large", f"{path} is larger than {LARGEST >> 20} MiB uncompressed: it is no patch file.")
    return digest.hexdigest(), size


@contextmanager
def open_image(path):
    """The uncompressed bytes of a patch file, as something to read from.

    Raises LivepatchError `no-such-file`, `remote-src-directory`, `not-a-file`, `zstd-missing`, and when it is read
    `corrupt-compression`.
    """
    magic = _first_bytes(path)
    if magic.startswith(ZSTD_MAGIC):
        opener = _zstd
    else:
        opener = next((opener for prefix, opener in MAGICS if magic.startswith(prefix)), open)
    with opener(path, "rb") as stream:
        yield Image(path, stream)


class Image:
    """A stream whose decompressor's many exceptions are one LivepatchError."""

    def __init__(self, path, stream):
        self._path = path
        self._stream = stream

    def read(self, size):
        """At most `size` bytes, none at the end; raises LivepatchError `corrupt-compression`."""
        try:
            return self._stream.read(size)
        except CORRUPT as error:
            raise _corrupt(self._path) from error


def _first_bytes(path):
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise LivepatchError(
                "remote-src-directory", f"{path} is a directory on the host: with remote_src, name one patch file.")
        if not stat.S_ISREG(mode):  # a pipe could be waited on for ever
            raise LivepatchError("not-a-file", f"{path} on the host is not a regular file: name one patch file.")
        with open(path, "rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise LivepatchError(
            "no-such-file", f"{path} on the host cannot be read ({error.strerror}): correct src.") from error


@contextmanager
def _zstd(path, _mode):
    tool = shutil.which("zstd")
    if tool is None:
        raise LivepatchError(
            "zstd-missing",
            f"{path} is compressed with zstd and the host has no zstd command: install zstd, or give an uncompressed "
            "file.")
    with open(path, "rb") as compressed:
        process = subprocess.Popen([tool, "-dcq"], stdin=compressed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            yield process.stdout
        finally:
            process.stdout.close()
            failed = process.wait()
    if failed:
        raise _corrupt(path)


def _corrupt(path):
    return LivepatchError("corrupt-compression", f"{path} cannot be uncompressed: fetch it again.")
