# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage to intact files: the same seed and number give the same file."""

from __future__ import annotations

import random
import typing as t

from tests.fuzz.elf_fields import ElfFields, Field

SHN_LIVEPATCH = 0xFF20
_MAX_GROWTH = 64 * 1024
_MAX_SIZE = 1024 * 1024


class Original(t.NamedTuple):
    """An intact file, and where its numbers are; None for a file that is not an ELF file."""

    name: str
    data: bytes
    fields: ElfFields | None


class Mutator:
    """Makes damaged files out of intact ones."""

    def __init__(self, originals: list[Original], seed: int) -> None:
        self._originals = originals
        self._seed = seed

    def mutant(self, number: int) -> bytes:
        """Return damaged file `number` of the endless sequence that belongs to the seed."""
        choice = random.Random(f"{self._seed}/{number}")
        original = choice.choice(self._originals)
        data = bytearray(original.data)
        mutations = _ON_ELF if original.fields else _ON_BYTES
        for _step in range(choice.choice((1, 1, 1, 2, 2, 3, 4, 8))):
            mutate = choice.choice(mutations)
            mutate(data, original, self._originals, choice)
        return bytes(data[:_MAX_SIZE])


def _set_field(data: bytearray, original: Original, _all: list[Original], choice: random.Random) -> None:
    fields = original.fields
    group = choice.choice(list(fields.fields))
    field = choice.choice(fields.fields[group])
    number = _number(data, field, fields)
    other = _number(data, choice.choice(fields.fields[group]), fields)
    count, size = len(fields.headers), len(data)
    edges = (
        0, 1, 2, 3, 4, 7, 8, 24, 63, 64, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1, -8,
        SHN_LIVEPATCH, number + 1, number - 1, number * 2, number + 8, ~number, field.offset, other, size, size - 1,
        size + 1, count, count - 1, count + 1, choice.randrange(count), choice.randint(0, size),
        choice.getrandbits(8 * field.size),
    )  # fmt: skip
    _put(data, field, choice.choice(edges), fields)


def _copy_field(data: bytearray, original: Original, _all: list[Original], choice: random.Random) -> None:
    """Make one thing claim what another one has: the same name, the same bytes, the same symbol."""
    fields = original.fields
    group = fields.fields[choice.choice(list(fields.fields))]
    field, other = choice.choice(group), choice.choice(group)
    _put(data, field, _number(data, other, fields), fields)


def _swap_or_copy_header(data: bytearray, original: Original, _all: list[Original], choice: random.Random) -> None:
    first, second = (choice.choice(original.fields.headers) for _time in range(2))
    one, other = (bytes(data[field.offset : field.offset + field.size]) for field in (first, second))
    if len(one) == len(other) == first.size:
        data[first.offset : first.offset + first.size] = other
        if choice.random() < 0.5:
            data[second.offset : second.offset + second.size] = one


def _cut_at_boundary(data: bytearray, original: Original, _all: list[Original], choice: random.Random) -> None:
    del data[max(choice.choice(original.fields.boundaries) + choice.choice((-1, 0, 1)), 0) :]


def _grow_section(data: bytearray, original: Original, _all: list[Original], choice: random.Random) -> None:
    """Repeat a section's bytes at the end of the file: the number of its entries is huge, and all of them are there."""
    fields = original.fields
    header = choice.choice(fields.headers)
    offset_field, size_field = _extent(header)
    offset, size = (_number(data, field, fields) for field in (offset_field, size_field))
    content = bytes(data[offset : offset + size]) if offset + size <= len(data) else b""
    if not content or len(content) > _MAX_GROWTH:
        return
    repeated = content * choice.randint(2, max(2, _MAX_GROWTH // len(content)))
    _put(data, offset_field, len(data), fields)
    _put(data, size_field, len(repeated), fields)
    data += repeated


def _extent(header: Field) -> tuple[Field, Field]:
    word = 8 if header.size == 64 else 4
    first = header.offset + 8 + 2 * word
    return Field(first, word), Field(first + word, word)


def _flip_bits(data: bytearray, _original: Original, _all: list[Original], choice: random.Random) -> None:
    for _bit in range(choice.randint(1, 16) if data else 0):
        data[choice.randrange(len(data))] ^= 1 << choice.randrange(8)


def _overwrite(data: bytearray, _original: Original, _all: list[Original], choice: random.Random) -> None:
    if data:
        start, size = choice.randrange(len(data)), choice.choice((1, 2, 4, 8, 64, 200))
        data[start : start + size] = choice.choice((bytes(size), b"\xff" * size, choice.randbytes(size)))


def _cut(data: bytearray, _original: Original, _all: list[Original], choice: random.Random) -> None:
    del data[choice.randint(0, len(data)) :]


def _take_out(data: bytearray, _original: Original, _all: list[Original], choice: random.Random) -> None:
    start = choice.randint(0, len(data))
    del data[start : start + choice.choice((1, 4, 8, 64, 500))]


def _splice(data: bytearray, _original: Original, everything: list[Original], choice: random.Random) -> None:
    """Put a piece of another file in, or over what is there."""
    other = choice.choice(everything).data
    start, size = choice.randrange(len(other)), choice.choice((1, 8, 64, 500, 5000))
    place = choice.randint(0, len(data))
    replaced = choice.choice((0, size, len(data)))
    data[place : place + replaced] = other[start : start + size]


def _append(data: bytearray, _original: Original, everything: list[Original], choice: random.Random) -> None:
    data += choice.choice((choice.choice(everything).data, choice.randbytes(choice.randint(1, 100)), bytes(40)))


def _number(data: bytearray, field: Field, fields: ElfFields) -> int:
    return int.from_bytes(data[field.offset : field.offset + field.size], t.cast(t.Any, fields.byteorder))


def _put(data: bytearray, field: Field, number: int, fields: ElfFields) -> None:
    if field.offset + field.size <= len(data):
        value = number & (1 << 8 * field.size) - 1
        data[field.offset : field.offset + field.size] = value.to_bytes(field.size, t.cast(t.Any, fields.byteorder))


_ON_BYTES = (_flip_bits, _flip_bits, _overwrite, _cut, _take_out, _splice, _append)
_ON_ELF = (
    *(_set_field, _set_field, _set_field, _set_field, _copy_field, _copy_field, _swap_or_copy_header),
    *(_cut_at_boundary, _grow_section, _flip_bits, _overwrite, _take_out, _splice, _append),
)
