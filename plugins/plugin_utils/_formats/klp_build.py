# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Patches made by the kernel's klp-build (scripts/livepatch, Linux 6.19 and later).

Arrays of klp_object_ext and klp_func_ext (include/linux/livepatch_external.h) are in sections of their own; the init
function turns them into a klp_patch.
"""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import Location, ModuleImage, Section
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import (
    CALLBACKS,
    MAX_FUNCTIONS,
    MAX_OBJECTS,
    VMLINUX,
    Function,
    LivePatch,
    PatchedObject,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.machine_code import (
    WITH_STATES,
    replace_stored_by_init,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import too_complex

FORMAT = "klp-build"
_OBJECTS = ".init.klp_objects"
# name, funcs, four callbacks and post_unpatch_enabled, nr_funcs (32 bits)
_OBJECT_WORDS, _NAME, _FUNCS, _FIRST_CALLBACK, _COUNT = 8, 0, 1, 2, 7
# old_name, new_func, sympos
_FUNCTION_WORDS, _OLD_NAME, _NEW_FUNC, _SYMPOS = 3, 0, 1, 2


def find(image: ModuleImage, modinfo: Modinfo) -> LivePatch | None:
    """Return the patch described in .init.klp_objects; opaque if the section cannot be read."""
    section = image.section(_OBJECTS)
    if section is None:
        return None
    size = _OBJECT_WORDS * image.word
    starts = range(0, section.size - size + 1, size)
    if len(starts) > MAX_OBJECTS:
        raise too_complex()
    if sum(image.number(section, start + _COUNT * image.word, 4) for start in starts) > MAX_FUNCTIONS:
        raise too_complex()
    found = [_object(image, section, start) for start in starts]
    objects = [entry for entry in found if entry is not None]
    return LivePatch(
        FORMAT,
        opaque=not objects or len(objects) < len(found) or section.size % size != 0,
        replace=replace_stored_by_init(image, WITH_STATES),
        objects=objects,
    )


def _object(image: ModuleImage, section: Section, start: int) -> PatchedObject | None:
    word, pointers = image.word, image.pointers(section)
    name_offset = start + _NAME * word
    name = image.string(pointers[name_offset]) if name_offset in pointers else VMLINUX
    count = image.number(section, start + _COUNT * word, 4)
    functions = _functions(image, pointers.get(start + _FUNCS * word), count)
    callbacks = [
        callback
        for member, callback in enumerate(CALLBACKS, start=_FIRST_CALLBACK)
        if start + member * word in pointers
    ]
    if name is None or functions is None:
        return None
    return PatchedObject(name, functions, callbacks)


def _functions(image: ModuleImage, start: Location | None, count: int) -> list[Function] | None:
    if count == 0:
        return []
    if start is None:
        return None
    section, word = image.sections[start.section], image.word
    size = _FUNCTION_WORDS * word
    if not section.is_data or not 0 <= start.offset <= section.size - count * size:
        return None
    pointers = image.pointers(section)
    functions = []
    for entry in range(start.offset, start.offset + count * size, size):
        name, code = pointers.get(entry + _OLD_NAME * word), pointers.get(entry + _NEW_FUNC * word)
        text = image.string(name) if name else None
        if text is None or code is None or not image.is_code(code):
            return None
        sympos = image.number(section, entry + _SYMPOS * word, word)
        functions.append(Function(text, sympos, image.function_symbol(code, text)))
    return functions
