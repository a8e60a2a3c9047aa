# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change at a time on a host: a lock that dies with its holder."""

import fcntl
import os
from contextlib import contextmanager

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._private_files import private_directory

DIRECTORY = "/run/kernel-livepatch"


@contextmanager
def change_lock(host):
    """Hold the host's lock; raises LivepatchError `host-busy` at once when another change has it."""
    directory = private_directory(host.path(DIRECTORY))
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(os.path.join(directory, "lock"), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LivepatchError(
                "host-busy", "This host is being changed by another run of this collection: wait until it has ended."
            ) from error
        yield
    finally:
        os.close(descriptor)
