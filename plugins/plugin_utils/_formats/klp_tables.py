# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Arrays of klp_object, klp_func and klp_state (include/linux/livepatch.h) in a module's data.

Only the leading members of these structs are fixed; the size of the rest depends on the kernel and its configuration.
Therefore the size of an entry (the stride) is searched. With the correct stride, every entry has pointers, numbers and
zeros in their places, up to the entry of zeros at the end of the array.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHF_ALLOC,
    Location,
    ModuleImage,
    Section,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import (
    CALLBACKS,
    VMLINUX,
    Function,
    PatchedObject,
    State,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import too_complex

# In words; beyond the largest known entry, a klp_object of a kernel with lock debugging.
_MAX_STRIDE = 128
# The limit of the search in one file, in bytes; enough for hundreds of arrays, and less than a second of work.
_SCAN_BUDGET = 8 * 1024 * 1024
_SCAN_MINIMUM = 256
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_.$]{1,511}")
# Any text: a name that no module can have is the patch's mistake, and the host's checks say so.
_OBJECT_NAME = re.compile(r"[\x21-\x7e]{1,255}")

_Entry = t.TypeVar("_Entry")


@dataclasses.dataclass(frozen=True)
class Shape:
    """An array's entry, counted in words of the machine."""

    size: int  # of the leading members, the same in every kernel
    usual: int  # of the whole entry, in kernels without lock debugging
    required: frozenset[int]  # members that must be pointers
    optional: frozenset[int]  # members that can be pointers
    numbers: frozenset[int]  # members that hold numbers


# old_name, new_func, old_sympos
FUNCTIONS = Shape(3, 19, required=frozenset({0, 1}), optional=frozenset(), numbers=frozenset({2}))
# name, funcs, and klp_callbacks: four functions and post_unpatch_enabled
OBJECTS = Shape(7, 21, required=frozenset({1}), optional=frozenset({0, 2, 3, 4, 5}), numbers=frozenset())


