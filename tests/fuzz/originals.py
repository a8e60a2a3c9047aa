# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intact files to damage: the unit tests' fixtures, compiled; signed ones; patches that the lab has built; archives."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import zstandard

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import ModuleImage
from ansible_collections.kernel.livepatch.tests.unit.plugins.conftest import COMMON_FLAGS, FIXTURES, X86_FLAGS
from tests.fuzz.elf_fields import find_fields
from tests.fuzz.mutations import SHN_LIVEPATCH, Original

_NAMES = (
    *("extended_versions", "kgraft", "klp_build", "kpatch_build", "livepatch_symbols", "plain", "source_allocated"),
    *("source_callbacks", "source_literals", "source_several", "source_simple", "source_statics"),
)
# Small enough to be read; damage makes them worse.
_HOSTILE = (("hostile_arrays", "-DCOUNT=60"), ("hostile_counts", "-DCOUNT=100"), ("hostile_shared", "-DCOUNT=60"))
_ON_32_BITS = ("klp_build", "kpatch_build", "plain", "source_simple")
_MAGIC = b"~Module signature appended~\n"
# A patch of the lab is 250 KB with what debuggers need, and 20 KB without.
_MAX_LAB_PATCH = 64 * 1024


def elf_originals() -> list[Original]:
    """Return the modules to begin with."""
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-fuzz-") as name:
        directory = Path(name)
        compiled = [_compile(directory, source, X86_FLAGS) for source in _NAMES]
        compiled += [_compile(directory, source, ("-m32",)) for source in _ON_32_BITS]
        compiled += [_compile(directory, source, (*X86_FLAGS, flag)) for source, flag in _HOSTILE]
        signed = [_with_signature(directory, data) for _name, data in compiled[:2]]
        named = [*compiled, *zip(("signed", "signed too"), signed, strict=True), *_lab_patches(directory)]
    return [Original(name, data, find_fields(data)) for name, data in named]


def compressed_originals() -> list[Original]:
    """Return archives of every kind, small and large, of one stream and of several."""
    choice = random.Random(1)
    plain = [b"", b"a module", bytes(300_000), choice.randbytes(3000), bytes(choice.choices(b"abcd", k=20_000))]
    pack_zst = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress
    unsized_zst = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compress
    packers = (gzip.compress, lzma.compress, pack_zst, unsized_zst)
    packed = [pack(data) for pack in packers for data in plain]
    packed += [packers[index](plain[1]) + packers[index](plain[4]) for index in range(len(packers))]
    packed += [lzma.compress(plain[4], check=lzma.CHECK_CRC32, preset=9)]
    return [Original(f"archive {index}", data, None) for index, data in enumerate(packed)]


def zst_originals() -> list[Original]:
    """Return archives for the program zstd alone."""
    return [original for original in compressed_originals() if original.data.startswith(b"\x28\xb5\x2f\xfd")]


def _compile(directory: Path, source: str, flags: tuple[str, ...]) -> tuple[str, bytes]:
    target = directory / f"{source}.ko"
    command = ["gcc", "-c", *COMMON_FLAGS, *flags, "-o", str(target), str(FIXTURES / f"{source}.c")]
    subprocess.run(command, check=True)
    return f"{source} {' '.join(flags)}", _with_livepatch_symbols(target.read_bytes())


def _with_livepatch_symbols(data: bytes) -> bytes:
    """Give symbols called .klp.* the section number that no assembler can write."""
    image = ModuleImage(data)
    table = next(section for section in image.sections if section.type == "SHT_SYMTAB")
    changed = bytearray(data)
    for index, symbol in enumerate(image.symbols):
        if symbol.name.startswith(".klp.") and image.word == 8:
            struct.pack_into("<H", changed, table.offset + 24 * index + 6, SHN_LIVEPATCH)
    return bytes(changed)


def _with_signature(directory: Path, data: bytes) -> bytes:
    """Sign as scripts/sign-file does, with a key that is thrown away."""

    def openssl(*arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True).stdout

    if not (directory / "key.pem").exists():
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/O=Fuzz/CN=Fuzz key")
        openssl("req", "-x509", *curve, "-keyout", "key.pem", "-out", "cert.pem")
        by_name: tuple[str, ...] = ()
    else:
        by_name = ("-keyid",)
    (directory / "module").write_bytes(data)
    how = ("-binary", "-noattr", "-nocerts", "-outform", "DER", "-md", "sha256", *by_name)
    keys = ("-signer", "cert.pem", "-inkey", "key.pem")
    signature = openssl("cms", "-sign", "-in", "module", *how, *keys)
    return data + signature + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, len(signature)) + _MAGIC


def _lab_patches(directory: Path) -> list[tuple[str, bytes]]:
    """Return real patches, where the lab has built any on this machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kernel-livepatch", "lab")
    found = []
    for path in sorted(cache.glob("patches-*/modules/*_v1.ko")):
        stripped = directory / path.name
        if os.access(path, os.R_OK) and shutil.which("strip"):
            subprocess.run(["strip", "--strip-debug", "-o", str(stripped), str(path)], check=True)
            if stripped.stat().st_size <= _MAX_LAB_PATCH:
                found.append((f"{path.parts[-3]}/{path.name}", stripped.read_bytes()))
    return found
