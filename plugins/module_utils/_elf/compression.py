# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uncompresses .ko, .ko.gz, .ko.xz and .ko.zst files, recognised by their first bytes, within limits.

Both halves read patch files with this. Like gzip, xz and zstd, it accepts several streams one after the other, zeros
as padding of a file of gzip or xz, skippable frames of zstd (RFC 8878, section 3.1.2), and .lzma in a file of xz.
"""

import contextlib
import importlib
import lzma
import shutil
import signal
import subprocess
import tempfile
import threading
import zlib

# bytes; larger than any module of a distribution (the largest have some 30 MiB), and small enough for a host's memory
LARGEST = 256 << 20
MOST_STREAMS = 10000  # parallel compressors make a stream of some 64 KiB and more
PIECE = 64 << 10  # bytes read at once
CHUNK = 1 << 20  # bytes of output at once
XZ_MEMORY = 256 << 20
ZSTD_WINDOW_BITS = 27  # what zstd reads without an option
ZSTD_MEMORY = 1 << ZSTD_WINDOW_BITS
ZSTD_SECONDS = 300
ZSTD_STDIN = "/*stdin*\\ : "
LZMA = b"\x5d\0\0"  # the format before .xz, as xz writes it
SKIPPABLE = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))  # pzstd begins with one
MAGIC = (  # never the file's name
    (b"\x1f\x8b", "gz"), (b"\xfd7zXZ\0", "xz"), (LZMA, "xz"), (b"\x28\xb5\x2f\xfd", "zst"),
    *((magic, "zst") for magic in SKIPPABLE))
# How liblzma and libzstd complain about a window above XZ_MEMORY or ZSTD_WINDOW_BITS.
TOO_MUCH_MEMORY = ("memory usage limit", "too much memory", "window size larger")
LONGEST_MAGIC = max(len(magic) for magic, _kind in MAGIC)


class CompressionError(Exception):
    """The file cannot be uncompressed: `code` is corrupt-compression, too-large or zstd-missing; `reason` is a text."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code
        self.reason = reason


def compression_of(head):
    """The compression of a file, by its first bytes: `none`, `gz`, `xz` or `zst`."""
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), "none")


def uncompressed(file, more_zstd=()):
    """Yield the plain bytes of a binary file, from its start, in pieces. One with a descriptor must be unbuffered.

    `more_zstd` are further readers of zstd, tried before the program: functions of a file, with an iterator of bytes as
    the result, or None if they cannot work here. Raises CompressionError.
    """
    file.seek(0)
    kind = compression_of(file.read(LONGEST_MAGIC))
    file.seek(0)
    size = 0
    with contextlib.closing(READERS[kind](file, more_zstd)) as pieces:
        for piece in pieces:
            size += len(piece)
            if size > LARGEST:
                raise too_large()
            yield piece


def too_large():
    """The CompressionError for a file with more bytes than a kernel module has."""
    return CompressionError("too-large", f"it has more than {LARGEST >> 20} MiB uncompressed")


def unreadable(error, most_memory):
    """The CompressionError for the complaint of a library or a program; `most_memory` is its limit in bytes."""
    if any(text in str(error).lower() for text in TOO_MUCH_MEMORY):
        return CompressionError("too-large", f"it needs more than {most_memory >> 20} MiB of memory to uncompress")
    return corrupt(error)


def corrupt(reason):
    """The CompressionError for a damaged stream. Programs give a reason on several lines; the first one counts."""
    lines = str(reason).replace(ZSTD_STDIN, "").splitlines()
    text = "".join(letter for letter in lines[0] if letter.isprintable()).strip(" .") if lines else "damaged"
    return CompressionError("corrupt-compression", text)


def read_streams(file, new_stream, piece_size=PIECE, padding=0):
    """Yield the output of several streams one after the other, with a limit on their number.

    `new_stream()` returns a decompressor and its feed, a generator function from a piece to bytes. Zeros after a stream
    are skipped if `padding` is not 0 and divides their number. With a padding of 1, as of gzip, they end the file.
    """
    piece = file.read(piece_size)
    for _stream in range(MOST_STREAMS + 1):
        if not piece:
            return
        stream, feed = new_stream()
        while not stream.eof:
            if not piece:
                raise corrupt("it ends too early")
            yield from feed(piece)
            piece = stream.unused_data if stream.eof else file.read(piece_size)
        piece = piece or file.read(piece_size)
        if padding and piece.startswith(b"\0"):
            piece = _behind_padding(file, piece, padding)
    raise corrupt(f"it has more than {MOST_STREAMS} parts")