class KlpTables:
    """Reads the arrays of one module.

    Raises PatchFileError: too-complex.
    """

    def __init__(self, image: ModuleImage) -> None:
        self._image = image
        self._offsets: dict[int, list[int]] = {}
        self._known_functions: dict[Location, list[Function] | None] = {}
        self._scanned = 0
        # True if an array could be read in two ways.
        self.ambiguous = False
        # Members of all entries, and empty arrays: code with the address of one may change the patch at run time.
        self.members: set[Location] = set()

    def objects(self, start: Location) -> list[PatchedObject] | None:
        """The klp_object array at a location, or None."""
        return self._entries(start, OBJECTS, self._object) or None

    def functions(self, start: Location) -> list[Function] | None:
        """The klp_func array at a location, possibly empty, or None."""
        if start not in self._known_functions:
            self._known_functions[start] = self._read_functions(start)
        return self._known_functions[start]

    def _read_functions(self, start: Location) -> list[Function] | None:
        section = self._image.sections[start.section]
        if section.type == "SHT_NOBITS" and section.flags & SHF_ALLOC and 0 <= start.offset < section.size:
            self.members.add(start)  # an empty array, only the end, is in .bss
            return []
        return self._entries(start, FUNCTIONS, self._function)

    def states(self, start: Location) -> list[State] | None:
        """The klp_state array at a location, or None. This struct is the same in every kernel."""
        section, word = self._image.sections[start.section], self._image.word
        if not section.is_data or start.offset < 0:
            return None
        pointers = self._image.pointers(section)
        states: list[State] = []
        for position in range(start.offset, section.size - 3 * word + 1, 3 * word):
            self._spend(3 * word)
            if position in pointers or position + word in pointers:
                return None
            number = self._image.number(section, position, word)
            if number == 0:
                return states or None
            states.append(State(number, self._image.number(section, position + word, 4)))
        return None

    def _entries(
        self, start: Location, shape: Shape, read: t.Callable[[Section, int], _Entry | None]
    ) -> list[_Entry] | None:
        """The entries of the array at a location, each converted by `read`; None without such an array."""
        section, word = self._image.sections[start.section], self._image.word
        if not section.is_data or not 0 <= start.offset <= section.size - shape.size * word:
            return None
        if self._is_blank(section, start.offset, start.offset + shape.size * word):
            self.members.add(start)
            return []
        pointers = self._image.pointers(section)
        if any(start.offset + member * word not in pointers for member in shape.required):
            return None
        if read(section, start.offset) is None:
            return None
        found = {}
        for stride in range(shape.size, _MAX_STRIDE):
            entries = self._walk(start, stride * word, shape, read)
            if entries is not None:
                found[stride] = entries
        if not found:
            return None
        stride = self._choose_stride(found, shape)
        self._remember_members(start, shape, stride, len(found[stride]))
        return found[stride]

    def _choose_stride(self, found: dict[int, list[_Entry]], shape: Shape) -> int:
        """The usual stride, or else the one with the most entries: a wrong one makes an array seem shorter."""
        longest = max(found, key=lambda stride: len(found[stride]))
        if shape.usual not in found:
            return longest
        # In a stripped module, a longer array of larger structs looks like a short one with similar data behind it.
        if len(found[longest]) > len(found[shape.usual]):
            self.ambiguous = True
        return shape.usual

    def _remember_members(self, start: Location, shape: Shape, stride: int, count: int) -> None:
        words = [entry * stride + member for entry in range(count) for member in range(shape.size)]
        # Not the first word: code may address an array without changing it.
        for number in words[1:]:
            self.members.add(Location(start.section, start.offset + number * self._image.word))

    def _walk(
        self, start: Location, stride: int, shape: Shape, read: t.Callable[[Section, int], _Entry | None]
    ) -> list[_Entry] | None:
        section = self._image.sections[start.section]
        size = self._image.object_size(start)
        if size is not None and size % stride:
            return None
        end = section.size if size is None else min(start.offset + size, section.size)
        entries: list[_Entry] = []
        for position in range(start.offset, end - stride + 1, stride):
            if self._is_blank(section, position, position + stride):
                # An array of known size must be blank up to its end.
                return entries if size is None or self._is_blank(section, position, end) else None
            entry = read(section, position) if self._has_shape(section, position, stride, shape) else None
            if entry is None:
                return None
            entries.append(entry)
        return None

    def _spend(self, size: int) -> None:
        self._scanned += max(size, _SCAN_MINIMUM)
        if self._scanned > _SCAN_BUDGET:
            raise too_complex()

    def _pointer_count(self, section: Section, start: int, end: int) -> int:
        if section.shndx not in self._offsets:
            self._offsets[section.shndx] = list(self._image.pointers(section))
        offsets = self._offsets[section.shndx]
        return bisect.bisect_left(offsets, end) - bisect.bisect_left(offsets, start)

    def _is_blank(self, section: Section, start: int, end: int) -> bool:
        self._spend(end - start)
        if self._pointer_count(section, start, end):
            return False
        return bytes(self._image.contents(section)[start:end]).count(0) == end - start

    def _has_shape(self, section: Section, position: int, stride: int, shape: Shape) -> bool:
        word, pointers = self._image.word, self._image.pointers(section)
        pointing = {member for member in shape.required | shape.optional if position + member * word in pointers}
        if not shape.required <= pointing or self._pointer_count(section, position, position + stride) != len(pointing):
            return False
        content = bytearray(self._image.contents(section)[position : position + stride])
        for member in pointing | shape.numbers:
            content[member * word : (member + 1) * word] = bytes(word)
        return content.count(0) == stride

    def _function(self, section: Section, position: int) -> Function | None:
        word, pointers = self._image.word, self._image.pointers(section)
        name = self._image.string(pointers[position])
        if name is None or not _FUNCTION_NAME.fullmatch(name) or not self._image.is_code(pointers[position + word]):
            return None
        sympos = self._image.number(section, position + 2 * word, word)
        return Function(name, sympos, self._image.function_symbol(pointers[position + word], name))

    def _object(self, section: Section, position: int) -> PatchedObject | None:
        word, pointers = self._image.word, self._image.pointers(section)
        name = self._image.string(pointers[position]) if position in pointers else VMLINUX
        functions = self.functions(pointers[position + word])
        callbacks = {
            callback: pointers[position + member * word]
            for member, callback in enumerate(CALLBACKS, start=2)
            if position + member * word in pointers
        }
        if name is None or not _OBJECT_NAME.fullmatch(name) or functions is None or not (functions or callbacks):
            return None
        if not all(self._image.is_code(location) for location in callbacks.values()):
            return None
        return PatchedObject(name, functions, list(callbacks))
