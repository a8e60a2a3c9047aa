# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch files that are on the host already: compressed, damaged, or no files at all."""

import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import compression
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import image_digest, open_image
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.compressed_files import (
    IMAGE as EVERY_SHAPE,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.compressed_files import (
    SHAPES,
    TOO_LARGE,
    expected,
    tool_of,
)

IMAGE = bytes(range(256)) * 400
DIGEST = hashlib.sha256(IMAGE).hexdigest()
PACKED = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress}
needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd command here")


@pytest.fixture
def file(tmp_path):
    """file(content): the path of a file whose name says nothing about its content."""
    def write(content):
        path = tmp_path / "vendor.ko"
        path.write_bytes(content)
        return str(path)
    return write


def zstd(content):
    return subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout


def failure(path):
    with pytest.raises(LivepatchError) as caught:
        image_digest(path)
    assert path in caught.value.message
    return caught.value.code


@pytest.mark.parametrize("kind", ["plain", "gz", "xz"])
def test_the_uncompressed_image_is_what_counts(file, kind):
    path = file(PACKED[kind](IMAGE))
    assert image_digest(path) == (DIGEST, 102400)
    with open_image(path) as image:
        assert image.read(1 << 20) == IMAGE


@needs_zstd
def test_zstd_is_unpacked_by_the_host_s_command(file):
    assert image_digest(file(zstd(IMAGE))) == (DIGEST, 102400)


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_a_truncated_file_is_corrupt(file, kind):
    assert failure(file(PACKED[kind](IMAGE)[:-30])) == "corrupt-compression"


@pytest.mark.parametrize("kind", ["gz", "xz"])
@pytest.mark.parametrize("position", [20, 60, -6])
def test_a_damaged_byte_is_corrupt(file, kind, position):
    content = bytearray(PACKED[kind](IMAGE))
    content[position] ^= 0xFF
    assert failure(file(bytes(content))) == "corrupt-compression"


TOOLS = {"gz": ["gzip", "-dc"], "xz": ["xz", "-dc"], "zst": ["zstd", "-dcq"]}
BEHIND = {
    "nothing": b"", "one zero": bytes(1), "four zeros": bytes(4), "a block of zeros": bytes(512),
    "more zeros than are read at once": bytes(compression.PIECE * 2), "text": b"text",
    "zeros and text": bytes(4) + b"text"}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("kind", TOOLS)
def test_what_the_tool_takes_is_taken(file, kind, behind):
    """Distributions pad files, and join streams; the tool's exit code says what is a good file."""
    tool = shutil.which(TOOLS[kind][0])
    if tool is None:
        pytest.skip(f"there is no {TOOLS[kind][0]} here")
    pack = dict(PACKED, zst=zstd)[kind]
    content = pack(IMAGE[:1000]) + pack(IMAGE[1000:]) + BEHIND[behind]
    done = subprocess.Popen(
        [tool, *TOOLS[kind][1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    plain = done.communicate(content)[0]
    if done.returncode:
        assert failure(file(content)) == "corrupt-compression"
    else:
        assert plain == IMAGE
        assert image_digest(file(content)) == (DIGEST, 102400)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_in_any_shape_is_read_as_its_tool_reads_it(file, shape):
    if tool_of(shape) is None:
        pytest.skip(f"there is no tool for {shape} here")
    content = SHAPES[shape]()
    plain, code = expected(shape, content)
    if code:
        assert failure(file(content)) == code
    else:
        assert plain == EVERY_SHAPE
        assert image_digest(file(content)) == (hashlib.sha256(EVERY_SHAPE).hexdigest(), len(EVERY_SHAPE))


@pytest.mark.parametrize("shape", sorted(TOO_LARGE))
def test_a_file_that_needs_too_much_memory_is_said_to_be_that(file, shape):
    if tool_of(shape) is None:
        pytest.skip(f"there is no tool for {shape} here")
    with pytest.raises(LivepatchError) as caught:
        image_digest(file(SHAPES[shape]()))
    limit = 256 if shape.startswith("xz") else 128
    assert f"it needs more than {limit} MiB of memory to uncompress" in caught.value.message


def test_padding_between_streams_is_skipped(file):
    content = lzma.compress(IMAGE[:1000]) + bytes(8) + lzma.compress(IMAGE[1000:])
    assert image_digest(file(content)) == (DIGEST, 102400)
    assert failure(file(lzma.compress(IMAGE[:1000]) + bytes(6) + lzma.compress(IMAGE[1000:]))) == "corrupt-compression"


@needs_zstd
def test_a_truncated_zstd_file_is_corrupt(file):
    assert failure(file(zstd(IMAGE)[:-5])) == "corrupt-compression"


@pytest.fixture
def without_own_zstd(monkeypatch):
    """Python 3.14 reads zstd without any program."""
    monkeypatch.setitem(sys.modules, "compression.zstd", None)


@pytest.mark.usefixtures("without_own_zstd")
def test_zstd_without_its_command_says_what_to_install(file, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert failure(file(b"\x28\xb5\x2f\xfd")) == "zstd-missing"


@needs_zstd
def test_zstd_needs_no_temporary_directory(file, monkeypatch):
    """A host that reverts with a full disk reads its own modules all the same."""
    def nowhere(*_arguments, **_options):
        raise FileNotFoundError("No usable temporary directory")
    monkeypatch.setattr(compression.tempfile, "TemporaryFile", nowhere)
    assert image_digest(file(zstd(IMAGE))) == (DIGEST, 102400)


@needs_zstd
@pytest.mark.usefixtures("without_own_zstd")
def test_nothing_is_left_when_what_is_read_cannot_be_used(file, monkeypatch):
    processes = []
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **options: processes.append(real(*words, **options)) or (
        processes[-1]))
    content = zstd(os.urandom(4 << 20))
    threads = threading.active_count()
    processes.clear()
    with pytest.raises(OSError, match="full") as kept, open_image(file(content)) as image:
        assert len(image.read(10)) == 10
        raise OSError("full")
    assert kept.value.__traceback__ is not None
    assert [process.returncode is not None for process in processes] == [True]
    assert threading.active_count() == threads


def test_a_file_that_cannot_be_read_to_its_end_is_corrupt(file, monkeypatch):
    def broken(_file, _more_zstd):
        yield b"begun"
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setitem(compression.READERS, "none", broken)
    path = file(IMAGE)
    assert failure(path) == "corrupt-compression"


def test_what_unpacks_to_too_much_is_refused(file, monkeypatch):
    monkeypatch.setattr(compression, "LARGEST", 1 << 20)
    assert failure(file(gzip.compress(b"\0" * (4 << 20)))) == "too-large"


def test_what_is_no_file_is_refused_at_once(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(str(fifo))
    assert stat.S_ISFIFO(os.stat(str(fifo)).st_mode)
    assert failure(str(fifo)) == "not-a-file"
    assert failure(str(tmp_path)) == "remote-src-directory"
    assert failure(str(tmp_path / "absent.ko")) == "no-such-file"
