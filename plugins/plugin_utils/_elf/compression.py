# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Plain bytes out of .ko, .ko.gz, .ko.xz and .ko.zst files, recognised by their first bytes."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import threading
import typing as t
import zlib

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError

# Larger than any module of a distribution (the largest have some 30 MiB), small enough for a controller's memory.
MAX_IMAGE_SIZE = 256 * 1024 * 1024
# Tools that compress in parallel make a stream of some 64 KiB and more.
_MAX_MEMBERS = 10_000
_PIECE = 64 * 1024
_XZ_MEMORY = 256 * 1024 * 1024
_ZSTD_STDIN = "/*stdin*\\ : "
_ZSTD_SECONDS = 60
_ZSTD_WINDOW_BITS = 27
# The library bounds no output, so its input is: 4 bytes of zstd can hold 128 KiB, these 32 MiB.
_ZSTD_PIECE = 1024


def _too_large() -> PatchFileError:
    return PatchFileError(
        "too-large", f"is larger than {MAX_IMAGE_SIZE >> 20} MiB when uncompressed, no kernel module is; check the file"
    )


def _corrupt(reason: object) -> PatchFileError:
    # Programs give their reason on several lines, each with their name for standard input before it.
    lines = str(reason).replace(_ZSTD_STDIN, "").splitlines()
    text = "".join(letter for letter in lines[0] if letter.isprintable()).strip(" .") if lines else "damaged"
    return PatchFileError("corrupt-compression", f"cannot be uncompressed ({text}); copy or build the file again")


def _feed_bounded(stream: t.Any, piece: bytes, most: int) -> bytes:
    return stream.decompress(piece, most)


def _feed_unbounded(stream: t.Any, piece: bytes, _most: int) -> bytes:
    return stream.decompress(piece)


def _members(
    data: bytes,
    decompressor: t.Callable[[], t.Any],
    feed: t.Callable[[t.Any, bytes, int], bytes] = _feed_bounded,
    piece_size: int = _PIECE,
) -> bytes:
    """Uncompress concatenated streams, with an upper bound on what comes out, and on how many there are."""
    output = bytearray()
    position = 0
    for _member in range(_MAX_MEMBERS + 1):
        if position == len(data):
            return bytes(output)
        stream = decompressor()
        while not stream.eof:
            # Not all that is left: what lies behind a stream's end is given back as a copy.
            piece = data[position : position + piece_size]
            if not piece:
                raise _corrupt("it ends too early")
            output += feed(stream, piece, MAX_IMAGE_SIZE + 1 - len(output))
            if len(output) > MAX_IMAGE_SIZE:
                raise _too_large()
            position += len(piece) - len(stream.unused_data)
    raise _corrupt(f"it has more than {_MAX_MEMBERS} parts")


def _gunzip(data: bytes) -> bytes:
    return _members(data, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))


def _unxz(data: bytes) -> bytes:
    return _members(data, lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))


def _unzstd_with_stdlib(data: bytes) -> bytes | None:
    try:
        from compression import zstd  # Python 3.14
    except ImportError:
        return None
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_BITS}
    try:
        return _members(data, lambda: zstd.ZstdDecompressor(options=options))
    except zstd.ZstdError as error:
        raise _corrupt(error) from error


def _unzstd_with_library(data: bytes) -> bytes | None:
    try:
        import zstandard
    except ImportError:
        return None
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_BITS)
    try:
        return _members(data, decompressor.decompressobj, _feed_unbounded, _ZSTD_PIECE)
    except zstandard.ZstdError as error:
        raise _corrupt(error) from error


def _unzstd_with_program(data: bytes) -> bytes | None:
    program = shutil.which("zstd")
    if program is None:
        return None
    command = [program, "--decompress", "--stdout", "--quiet", f"--memory={1 << (_ZSTD_WINDOW_BITS - 20)}MB"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr  # each is a pipe
        deadline = threading.Timer(_ZSTD_SECONDS, process.kill)
        writer = threading.Thread(target=_feed, args=(process.stdin, data))
        deadline.start()
        writer.start()
        try:
            output = process.stdout.read(MAX_IMAGE_SIZE + 1)
            if len(output) > MAX_IMAGE_SIZE:
                process.kill()
                raise _too_large()
            complaint = process.stderr.read(1000).decode(errors="replace").strip()
        finally:
            writer.join()
            deadline.cancel()
    if process.returncode:
        raise _corrupt(complaint or f"zstd ended with status {process.returncode}")
    return output


def _feed(pipe: t.IO[bytes], data: bytes) -> None:
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass  # zstd has given up and says why by its exit status


def _unzstd(data: bytes) -> bytes:
    for uncompress in (_unzstd_with_stdlib, _unzstd_with_library, _unzstd_with_program):
        output = uncompress(data)
        if output is not None:
            return output
    raise PatchFileError(
        "zstd-missing",
        "is compressed with zstd, which this controller cannot read; install the Python library zstandard or the "
        "program zstd there, or deliver the file uncompressed",
    )


# (first bytes, name, function)
_FORMATS: tuple[tuple[bytes, str, t.Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", "gz", _gunzip),
    (b"\xfd7zXZ\x00", "xz", _unxz),
    (b"\x28\xb5\x2f\xfd", "zst", _unzstd),
)


def uncompress(data: bytes) -> tuple[bytes, str]:
    """Return the plain bytes and how they were compressed: none, gz, xz or zst.

    Raises PatchFileError: corrupt-compression, too-large, zstd-missing.
    """
    if len(data) > MAX_IMAGE_SIZE:
        raise _too_large()
    found = next((row for row in _FORMATS if data.startswith(row[0])), None)
    if found is None:
        return data, "none"
    _magic, name, function = found
    try:
        plain = function(data)
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise _corrupt(error) from error
    if len(plain) > MAX_IMAGE_SIZE:
        raise _too_large()
    return plain, name
