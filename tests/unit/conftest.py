# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `ansible_collections.kernel.livepatch` importable from a plain clone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[2]


def pytest_configure(config):
    """Link the checkout into a collection tree, unless ansible-test has already put it into one."""
    # No test compares seconds: a busy machine takes 20 times as long for an example.
    settings.register_profile("kernel-livepatch", deadline=None)
    settings.load_profile("kernel-livepatch")
    if CHECKOUT.parts[-3:] == ("ansible_collections", "kernel", "livepatch"):
        sys.path.insert(0, str(CHECKOUT.parents[2]))
        return
    tree = tempfile.TemporaryDirectory(prefix="kernel-livepatch-")
    config.add_cleanup(tree.cleanup)
    namespace = Path(tree.name, "ansible_collections", "kernel")
    namespace.mkdir(parents=True)
    Path(namespace, "livepatch").symlink_to(CHECKOUT)
    sys.path.insert(0, tree.name)
