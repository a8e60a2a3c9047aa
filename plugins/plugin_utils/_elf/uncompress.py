# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads and uncompresses patch files; like the host half, and zstd also with the library zstandard."""

from __future__ import annotations

import io
import os
import stat
import typing as t

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import compression
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

# The library bounds no output, so its input is: 4 bytes of zstd can hold 128 KiB, these 32 MiB.
_ZSTD_PIECE = 1024
_PROBLEMS = {
    "too-large":
        "is refused: {why}. Make sure that it is a kernel module, and compress it again without a long window (--long)",
    "corrupt-compression": "cannot be uncompressed ({why}). Copy or build the file again",
    "zstd-missing":
        "is compressed with zstd, which this controller cannot read. Install the Python library zstandard or the "
        "program zstd there, or deliver the file uncompressed",
}


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes as stored on disk.

    Raises PatchFileError: unreadable, too-large.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PatchFileError("unreadable", "is not a regular file. Give a kernel module (.ko)", os.fspath(path))
            data = file.read(compression.LARGEST + 1)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}). Check the path and its permissions"
        raise PatchFileError("unreadable", problem, os.fspath(path)) from error
    if len(data) > compression.LARGEST:
        problem = f"is larger than {compression.LARGEST >> 20} MiB. Check the file"
        raise PatchFileError("too-large", problem, os.fspath(path))
    return data


def image(path: str | os.PathLike[str]) -> bytes:
    """Return the uncompressed bytes of a patch file.

    Raises PatchFileError: unreadable, too-large, corrupt-compression, zstd-missing.
    """
    data = read_file(path)
    try:
        return uncompress(data)[0]
    except PatchFileError as error:
        raise error.with_file(os.fspath(path)) from error


def uncompress(data: bytes) -> tuple[bytes, str]:
    """Return the plain bytes and their compression: none, gz, xz or zst.

    Raises PatchFileError: corrupt-compression, too-large, zstd-missing, unreadable.
    """
    kind = compression.compression_of(data)
    try:
        if len(data) > compression.LARGEST:
            raise compression.too_large()
        if kind == "none":
            return data, kind
        return b"".join(compression.uncompressed(io.BytesIO(data), (_zstd_by_library,))), kind
    except compression.CompressionError as error:
        raise PatchFileError(error.code, _PROBLEMS[error.code].format(why=error.reason)) from error
    except OSError as error:  # the program zstd gets the data through a temporary file
        raise PatchFileError(
            "unreadable", f"cannot be uncompressed ({error.strerror}). Make room in the temporary directory, or "
            "install the Python library zstandard") from error


def _zstd_by_library(file: t.BinaryIO) -> t.Iterator[bytes] | None:
    try:
        import zstandard
    except ImportError:
        return None
    decompressor = zstandard.ZstdDecompressor(max_window_size=compression.ZSTD_MEMORY)

    def new_stream() -> tuple[t.Any, t.Callable[[bytes], t.Iterable[bytes]]]:
        stream = decompressor.decompressobj()
        return stream, lambda piece: [stream.decompress(piece)]

    def read() -> t.Iterator[bytes]:
        try:
            yield from compression.read_streams(file, new_stream, _ZSTD_PIECE)
        except zstandard.ZstdError as error:
            raise compression.unreadable(error, compression.ZSTD_MEMORY) from error

    return read()
