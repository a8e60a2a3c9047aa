# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records clean shutdowns: the host writes a mark while it shuts down, so that the next boot suspects no crash.

    /var/lib/kernel-livepatch/clean-shutdown      the boot_ids of the last boots that ended cleanly, a line each

A damaged mark counts as no mark of its boot, and no other boot is judged by it.
"""

import contextlib
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    private_directory,
    sync_directory,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import (
    only_root_writes,
    read_words,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import CLEAN_SHUTDOWN, STATE_DIRECTORY

MOST_BOOTS = 16  # boots; the ledger may be of an earlier boot, if the last one could not write it
# Enough for MOST_BOOTS, reserved in advance: a clean shutdown on a full disk must not look like a crash.
RESERVED_BYTES = 1024


def was_clean(host, boot_id):
    """Whether the boot ended cleanly; False if there is no record of it."""
    return boot_id in _clean_boots(host)


def record_clean_shutdown(host):
    """Write the mark for this boot; raises LivepatchError `directory-not-private`, and OSError."""
    if not only_root_writes(host, STATE_DIRECTORY):  # others may read it, or the next boot would suspect a crash
        private_directory(host.path(STATE_DIRECTORY))
    this = host.read(BOOT_ID)
    _write(host, [*(boot for boot in _clean_boots(host) if boot != this), this][-MOST_BOOTS:])


def withdraw_clean_shutdown(host):
    """Remove the mark for this boot, because the host keeps running; raises OSError."""
    this, clean = host.read_or(BOOT_ID), _clean_boots(host)
    if this in clean:
        _write(host, [boot for boot in clean if boot != this])


def reserve_space(host):
    """Create the file in advance, so that a mark fits on a full disk; ignores a disk that is full already."""
    if not host.exists(CLEAN_SHUTDOWN):
        with contextlib.suppress(OSError):
            _write(host, [])


def _clean_boots(host):
    return read_words(host, CLEAN_SHUTDOWN, RESERVED_BYTES)


def _write(host, boots):
    """Overwrite the file in place, padded to RESERVED_BYTES, so that it needs no new space."""
    make_way(host.path(CLEAN_SHUTDOWN))
    text = "".join(f"{boot}\n" for boot in boots).encode("ascii").ljust(RESERVED_BYTES, b"\n")
    descriptor = os.open(host.path(CLEAN_SHUTDOWN), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, RESERVED_BYTES)  # a damaged file can be longer
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(host.path(STATE_DIRECTORY))
