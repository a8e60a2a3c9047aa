# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies of hypothesis for files that have the shape of a live patch and anything in it."""

from __future__ import annotations

import dataclasses
import functools
import struct
import typing as t

from hypothesis import strategies as st

_MAGIC = b"~Module signature appended~\n"
# Bytes in a word, byte order and e_machine: x86_64 most often, all others that are known, and some that are none.
_MACHINES = (
    *((8, "<", 62), (8, "<", 62), (8, "<", 62), (8, "<", 62), (8, "<", 183), (8, ">", 183), (8, "<", 21), (8, ">", 21)),
    *((8, ">", 22), (8, "<", 258), (8, "<", 243), (4, "<", 3), (4, "<", 40), (8, "<", 0xFFFF), (8, "<", 62)),
)
_NAMES = (
    *(".text", ".data", ".bss", ".rodata.str1.1", ".symtab", ".strtab", ".shstrtab", ".modinfo", "__versions"),
    *("__version_ext_crcs", "__version_ext_names", ".gnu.linkonce.this_module", ".note.gnu.build-id", ".BTF"),
    *(".orc_unwind", ".orc_header", ".init.klp_objects", ".init.klp_funcs", ".kpatch.funcs", ".kpatch.strings"),
    *(".kpatch.callbacks.pre_patch", ".kpatch.callbacks.post_unpatch", ".klp.rela.vmlinux..text", ".rela.data"),
    *(".klp.rela.nfsd..text.x", ".init.text", "__param", "", "\xff"),
)  # fmt: skip
_SYMBOLS = (
    *("", "init_module", "cleanup_module", "klp_enable_patch", "klp_register_patch", "klp_get_state", "__this_module"),
    *("klp_shadow_get", ".klp.sym.vmlinux.jiffies,0", ".klp.sym.a.b,999999999", ".klp.sym..,", "funcs", "\xff\xfe"),
)  # fmt: skip
_MODINFO = (
    *("vermagic=6.1.0-56-amd64 SMP ", "vermagic=", "name=fix", "license=GPL", "livepatch=Y", "depends=a,b,,", "=", "x"),
    *("parmtype=a:int", "parmtype=:", "parmtype", "version=\xff", "srcversion=\n", "name=../x", "depends="),
)  # fmt: skip
_FLAGS = (0, 0x2, 0x3, 0x3, 0x6, 0x7, 0x30, 0x100000, 0x100042, 0xFFFFFFFF)
_RELOCATIONS = {4: "WWW", 9: "WW"}  # SHT_RELA and SHT_REL: words of an entry
_KINDS = (1, 1, 1, 1, 1, 1, 1, 3, 4, 4, 7, 8, 8, 9, 11, 0, 2, 0x7FFFFFFF)
_DEFINED_SECTIONS = (0, 1, 2, 3, 4, 5, 0xFF20, 0xFFF1, 0xFFF2, 0xFFFF)
_EDGES = (0, 1, 2, 3, 8, 24, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)

# The greatest ones stand for what most files must not have, or they would all be refused at once.
_rarely = st.sampled_from(range(32))
_small = st.integers(0, 12)
_addends = st.one_of(_small, st.integers(-40, 400))
_numbers = st.one_of(_small, st.sampled_from(_EDGES))


@dataclasses.dataclass
class _Section:
    name: str
    kind: int
    flags: int
    content: bytes
    link: int
    info: int
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