def _behind_padding(file, piece, padding):
    zeros = 0
    while piece:
        rest = piece.lstrip(b"\0")
        zeros += len(piece) - len(rest)
        if rest:
            break
        piece = file.read(PIECE)
    if zeros % padding:
        raise corrupt("it is padded to no whole block")
    if rest and padding == 1:
        raise corrupt("it has more data behind its padding")
    return rest + file.read(PIECE) if piece else b""


def _plain(file, _more_zstd):
    yield from iter(lambda: file.read(CHUNK), b"")


def _gunzip(file, _more_zstd):
    try:
        yield from read_streams(file, _new_gzip_stream, padding=1)
    except zlib.error as error:
        raise corrupt(error) from error


def _new_gzip_stream():
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(piece):
        while True:
            plain = stream.decompress(piece, CHUNK)
            piece = stream.unconsumed_tail
            if plain:
                yield plain
            if stream.eof or not (piece or len(plain) == CHUNK):
                return
    return stream, feed


def _unxz(file, _more_zstd):
    old = file.read(len(LZMA)) == LZMA
    file.seek(0)
    kind = lzma.FORMAT_ALONE if old else lzma.FORMAT_XZ

    def new_stream():
        return _with_bounded_output(lzma.LZMADecompressor(format=kind, memlimit=XZ_MEMORY))
    try:
        yield from read_streams(file, new_stream, padding=0 if old else 4)
    except (lzma.LZMAError, EOFError) as error:
        raise unreadable(error, XZ_MEMORY) from error


def _with_bounded_output(stream):
    def feed(piece):
        while not stream.eof:
            plain = stream.decompress(piece, CHUNK)
            piece = b""
            if plain:
                yield plain
            elif stream.needs_input:
                return
    return stream, feed


def _unzstd(file, more_zstd):
    for read in (_zstd_by_python, *more_zstd, zstd_by_program):
        pieces = read(file)
        if pieces is not None:
            return pieces
    raise CompressionError("zstd-missing", "it is compressed with zstd, and nothing here reads that")


def _zstd_by_python(file):
    try:
        zstd = importlib.import_module("compression.zstd")  # since Python 3.14
    except ImportError:
        return None
    options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_BITS}

    def read():
        try:
            yield from read_streams(file, lambda: _with_bounded_output(zstd.ZstdDecompressor(options=options)))
        except zstd.ZstdError as error:
            raise unreadable(error, ZSTD_MEMORY) from error
    return read()


def zstd_by_program(file):
    """Yield the output of the program zstd for a file; None without that program."""
    program = shutil.which("zstd")
    if program is None:
        return None
    memory = f"--memory={ZSTD_MEMORY >> 20}MB"
    return _output_of([program, "--decompress", "--stdout", "--quiet", memory], file)


def _output_of(command, file):
    with _with_descriptor(file) as source, subprocess.Popen(
            command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = threading.Timer(ZSTD_SECONDS, process.kill)
        deadline.daemon = True
        complaint = ""
        try:
            deadline.start()
            yield from iter(lambda: process.stdout.read(CHUNK), b"")
            complaint = process.stderr.read(1000).decode("utf-8", "replace").strip()
        finally:
            process.stdout.close()  # ends a program with more output
            process.stderr.close()
            status = process.wait()
            deadline.cancel()
            if deadline.is_alive():
                deadline.join()
        if status == -signal.SIGKILL:
            raise corrupt(f"zstd was stopped after {ZSTD_SECONDS} s")
        if status:
            raise unreadable(complaint or f"zstd ended with status {status}", ZSTD_MEMORY)


def _with_descriptor(file):
    """The same bytes in a file that another process can read; its descriptor is at the start."""
    try:
        return open(file.fileno(), "rb", buffering=0, closefd=False)
    except OSError:  # io.UnsupportedOperation: it is in memory
        with contextlib.ExitStack() as stack:
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            stack.pop_all()
            return copy


READERS = {"none": _plain, "gz": _gunzip, "xz": _unxz, "zst": _unzstd}
