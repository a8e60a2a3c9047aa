# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch files that a process keeps open, so that it can load them after the store has become unusable."""

import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STORE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.store import (
    FLAGS,
    Store,
    fault_of,
    unusable,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


class RememberedFiles:
    """The descriptions and the opened files of a stack's LAYERs; has the methods of Store that a restore needs."""

    def __init__(self, host, layers):
        store = Store(host)
        self._descriptions = {}
        self._descriptors = {}
        for sha256 in {layer["sha256"] for layer in layers if layer["sha256"]}:
            with suppress(LivepatchError, OSError):  # Store.open would drop a damaged file, and needs the lock
                self._descriptions[sha256] = store.description(sha256)
                path = host.path(f"{STORE_DIRECTORY}/{sha256}.ko")
                self._descriptors[sha256] = os.open(path, FLAGS)

    def description(self, sha256):
        """The description of a remembered file, or None."""
        return self._descriptions.get(sha256)

    def open(self, sha256):
        """A new descriptor of a file, hashed just now; raises LivepatchError `kept-file-damaged`, OSError."""
        if sha256 not in self._descriptors:
            raise unusable("it was not usable when the trial began")
        descriptor = os.open(f"/proc/self/fd/{self._descriptors[sha256]}", FLAGS & ~os.O_NOFOLLOW)
        try:
            why = fault_of(descriptor, sha256)
            if why:
                raise unusable(why)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check_undamaged(self, sha256):
        """Raises LivepatchError `kept-file-damaged` if `open` would."""
        os.close(self.open(sha256))

    def close(self):
        """Close all files."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])
