# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Patches for kGraft of SUSE Linux Enterprise 12.

Their struct kgr_patch begins with members of the running kernel (include/linux/kgraft.h), so it cannot be read without
that kernel's configuration.
"""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import SHN_UNDEF, ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import LivePatch

FORMAT = "kgraft"
_APPLY = "kgr_patch_kernel"


def find(image: ModuleImage, modinfo: Modinfo) -> LivePatch | None:
    """Return an opaque patch for a module that imports kGraft's function to apply it."""
    if modinfo.livepatch or not any(
            symbol.name == _APPLY and symbol.section == SHN_UNDEF for symbol in image.symbols):
        return None
    return LivePatch(FORMAT, opaque=True)
