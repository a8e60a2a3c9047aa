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

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

CHUNK = 1 << 20
LARGEST = 256 << 20

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
                    "too-large", f"{path} is larger than {LARGEST >> 20} MiB uncompressed. Name a patch file.")
    return digest.hexdigest(), size


@contextmanager
def open_image(path):
    """The uncompressed bytes of a patch file, as something to read from.

    Raises LivepatchError `no-such-file`, `remote-src-directory`, `not-a-file`, `zstd-missing`, and when it is read
    `corrupt-compression`.
    """
    with _opened(path) as raw:
        magic = raw.read(8)
        raw.seek(0)
        opener = next((opener for prefix, opener in OPENERS if magic.startswith(prefix)), _plain)
        with opener(path, raw) as stream:
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


def _opened(path):
    """The file, opened once, so that what is checked is what is read; a pipe is not waited on."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LivepatchError(
            "no-such-file", f"{path} on the host cannot be read ({error.strerror}). Correct src.") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb", buffering=0)  # unbuffered: zstd reads on from the descriptor itself
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise LivepatchError(
            "remote-src-directory", f"{path} is a directory on the host. With remote_src, name one patch file.")
    raise LivepatchError("not-a-file", f"{path} on the host is not a regular file. Name one patch file.")


@contextmanager
def _plain(_path, raw):
    yield raw


@contextmanager
def _gzip(_path, raw):
    with gzip.GzipFile(fileobj=raw) as stream:
        yield stream


@contextmanager
def _xz(_path, raw):
    with lzma.LZMAFile(raw) as stream:
        yield stream


@contextmanager
def _zstd(path, compressed):
    tool = shutil.which("zstd")
    if tool is None:
        raise LivepatchError(
            "zstd-missing",
            f"{path} is compressed with zstd and the host has no zstd command. Install zstd, or give an uncompressed "
            "file.")
    process = subprocess.Popen([tool, "-dcq"], stdin=compressed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process.stdout
    finally:
        process.stdout.close()
        failed = process.wait()
    if failed:
        raise _corrupt(path)


def _corrupt(path):
    return LivepatchError("corrupt-compression", f"{path} cannot be uncompressed. Fetch it again.")


# The first bytes of a file decide, never its name.
OPENERS = (
    (b"\x1f\x8b", _gzip),
    (b"\xfd7zXZ\0", _xz),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
