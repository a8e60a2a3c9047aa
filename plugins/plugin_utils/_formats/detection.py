# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Detects the formats of patch files, in a fixed order."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.modinfo import Modinfo
from ansible_collections.kernel.livepatch.plugins.plugin_utils._elf.module_image import ModuleImage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats import kgraft, klp_build, kpatch_build, source
from ansible_collections.kernel.livepatch.plugins.plugin_utils._formats.live_patch import (
    MAX_FUNCTIONS,
    MAX_OBJECTS,
    LivePatch,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import too_complex

# The two formats with their own sections come first; every other live patch was written from source.
FORMATS = (kpatch_build.find, klp_build.find, kgraft.find, source.find)


def find_live_patch(image: ModuleImage, modinfo: Modinfo) -> LivePatch:
    """Return the LivePatch of a module; its format is "none" if the module is no live patch.

    Raises PatchFileError: malformed-elf, too-complex.
    """
    for find in FORMATS:
        patch = find(image, modinfo)
        if patch is not None:
            functions = sum(len(entry.functions) for entry in patch.objects)
            if len(patch.objects) > MAX_OBJECTS or functions > MAX_FUNCTIONS:
                raise too_complex()
            return patch
    return LivePatch("none")
