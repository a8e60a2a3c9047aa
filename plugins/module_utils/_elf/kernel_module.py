# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a kernel module's file on this host: the tables of modpost and the linker."""

import struct

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.image_file import open_image
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.reader import ElfFile
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import (
    ElfError,
    modinfo_fields,
    orc_formats,
    symbol_versions,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import cached_property
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

CHUNK = 1 << 20
LARGEST = 64 << 20  # bytes, uncompressed; the largest of Debian's has 25 MB
EM_X86_64 = 62

# The compiler's lists of places for ftrace to change (include/asm-generic/vmlinux.lds.h, MCOUNT_REC). On x86 the second
# one has the paddings in front of functions instead (CONFIG_CALL_PADDING).
TRACE_LISTS = ("__mcount_loc", "__patchable_function_entries")


def read_image(host, path):
    """The uncompressed bytes of a file; raises LivepatchError as `open_image` does, and `too-large`."""
    chunks, size = [], 0
    with open_image(host.path(path)) as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise LivepatchError(
                    "too-large", f"{path} is larger than {LARGEST >> 20} MiB uncompressed. It is not read.")
    return b"".join(chunks)


def module_file(host, path):
    """The ModuleFile at a path; None if the file cannot be read or is no module."""
    try:
        return ModuleFile(read_image(host, path))
    except (LivepatchError, ElfError):
        return None


class ModuleFile:
    """One module file; every attribute and method raises ElfError for a damaged file."""

    def __init__(self, data):
        self.elf = ElfFile(data)
        self.size = len(data)
        self._data = data

    def _bytes(self, name):
        section = self.elf.section(name)
        return b"" if section is None else bytes(self.elf.contents(section))

    @cached_property
    def modinfo(self):
        """{tag: first value} of .modinfo."""
        fields = {}
        for tag, value in modinfo_fields(self._bytes(".modinfo")):
            fields.setdefault(tag, value)
        return fields

    @cached_property
    def is_live_patch(self):
        """Whether it is one, for any mechanism; the kernel does not look at the value of `livepatch`.

        Those for kpatch.ko and for kGraft have no such tag (plugins/plugin_utils/_formats has more about them).
        """
        return (
            "livepatch" in self.modinfo or self.elf.section(".kpatch.funcs") is not None
            or self.elf.imports("kgr_patch_kernel"))

    @cached_property
    def build_id(self):
        """As hex, or None."""
        return notes.build_id(self._bytes(".note.gnu.build-id"), self.elf.order)

    @cached_property
    def struct_size(self):
        """sizeof(struct module), None for a file that is not a module."""
        section = self.elf.section(".gnu.linkonce.this_module")
        return section.size if section else None

    @cached_property
    def has_versions(self):
        """Whether it was built with CONFIG_MODVERSIONS."""
        return any(self.elf.section(name) for name in ("__versions", "__version_ext_crcs"))

    @cached_property
    def crcs(self):
        """{symbol: CRC} of its imports."""
        tables = map(self._bytes, ("__versions", "__version_ext_crcs", "__version_ext_names"))
        return symbol_versions(*tables, self.elf.order, self.elf.word)

    @cached_property
    def orc_unwind(self):
        """Whether it has data for unwinding stacks."""
        return self.elf.section(".orc_unwind") is not None

    @cached_property
    def orc_header(self):
        """The digest of that data's format as hex, or None."""
        return b"".join(orc_formats(self._bytes(".orc_header"))).hex() or None

    @cached_property
    def _trace_places(self):
        """{(section, offset)} of every place that ftrace can change."""
        places = set()
        for name in TRACE_LISTS[:1] if self._machine == EM_X86_64 else TRACE_LISTS:
            for section in self.elf.named(name):
                for relocation in self.elf.relocations(section):
                    places.add((relocation.symbol.section, relocation.symbol.value + relocation.addend))
        return places

    def traceable(self, symbol):
        """Whether ftrace can redirect a function; None if the file lists no places."""
        if not self._trace_places:
            return None
        # On x86 the place is the function's start, after endbr64; other machines may have it before the start.
        first, end = (0, 16) if self._machine == EM_X86_64 else (-16, 32)
        end = min(end, symbol.size or end)  # places after a short function are the next one's
        return any((symbol.section, symbol.value + step) in self._trace_places for step in range(first, end))

    @cached_property
    def _machine(self):
        return struct.unpack_from(self.elf.order + "H", self._data, 18)[0]
