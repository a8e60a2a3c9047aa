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
    mask = taint_mask(host)
    new = mask & ~before
    if not new:
        return []
    module = loaded_module(host, name)
    own = module["taint"] if module else ""
    brought = sum(_bit(letter) for letter in set(OF_PATCHES + own)) | _of_distribution(mask, new, own)
    return [finding("new-taint", taint["letter"], name=name, **taint) for taint in decoded_taints(new & ~brought)]


def _of_distribution(mask, new, own):
    """The new taints in bits without a name that the module has brought, as a mask.

    The letter of such a bit can mean another bit here: SUSE's N of an unsupported module is bit 31, and not the bit of
    an in-kernel test. A letter of the module that no bit of the kernel explains is one of an unnamed bit.
    """
    unnamed = new >> len(TAINTS) << len(TAINTS)
    unexplained = {letter for letter in own if letter not in OF_PATCHES and not mask & _bit(letter)}
    return unnamed if bin(unnamed).count("1") <= len(unexplained) else 0


def _bit(letter):
    """The mask of a taint's letter, 0 for a letter without a name."""
    return next((1 << bit for bit, (known, _meaning) in enumerate(TAINTS) if known == letter), 0)
