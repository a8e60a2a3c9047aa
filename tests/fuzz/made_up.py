# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that have the shape of a live patch, and anything in it.

hypothesis draws bytes, which are read as one decision after the other: a thousand times cheaper than to draw each, and
zeros stand for the plainest decision, so that hypothesis finds a small and plain input for a failure.
"""

from __future__ import annotations

import dataclasses
import struct
import typing as t

from hypothesis import strategies as st

_MAGIC = b"~Module signature appended~\n"
_ENTROPY = 700  # bytes; beyond them, every decision is the plainest
# Bytes in a word, byte order and e_machine: x86_64 most often, all others that are known, and one that is not.
_MACHINES = (
    *((8, "<", 62), (8, "<", 62), (8, "<", 62), (8, "<", 62), (8, "<", 183), (8, ">", 183), (8, "<", 21), (8, ">", 21)),
    *((8, ">", 22), (8, "<", 258), (8, "<", 243), (4, "<", 3), (4, "<", 40), (8, "<", 0xFFFF), (8, "<", 62)),
)
_NAMES = (
    *(".text", ".data", ".bss", ".rodata.str1.1", ".symtab", ".strtab", ".shstrtab", ".modinfo", "__versions"),
    *("__version_ext_crcs", "__version_ext_names", ".gnu.linkonce.this_module", ".note.gnu.build-id", ".BTF"),
    *(".orc_unwind", ".orc_header", ".init.klp_objects", ".init.klp_funcs", ".kpatch.funcs", ".kpatch.strings"),
    *(".kpatch.callbacks.pre_patch", ".kpatch.callbacks.post_unpatch", ".klp.rela.vmlinux..text", ".rela.data"),
    *(".klp.rela.nfsd..text.x", ".init.text", "__param", "__mcount_loc", "", "\xff"),
)
_SYMBOLS = (
    *("", "init_module", "cleanup_module", "klp_enable_patch", "klp_register_patch", "klp_get_state", "__this_module"),
    *("klp_shadow_get", ".klp.sym.vmlinux.jiffies,0", ".klp.sym.a.b,999999999", ".klp.sym..,", "funcs", "\xff\xfe"),
)
_MODINFO = (
    *("vermagic=6.1.0-56-amd64 SMP ", "vermagic=", "name=fix", "license=GPL", "livepatch=Y", "depends=a,b,,", "=", "x"),
    *("parmtype=a:int", "parmtype=:", "parmtype", "version=\xff", "srcversion=\n", "name=../x", "depends="),
)
_FLAGS = (0x3, 0x3, 0x2, 0x6, 0x6, 0x7, 0x30, 0, 0x100000, 0x100042, 0xFFFFFFFF)
_RELOCATIONS = {4: "WWW", 9: "WW"}  # SHT_RELA and SHT_REL: words of an entry
_KINDS = (1, 1, 1, 1, 1, 1, 1, 3, 4, 4, 7, 8, 8, 9, 11, 0, 2, 0x7FFFFFFF)
_SYMBOL_SECTIONS = (0, 1, 2, 3, 4, 5, 0xFF20, 0xFFF1, 0xFFF2, 0xFFFF)
_EDGES = (0, 1, 2, 3, 8, 24, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)

_Item = t.TypeVar("_Item")


class _Decisions:
    """Bytes as decisions."""

    def __init__(self, entropy: bytes) -> None:
        self._bytes = iter(entropy)

    def below(self, count: int) -> int:
        return next(self._bytes, 0) % count

    def one_of(self, items: t.Sequence[_Item]) -> _Item:
        return items[self.below(len(items))]

    def rarely(self) -> bool:
        """True in one of 32 cases: what all files must not have, or they would all be refused at once."""
        return self.below(32) == 31

    def number(self) -> int:
        """A small number, or one at which sizes, offsets and counts break."""
        return self.below(13) if self.below(2) == 0 else self.one_of(_EDGES)

    def some_bytes(self, most: int) -> bytes:
        return bytes(self.below(256) for _time in range(self.below(most + 1)))


@dataclasses.dataclass
class _Section:
    name: str
    kind: int
    flags: int
    content: bytes
    link: int = 0
    info: int = 0
    # What the header claims, where that is not the truth.
    offset: int | None = None
    size: int | None = None


class _Shape(t.NamedTuple):
    word: int
    order: str
    machine: int

    def pack(self, layout: str, *numbers: int) -> bytes:
        """Pack numbers of any size; W stands for a machine word."""
        layout = layout.replace("W", "Q" if self.word == 8 else "I")
        sizes = [struct.calcsize(letter) for letter in layout]
        cut = [number & (1 << 8 * size) - 1 for number, size in zip(numbers, sizes, strict=True)]
        return struct.pack(self.order + layout, *cut)


def module_images() -> st.SearchStrategy[bytes]:
    """Files: sections with the names and the contents that readers look for, in any combination."""
    return st.binary(min_size=_ENTROPY, max_size=_ENTROPY).map(lambda entropy: _module(_Decisions(entropy)))


def _module(decide: _Decisions) -> bytes:
    shape = _Shape(*decide.one_of(_MACHINES))
    strings = b"\0" + b"\0".join(name.encode("latin-1") for name in _SYMBOLS) + (b"" if decide.rarely() else b"\0")
    sections = [_Section("", 0, 0, b"")]
    sections += [_section(decide, shape) for _time in range(1 + decide.below(7))]
    for _time in range(decide.below(4)):
        target = 1 + decide.below(len(sections) - 1)
        sections.append(_relocations_of(decide, shape, target, sections[target]))
    if not decide.rarely():
        sections.append(_Section(".modinfo", 1, 2, _modinfo(decide, shape)))
        name = decide.one_of((b"f/x", b"", b"\xff")) if decide.rarely() else b"fix"
        sections.append(_Section(".gnu.linkonce.this_module", 1, 3, bytes(3 * shape.word) + name + bytes(120)))
    if not decide.rarely():
        count = len(sections)
        sections.append(_Section(".symtab", 2, 0, _symbols(decide, shape, strings, count), count + 1, decide.number()))
        sections.append(_Section(".strtab", 3, 0, strings))
    data = _assemble(decide, shape, sections)
    return data + _signature(decide) if decide.below(4) == 3 else data


def _section(decide: _Decisions, shape: _Shape) -> _Section:
    kind = decide.one_of(_KINDS)
    if kind in _RELOCATIONS:
        content = _relocations(decide, shape, _RELOCATIONS[kind], 40)
    else:
        content = decide.one_of((_words, _words, _note, _modinfo, _anything))(decide, shape)
    section = _Section(decide.one_of(_NAMES), kind, decide.one_of(_FLAGS), content, decide.number(), decide.number())
    if decide.rarely():
        section.offset = decide.number()
    if decide.rarely():
        section.size = decide.number()
    return section


def _words(decide: _Decisions, shape: _Shape) -> bytes:
    """Tables: zeros with some numbers among them."""
    words = [0] * decide.below(60)
    for _time in range(decide.below(5) if words else 0):
        words[decide.below(len(words))] = decide.number()
    return b"".join(shape.pack("W", number) for number in words)


def _relocations_of(decide: _Decisions, shape: _Shape, index: int, target: _Section) -> _Section:
    kind = decide.one_of((4, 4, 4, 9))
    content = _relocations(decide, shape, _RELOCATIONS[kind], len(target.content) // shape.word)
    return _Section(f".rela{target.name}", kind, decide.one_of(_FLAGS), content, 0, index)


def _relocations(decide: _Decisions, shape: _Shape, layout: str, words: int) -> bytes:
    """Pointers at the places of members, to the beginnings of sections and near them."""
    shift = 32 if shape.word == 8 else 8
    entries = []
    for _time in range(decide.below(13) if words else 0):
        place = decide.below(words) * shape.word
        info = decide.below(13) << shift | decide.one_of((1, 1, 2, 4, 257, 38, 22, 0))
        addend = decide.below(13) if decide.below(2) else decide.below(256) - 40
        entries.append(shape.pack(layout, *(place, info, addend)[: len(layout)]))
    if decide.rarely():
        entries.append(shape.pack(layout, *(decide.number() for _letter in layout)))
    return b"".join(entries) + (b"\0" if decide.rarely() else b"")


def _symbols(decide: _Decisions, shape: _Shape, strings: bytes, count: int) -> bytes:
    """A symbol for each section first, so that relocations find something, and then named ones."""
    names = [index + 1 for index, byte in enumerate(strings[:-1]) if byte == 0]
    entries = [(0, 0, 0, 0, 0)] + [(0, 3, index, 0, 0) for index in range(1, count)]
    for _time in range(decide.below(11)):
        name = decide.number() if decide.rarely() else decide.one_of(names)
        info = decide.one_of((0x10, 0x11, 0x12, 0x20, 1, 2, 0xFF))
        entries.append((name, info, decide.one_of(_SYMBOL_SECTIONS), decide.number(), decide.number()))
    packed = []
    for name, info, section, value, size in entries:
        fields = (name, info, 0, section, value, size) if shape.word == 8 else (name, value, size, info, 0, section)
        packed.append(shape.pack("IBBHWW" if shape.word == 8 else "IWWBBH", *fields))
    return b"".join(packed)


def _anything(decide: _Decisions, _shape: _Shape) -> bytes:
    return decide.some_bytes(80)


def _modinfo(decide: _Decisions, _shape: _Shape) -> bytes:
    entries = [decide.one_of(_MODINFO) for _time in range(decide.below(7))]
    return "\0".join(entries).encode("latin-1") + decide.one_of((b"\0", b"", b"\0\0"))


def _note(decide: _Decisions, shape: _Shape) -> bytes:
    header = [decide.one_of((4, 4, 0, 5, 0xFFFFFFFF)), decide.number(), decide.one_of((3, 3, 1))]
    return shape.pack("III", *header) + b"GNU\0" + decide.some_bytes(24)


def _element(decide: _Decisions, depth: int) -> bytes:
    """DER with a right or a wrong length."""
    tag = decide.one_of((0x30, 0x30, 0x31, 0x02, 0x06, 0x04, 0xA0, 0x80, 0))
    inner = [_element(decide, depth - 1) for _time in range(decide.below(4))] if depth else [decide.some_bytes(8)]
    value = b"".join(inner)
    size = decide.below(128) if decide.rarely() else min(len(value), 127)
    long_form = bytes((0x84,)) + decide.number().to_bytes(8, "big")[4:]
    return bytes((tag,)) + (long_form if decide.rarely() else bytes((size,))) + value


def _signature(decide: _Decisions) -> bytes:
    message = _element(decide, 5)
    kind = decide.one_of((2, 2, 2, 1, 0))
    others = [decide.below(13) if decide.rarely() else 0 for _time in range(4)]
    size = decide.number() & 0xFFFFFFFF if decide.rarely() else len(message)
    trailer = struct.pack(">BBBBB3xI", others[0], others[1], kind, others[2], others[3], size)
    return message + trailer + (_MAGIC[1:] if decide.rarely() else _MAGIC)


def _assemble(decide: _Decisions, shape: _Shape, sections: list[_Section]) -> bytes:
    names = b"\0".join(section.name.encode("latin-1") for section in sections) + b"\0.shstrtab\0"
    sections = [*sections, _Section(".shstrtab", 3, 0, names)]
    header_size, entry_size = (64, 64) if shape.word == 8 else (52, 40)
    body, headers, name_at = b"", b"", 0
    for section in sections:
        offset = section.offset if section.offset is not None else header_size + len(body)
        size = section.size if section.size is not None else len(section.content)
        fields = (name_at, section.kind, section.flags, 0, offset, size, section.link, section.info, 1, 0)
        headers += shape.pack("IIWWWWIIWW", *fields)
        if section.kind != 8:  # SHT_NOBITS
            body += section.content + bytes(-len(section.content) % 8)
        name_at += len(section.name) + 1
    claims = [header_size + len(body), entry_size, len(sections), len(sections) - 1]
    if decide.rarely():
        claims[decide.below(len(claims))] = decide.number()
    start, entry, count, names_index = claims
    kind = decide.one_of((2, 0, 0xFFFF)) if decide.rarely() else 1
    ident = b"\x7fELF" + bytes((shape.word // 4, 1 if shape.order == "<" else 2, 1)) + bytes(9)
    rest = (kind, shape.machine, 1, 0, 0, start, 0, header_size, 0, 0, entry, count, names_index)
    return ident + shape.pack("HHIWWWIHHHHHH", *rest) + body + headers
