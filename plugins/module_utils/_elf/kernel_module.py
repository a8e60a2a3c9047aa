# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel module's file on this host: what modpost and the linker put into it."""

import struct

from ansible_collections.kernel.livepatch.plugins.module_utils._elf import notes
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.compression import open_image
from ansible_collections.kernel.livepatch.plugins.module_utils._elf.reader import ElfError, ElfFile
from ansible_collections.kernel.livepatch.plugins.module_utils._util.cached_property import once
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

CHUNK = 1 << 20
LARGEST = 64 << 20  # bytes, uncompressed; the largest of Debian's has 25 MB
VERSION_ENTRY = 64  # struct modversion_info: an unsigned long, and the rest for the name
ORC_HEADER = 20  # bytes
EM_X86_64 = 62

# Where the compiler lists the places that ftrace can change (include/asm-generic/vmlinux.lds.h, MCOUNT_REC). On x86 the
# second one has the paddings in front of functions instead (CONFIG_CALL_PADDING).
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
    """The ModuleFile at a path; None where it cannot be read or is none."""
    try:
        return ModuleFile(read_image(host, path))
    except (LivepatchError, ElfError):
        return None


class ModuleFile:
    """What one module file tells; every attribute and method raises ElfError for a damaged file."""

    def __init__(self, data):
        self.elf = ElfFile(data)
        self._data = data

    def _bytes(self, name):
        section = self.elf.section(name)
        return b"" if section is None else bytes(self.elf.contents(section))

    @once
    def modinfo(self):
        """{tag: first value} of .modinfo."""
        fields = {}
        for entry in self._bytes(".modinfo").decode("utf-8", "replace").split("\0"):
            tag, equals, value = entry.partition("=")
            if equals:
                fields.setdefault(tag, value)
        return fields

    @once
    def build_id(self):
        """As hex, or None."""
        return notes.build_id(self._bytes(".note.gnu.build-id"))

    @once
    def struct_size(self):
        """sizeof(struct module), None for what is not a module."""
        section = self.elf.section(".gnu.linkonce.this_module")
        return section.size if section else None

    @once
    def has_versions(self):
        """Whether it was built with CONFIG_MODVERSIONS."""
        return any(self.elf.section(name) for name in ("__versions", "__version_ext_crcs"))

    @once
    def crcs(self):
        """{symbol: CRC} of what it imports; the kernel takes the extended table first (kernel/module/version.c)."""
        found = self._plain_crcs()
        found.update(self._extended_crcs())
        return found

    def _plain_crcs(self):
        contents = self._bytes("__versions")
        layout = struct.Struct(self.elf.order + ("Q56s" if self.elf.word == 8 else "I60s"))
        if len(contents) % VERSION_ENTRY:
            raise ElfError("section __versions has a part of an entry")
        return {_text(name): crc & 0xFFFFFFFF for crc, name in layout.iter_unpack(contents)}

    def _extended_crcs(self):
        numbers = self._bytes("__version_ext_crcs")
        names = [_text(name) for name in self._bytes("__version_ext_names").split(b"\0") if name]
        if len(numbers) != 4 * len(names):
            raise ElfError("as many names as CRCs are wanted in __version_ext_*")
        return dict(zip(names, struct.unpack(f"{self.elf.order}{len(names)}I", numbers)))

    @once
    def orc_unwind(self):
        """Whether it has data for unwinding its stacks."""
        return self.elf.section(".orc_unwind") is not None

    @once
    def orc_header(self):
        """The digest of that data's format as hex, or None; once, where the linker has put those of several objects
        together."""
        contents = self._bytes(".orc_header")
        parts = dict.fromkeys(contents[start:start + ORC_HEADER] for start in range(0, len(contents), ORC_HEADER))
        return b"".join(parts).hex() or None

    @once
    def _trace_places(self):
        """{(section, offset)} of every place that ftrace can change."""
        places = set()
        for name in TRACE_LISTS[:1] if self._machine == EM_X86_64 else TRACE_LISTS:
            for section in self.elf.named(name):
                for relocation in self.elf.relocations(section):
                    places.add((relocation.symbol.section, relocation.symbol.value + relocation.addend))
        return places

    def traceable(self, symbol):
        """Whether ftrace can redirect a function; None where the file lists no places at all."""
        if not self._trace_places:
            return None
        # On x86 the place is the function's start, after endbr64; other machines may have it before the start.
        first, end = (0, 16) if self._machine == EM_X86_64 else (-16, 32)
        end = min(end, symbol.size or end)  # what follows a short function is the next one's
        return any((symbol.section, symbol.value + step) in self._trace_places for step in range(first, end))

    @once
    def _machine(self):
        return struct.unpack_from(self.elf.order + "H", self._data, 18)[0]


def _text(name):
    return name.partition(b"\0")[0].decode("utf-8", "replace")
