# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Reads the .modinfo section, as `modinfo` prints it."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.module_utils._elf.tables import modinfo_fields
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, too_complex

# In bytes; drivers with many aliases have some 100 KiB.
_MAX_SIZE = 1024 * 1024


class Modinfo:
    """The `key=value` strings of a module; a key can occur several times.

    Raises PatchFileError: not-a-module, too-complex.
    """

    def __init__(self, image: ModuleImage) -> None:
        section = image.section(".modinfo")
        if section is None:
            raise PatchFileError(
                "not-a-module", "is an ELF file but not a kernel module (it has no section .modinfo). Give a .ko file"
            )
        if section.size > _MAX_SIZE:
            raise too_complex()
        self._values: dict[str, list[str]] = {}
        for key, value in modinfo_fields(image.contents(section)):
            self._values.setdefault(key, []).append(value)

    def first(self, key: str) -> str | None:
        """The key's first value; the kernel uses the first, too."""
        return self._values.get(key, [None])[0]

    @property
    def release(self) -> str | None:
        """The kernel release of the module's build: the first word of `vermagic`."""
        words = (self.first("vermagic") or "").split()
        return words[0] if words else None

    @property
    def livepatch(self) -> bool:
        """Is it marked as a live patch? The kernel only checks for the key, not its value (kernel/module/main.c)."""
        return "livepatch" in self._values

    @property
    def depends(self) -> list[str]:
        return [name for name in (self.first("depends") or "").split(",") if name]

    @property
    def parameters(self) -> dict[str, str]:
        """Types of the module's parameters by name, such as {"debug": "bool"}."""
        pairs = (entry.partition(":") for entry in self._values.get("parmtype", []))
        return {name: kind for name, _colon, kind in pairs}
