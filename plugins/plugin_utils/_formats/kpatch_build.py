# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Patches made by kpatch-build, with structs of kpatch's kmod/patch/kpatch-patch.h in .kpatch sections.

The klp_patch is allocated and filled by the module's init function. Older patches need kpatch's own module, kpatch.ko.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import (
    SHN_UNDEF,
    Location,
    ModuleImage,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import (
    CALLBACKS,
    Function,
    LivePatch,
    PatchedObject,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.machine_code import (
    WITH_STATES,
    WITHOUT_STATES,
    replace_stored_by_init,
)

FORMAT = "kpatch-build"
FORMAT_FOR_CORE = "kpatch-core"
_FUNCTIONS = ".kpatch.funcs"
_CALLBACKS = ".kpatch.callbacks."
# new_addr, new_size, old_addr, old_size, sympos, name, objname
_FUNCTION_WORDS, _NEW_ADDR, _SYMPOS, _NAME, _OBJECT = 7, 0, 4, 5, 6
# callback, objname
_CALLBACK_WORDS = 2


def find(image: ModuleImage, modinfo: Modinfo) -> LivePatch | None:
    """Return the patch described in the .kpatch sections; opaque if they cannot be read."""
    if image.section(_FUNCTIONS) is None:
        return None
    objects: dict[str, PatchedObject] = {}
    readable = _read_functions(image, objects)
    for callback in CALLBACKS:
        readable = _read_callbacks(image, callback, objects) and readable
    return LivePatch(
        FORMAT if modinfo.livepatch else FORMAT_FOR_CORE,
        opaque=not readable,
        replace=_replace(image, modinfo),
        objects=list(objects.values()),
    )


def _replace(image: ModuleImage, modinfo: Modinfo) -> bool | None:
    """Whether the patch replaces all others; None if the file does not show it.

    kpatch.ko takes `replace` as a module parameter at load time. Kernels where patches are registered have no `replace`
    for kpatch-build (HAVE_SIMPLE_ENABLE and HAVE_KLP_REPLACE in its livepatch-patch-hook.c).
    """
    if not modinfo.livepatch:
        return None
    if any(symbol.name == "klp_register_patch" and symbol.section == SHN_UNDEF for symbol in image.symbols):
        return False
    return replace_stored_by_init(image, WITH_STATES, WITHOUT_STATES)


def _entries(image: ModuleImage, name: str, words: int) -> t.Iterator[tuple[int, dict[int, Location]]]:
    """Offset and pointers (by word) of each entry of a section; its end may be padded with less than an entry."""
    section = image.section(name)
    if section is None:
        return
    pointers = image.pointers(section)
    size = words * image.word
    for start in range(0, section.size - size + 1, size):
        members = {word: start + word * image.word for word in range(words)}
        yield start, {word: pointers[offset] for word, offset in members.items() if offset in pointers}


def _patched_object(image: ModuleImage, pointer: Location, objects: dict[str, PatchedObject]) -> PatchedObject | None:
    name = image.string(pointer)
    return objects.setdefault(name, PatchedObject(name)) if name else None


def _read_functions(image: ModuleImage, objects: dict[str, PatchedObject]) -> bool:
    section = image.section(_FUNCTIONS)
    if section is None:
        return False
    for start, pointers in _entries(image, _FUNCTIONS, _FUNCTION_WORDS):
        if not {_NEW_ADDR, _NAME, _OBJECT} <= pointers.keys() or _SYMPOS in pointers:
            return False
        name = image.string(pointers[_NAME])
        patched = _patched_object(image, pointers[_OBJECT], objects)
        if name is None or patched is None or not image.is_code(pointers[_NEW_ADDR]):
            return False
        sympos = image.number(section, start + _SYMPOS * image.word, image.word)
        patched.functions.append(Function(name, sympos, image.function_symbol(pointers[_NEW_ADDR], name)))
    return section.size % (_FUNCTION_WORDS * image.word) == 0


def _read_callbacks(image: ModuleImage, callback: str, objects: dict[str, PatchedObject]) -> bool:
    for _start, pointers in _entries(image, _CALLBACKS + callback, _CALLBACK_WORDS):
        patched = _patched_object(image, pointers[1], objects) if pointers.keys() == {0, 1} else None
        if patched is None or not image.is_code(pointers[0]):
            return False
        patched.callbacks.append(callback)
    return True