@st.composite
def module_images(draw: st.DrawFn) -> bytes:
    """Draw a file: sections with the names and the contents that readers look for, in any combination."""
    shape = _Shape(*draw(st.sampled_from(_MACHINES)))
    strings = b"\0" + b"\0".join(name.encode("latin-1") for name in _SYMBOLS) + (b"" if draw(_rarely) == 31 else b"\0")
    sections = [_Section("", 0, 0, b"", 0, 0)]
    sections += draw(_section_lists(shape))
    for target in draw(st.lists(st.sampled_from(range(1, len(sections))), max_size=3)):
        size, kind = len(sections[target].content), draw(st.sampled_from((4, 4, 4, 9)))
        content = draw(_relocations(shape, _RELOCATIONS[kind], size // shape.word))
        name, flags = f".rela{sections[target].name}", draw(st.sampled_from(_FLAGS))
        sections.append(_Section(name, kind, flags, content, 0, target))
    missing = draw(_rarely)
    if missing != 1:
        sections.append(_Section(".modinfo", 1, 2, draw(_modinfo()), 0, 0))
        this_module = bytes(3 * shape.word) + (b"fix", b"f/x", b"", b"\xff")[max(draw(_rarely) - 28, 0)] + bytes(120)
        sections.append(_Section(".gnu.linkonce.this_module", 1, 3, this_module, 0, 0))
    if missing != 2:
        count = len(sections)
        sections.append(_Section(".symtab", 2, 0, draw(_symbols(shape, strings, count)), count + 1, draw(_numbers)))
        sections.append(_Section(".strtab", 3, 0, strings, 0, 0))
    data = _assemble(draw, shape, sections)
    return data + draw(_signatures()) if draw(_rarely) > 24 else data


@functools.cache
def _contents(shape: _Shape, kind: int) -> st.SearchStrategy[bytes]:
    if kind in _RELOCATIONS:
        return _relocations(shape, _RELOCATIONS[kind], 40)
    return st.one_of(_words(shape), _notes(shape), _modinfo(), st.binary(max_size=80))


@functools.cache
def _section_lists(shape: _Shape) -> st.SearchStrategy[list[_Section]]:
    return st.lists(_sections(shape), min_size=1, max_size=8)


@st.composite
def _sections(draw: st.DrawFn, shape: _Shape) -> _Section:
    kind = draw(st.sampled_from(_KINDS))
    content = draw(_contents(shape, kind))
    section = _Section(
        draw(st.sampled_from(_NAMES)), kind, draw(st.sampled_from(_FLAGS)), content, draw(_numbers), draw(_numbers)
    )
    untrue = draw(_rarely)
    if untrue == 31:
        section.offset = draw(_numbers)
    elif untrue == 30:
        section.size = draw(_numbers)
    return section


@st.composite
def _words(draw: st.DrawFn, shape: _Shape) -> bytes:
    """Tables: zeros with some numbers among them."""
    words = [0] * draw(st.integers(0, 60))
    for place, number in draw(st.lists(st.tuples(st.integers(0, 59), _numbers), max_size=6)):
        if place < len(words):
            words[place] = number
    return b"".join(shape.pack("W", number) for number in words)


@functools.cache
def _relocations(shape: _Shape, layout: str, words: int) -> st.SearchStrategy[bytes]:
    return _relocation_tables(shape, layout, st.integers(0, max(words - 1, 0)), st.integers(0, 12 if words else 0))


@st.composite
def _relocation_tables(
    draw: st.DrawFn, shape: _Shape, layout: str, words: st.SearchStrategy[int], counts: st.SearchStrategy[int]
) -> bytes:
    """Pointers at the places of members, to the beginnings of sections and near them."""
    shift = 32 if shape.word == 8 else 8
    entries = []
    for _entry in range(draw(counts)):
        place = draw(words) * shape.word
        info = draw(_small) << shift | draw(st.sampled_from((1, 1, 2, 4, 257, 38, 22, 0)))
        entries.append(shape.pack(layout, *(place, info, draw(_addends))[: len(layout)]))
    damage = draw(_rarely)
    if damage == 31 and entries:
        entries[0] = shape.pack(layout, *(draw(_numbers) for _letter in layout))
    return b"".join(entries) + (b"\0" if damage == 30 else b"")


@st.composite
def _symbols(draw: st.DrawFn, shape: _Shape, strings: bytes, count: int) -> bytes:
    """A symbol for each section first, so that relocations find something, and then named ones."""
    names = [index + 1 for index, byte in enumerate(strings[:-1]) if byte == 0]
    entries = [(0, 0, 0, 0, 0)] + [(0, 3, index, 0, 0) for index in range(1, count)]
    for _entry in range(draw(st.integers(0, 10))):
        name = draw(_numbers) if draw(_rarely) == 31 else draw(st.sampled_from(names))
        info = draw(st.sampled_from((0x10, 0x11, 0x12, 0x20, 1, 2, 0xFF)))
        entries.append((name, info, draw(st.sampled_from(_DEFINED_SECTIONS)), draw(_numbers), draw(_numbers)))
    packed = []
    for name, info, section, value, size in entries:
        fields = (name, info, 0, section, value, size) if shape.word == 8 else (name, value, size, info, 0, section)
        packed.append(shape.pack("IBBHWW" if shape.word == 8 else "IWWBBH", *fields))
    return b"".join(packed)


@st.composite
def _modinfo(draw: st.DrawFn) -> bytes:
    entries = draw(st.lists(st.sampled_from(_MODINFO), max_size=6))
    return "\0".join(entries).encode("latin-1") + draw(st.sampled_from((b"\0", b"", b"\0\0")))


@st.composite
def _notes(draw: st.DrawFn, shape: _Shape) -> bytes:
    header = [draw(st.sampled_from((4, 4, 0, 5, 0xFFFFFFFF))), draw(_numbers), draw(st.sampled_from((3, 3, 1)))]
    return shape.pack("III", *header) + b"GNU\0" + draw(st.binary(max_size=24))


@st.composite
def _elements(draw: st.DrawFn, depth: int) -> bytes:
    """DER with a right or a wrong length."""
    tag = draw(st.sampled_from((0x30, 0x30, 0x31, 0x02, 0x06, 0x04, 0xA0, 0x80, 0)))
    inner = draw(st.lists(_elements(depth - 1), max_size=4)) if depth else [draw(st.binary(max_size=8))]
    value = b"".join(inner)
    size = len(value) if draw(_rarely) < 30 else draw(st.integers(0, 127))
    long_form = bytes((0x84,)) + draw(_numbers).to_bytes(8, "big")[4:]
    return bytes((tag,)) + (bytes((min(size, 127),)) if draw(_rarely) < 30 else long_form) + value


@st.composite
def _signatures(draw: st.DrawFn) -> bytes:
    message = draw(_elements(5))
    kind = draw(st.sampled_from((2, 2, 2, 1, 0)))
    others = [draw(_small) if draw(_rarely) == 31 else 0 for _ in range(4)]
    size = len(message) if draw(_rarely) < 30 else draw(_numbers) & 0xFFFFFFFF
    trailer = struct.pack(">BBBBB3xI", others[0], others[1], kind, others[2], others[3], size)
    return message + trailer + _MAGIC[draw(st.sampled_from((0, 0, 0, 1))) :]


def _assemble(draw: st.DrawFn, shape: _Shape, sections: list[_Section]) -> bytes:
    names = b"\0".join(section.name.encode("latin-1") for section in sections) + b"\0.shstrtab\0"
    sections = [*sections, _Section(".shstrtab", 3, 0, names, 0, 0)]
    header_size, entry_size = (64, 64) if shape.word == 8 else (52, 40)
    body, headers, name_at = b"", b"", 0
    for section in sections:
        stored = b"" if section.kind == 8 else section.content
        offset = section.offset if section.offset is not None else header_size + len(body)
        size = section.size if section.size is not None else len(section.content)
        fields = (name_at, section.kind, section.flags, 0, offset, size, section.link, section.info, 1, 0)
        headers += shape.pack("IIWWWWIIWW", *fields)
        body += stored + bytes(-len(stored) % 8)
        name_at += len(section.name) + 1
    fields = [header_size + len(body), entry_size, len(sections), len(sections) - 1]
    untrue = draw(_rarely)
    if untrue > 31 - len(fields):
        fields[31 - untrue] = draw(_numbers)
    start, entry, count, names_index = fields
    kind = (1, 2, 0, 0xFFFF)[max(draw(_rarely) - 28, 0)]
    ident = b"\x7fELF" + bytes((shape.word // 4, 1 if shape.order == "<" else 2, 1)) + bytes(9)
    header = shape.pack(
        "HHIWWWIHHHHHH", kind, shape.machine, 1, 0, 0, start, 0, header_size, 0, 0, entry, count, names_index
    )
    return ident + header + body + headers
