# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed patch files."""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import subprocess
import sys

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import compression
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import (
    _zstd_by_library,
    image,
    uncompress,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.compressed_files import (
    IMAGE as EVERY_SHAPE,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.compressed_files import (
    SHAPES,
    expected,
    tool_of,
)

PLAIN = b"\x7fELF" + bytes(range(256)) * 40


class CountedFile(io.BytesIO):
    """A file in memory that counts the bytes that were read from it."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESSORS = {"none": bytes, "gz": gzip.compress, "xz": lzma.compress, "zst": zstd}
COMPRESSED = ["gz", "xz", "zst"]


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_the_first_bytes_tell_the_compression(build_module, tmp_path, kind):
    plain = build_module("source_simple").read_bytes()
    file = tmp_path / "misnamed.ko"
    file.write_bytes(COMPRESSORS[kind](plain))
    described = describe(file)
    assert image(file) == plain
    assert described == {**describe(build_module("source_simple")), "file": "misnamed.ko", "compression": kind}


@pytest.mark.parametrize("library", [True, False], ids=["zstandard", "zstd"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_in_any_shape_is_read_as_its_tool_reads_it(monkeypatch, shape, library):
    if tool_of(shape) is None:
        pytest.skip(f"there is no tool for {shape} here")
    if library and shape.startswith("zst"):
        pytest.importorskip("zstandard")
    if not library:
        monkeypatch.setitem(sys.modules, "zstandard", None)
    content = SHAPES[shape]()
    plain, code = expected(shape, content)
    if code is None:
        assert uncompress(content) == (plain, shape.split()[0]) and plain == EVERY_SHAPE
        return
    with pytest.raises(PatchFileError) as caught:
        uncompress(content)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", COMPRESSED)
def test_streams_one_after_the_other_are_one_file(kind):
    compress = COMPRESSORS[kind]
    assert uncompress(compress(PLAIN[:1000]) + compress(PLAIN[1000:])) == (PLAIN, kind)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_streams_without_end_are_refused_soon(kind):
    stream = COMPRESSORS[kind](b"a")
    assert uncompress(stream * 500) == (b"a" * 500, kind)
    file = CountedFile(stream * 100_000)
    with pytest.raises(compression.CompressionError, match="parts") as caught:
        b"".join(compression.uncompressed(file, (_zstd_by_library,)))
    assert caught.value.code == "corrupt-compression"
    # The parts that may be, and one piece more; not the rest of the file for each of them.
    assert compression.MOST_STREAMS * len(stream) <= file.bytes_read
    assert file.bytes_read < compression.MOST_STREAMS * len(stream) + 2 * compression.PIECE
    with pytest.raises(PatchFileError, match="parts"):
        uncompress(stream * 11_000)


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: data[:20] + b"\xff" * 60])
def test_damaged_streams_are_refused(kind, spoil):
    with pytest.raises(PatchFileError) as caught:
        uncompress(spoil(COMPRESSORS[kind](PLAIN)))
    assert caught.value.code == "corrupt-compression"


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_what_grows_beyond_the_limit_is_refused(monkeypatch, kind):
    monkeypatch.setattr(compression, "LARGEST", 1 << 20)
    assert len(uncompress(COMPRESSORS[kind](bytes(1 << 20)))[0]) == 1 << 20
    with pytest.raises(PatchFileError) as caught:
        uncompress(COMPRESSORS[kind](bytes((1 << 20) + 1)))
    assert caught.value.code == "too-large"


def test_without_any_zstd_the_error_says_what_to_install(monkeypatch):
    data = zstd(PLAIN)
    for module in ("compression", "zstandard"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PatchFileError, match="Install the Python library zstandard") as caught:
        uncompress(data)
    assert caught.value.code == "zstd-missing"


def test_several_lines_of_the_program_become_one_sentence(monkeypatch):
    for module in ("compression", "zstandard"):
        monkeypatch.setitem(sys.modules, module, None)
    header = b"\x28\xb5\x2f\xfd" + b"\x00\xa8"  # a window of 2 GiB
    with pytest.raises(PatchFileError) as caught:
        uncompress(header + bytes(20))
    assert caught.value.message == (
        "The patch file is refused: it needs more than 128 MiB of memory to uncompress. Make sure that it is a kernel "
        "module, and compress it again without a long window (--long)."
    )
    assert caught.value.code == "too-large"
    complaint = compression.ZSTD_STDIN + "Decoding error (36) : Data corruption detected \n/*stdin*\\ : Use more.\n"
    error = compression.unreadable(complaint, compression.ZSTD_MEMORY)
    assert (error.code, error.reason) == ("corrupt-compression", "Decoding error (36) : Data corruption detected")
