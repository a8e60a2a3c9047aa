# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The user of this playbook, for the journal of a host."""

from __future__ import annotations

import getpass
import os
import platform


def operator() -> dict[str, str]:
    """The user and the name of the controller: the key `operator` of `via_controller`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        user = str(os.getuid())
    return {"user": user, "node": platform.node()}
