# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taints of the kernel that are new since a baseline."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import (
    TAINTS,
    decoded_taints,
    taint_mask,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import loaded_module

# Livepatch, out-of-tree, unsigned: any patch may set these taints, also one replaced since.
OF_PATCHES = "KOE"


def new_taints(host, name, before):
    """A finding for each taint that is not in the mask `before` and that patches, `name` among them, do not set."""
    new = taint_mask(host) & ~before
    if not new:
        return []
    module = loaded_module(host, name)
    letters = OF_PATCHES + (module["taint"] if module else "")
    brought = sum(1 << bit for bit, (letter, _meaning) in enumerate(TAINTS) if letter in letters)
    return [finding("new-taint", taint["letter"], name=name, **taint) for taint in decoded_taints(new & ~brought)]
