# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readers that are fuzzed. Each takes an input's bytes, and raises Broken or any other exception when it fails."""

from __future__ import annotations

import io
import json
import typing as t

from ansible_collections.kernel.livepatch.plugins.lookup.patch_file import RETURN
from ansible_collections.kernel.livepatch.plugins.module_utils._elf import compression
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.kernel_module import ModuleFile
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.reader import ElfFile
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import ElfError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.description import describe_image
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.uncompress import uncompress
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError
from tests.fuzz.judge import Broken, Documented, Error, judge_error

MIB = 1024 * 1024
_DESCRIPTION = Documented(RETURN, "_list")
_DESCRIBE_CODES = frozenset(
    (
        "not-elf",
        "truncated",
        "malformed-elf",
        "unsupported-machine",
        "not-a-module",
        "no-module-name",
        "too-complex",
        "corrupt-signature",
    )
)
_UNCOMPRESS_CODES = frozenset(("corrupt-compression", "too-large"))
# Beyond twice the file's size, what a description may take as JSON: 20,000 functions with names of 1,000 bytes.
_DESCRIPTION_SIZE = 24 * MIB


class Target(t.NamedTuple):
    """A reader. `read` returns whether it understood the input; `memory` is what it may take, in bytes."""

    name: str
    read: t.Callable[[bytes], bool]
    memory: int


def _describe(data: bytes) -> bool:
    try:
        description = describe_image(data, "fix.ko", "none")
    except PatchFileError as error:
        judge_error(Error(error.code, error.message), _DESCRIBE_CODES)
        return False
    _DESCRIPTION.judge(description, _DESCRIPTION_SIZE + 2 * len(data))
    return True


def _uncompress(data: bytes) -> bool:
    return _judge_uncompressed(lambda: uncompress(data)[0])


def _uncompress_by_program(data: bytes) -> bool:
    return _judge_uncompressed(lambda: b"".join(compression.zstd_by_program(io.BytesIO(data))))


def _judge_uncompressed(read: t.Callable[[], bytes]) -> bool:
    try:
        plain = read()
    except compression.CompressionError as error:
        judge_error(Error(error.code, f"It cannot be read ({error.reason})."), _UNCOMPRESS_CODES)
        return False
    except PatchFileError as error:
        judge_error(Error(error.code, error.message), _UNCOMPRESS_CODES)
        return False
    if not isinstance(plain, bytes) or len(plain) > compression.LARGEST:
        raise Broken(f"uncompressed to {type(plain).__name__} of more bytes than there may be")
    return True


_ON_HOST_ATTRIBUTES = (
    *("modinfo", "build_id", "struct_size", "has_versions", "crcs", "orc_unwind", "orc_header"),
    *("elf", "symbols", "traceable"),
)
_ON_HOST_SYMBOLS = ("init_module", "cleanup_module", "klp_enable_patch", "new_cmdline", "a", "")


def _read_on_host(data: bytes) -> bool:
    """Use all that a file offers, as the checks do; what cannot be read of it does not keep from the rest."""
    try:
        file = ModuleFile(data)
    except ElfError:
        return False
    understood = [_use(file, name) for name in _ON_HOST_ATTRIBUTES]
    return all(understood)


def _use(file: ModuleFile, name: str) -> bool:
    try:
        if name == "elf":
            _use_elf_file(file.elf)
        elif name == "symbols":
            for symbol in _ON_HOST_SYMBOLS:
                file.elf.symbols(symbol)
            file.elf.has_symbols()
        elif name == "traceable":
            for symbol in _ON_HOST_SYMBOLS:
                for found in file.elf.symbols(symbol):
                    file.traceable(found)
        else:
            json.dumps(getattr(file, name))
    except ElfError:
        return False
    return True


def _use_elf_file(elf: ElfFile) -> None:
    for section in elf.sections:
        if elf.section(section.name) not in elf.named(section.name):
            raise Broken("the first section of a name is not among those of the name")
        if len(elf.contents(section)) not in (0, section.size):
            raise Broken("a section has other bytes than its size says")
        for _relocation in elf.relocations(section):
            pass


DESCRIBE = Target("describe", _describe, 128 * MIB)
# The limit of what comes out, twice: while it grows, and as bytes.
UNCOMPRESS = Target("uncompress", _uncompress, 2 * compression.LARGEST + 320 * MIB)
UNCOMPRESS_BY_PROGRAM = Target("uncompress-by-program", _uncompress_by_program, UNCOMPRESS.memory)
READ_ON_HOST = Target("read-on-host", _read_on_host, 128 * MIB)
TARGETS = {target.name: target for target in (DESCRIBE, UNCOMPRESS, UNCOMPRESS_BY_PROGRAM, READ_ON_HOST)}
