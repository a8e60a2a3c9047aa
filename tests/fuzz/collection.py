# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.kernel.livepatch` importable from a plain clone."""

from __future__ import annotations

import atexit
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def make_importable() -> None:
    """Link the checkout into a collection tree for as long as this process lives, unless it is in one already."""
    if CHECKOUT.parts[-3:] == ("ansible_collections", "kernel", "livepatch"):
        sys.path.insert(0, str(CHECKOUT.parents[2]))
        return
    tree = tempfile.TemporaryDirectory(prefix="kernel-livepatch-")
    atexit.register(tree.cleanup)
    namespace = Path(tree.name, "ansible_collections", "kernel")
    namespace.mkdir(parents=True)
    Path(namespace, "livepatch").symlink_to(CHECKOUT)
    sys.path.insert(0, tree.name)
