# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh options that lead to a machine: the same for the lab, for a person and for the inventory."""

from __future__ import annotations

from pathlib import Path

from .errors import LabError
from .keys import HOST_KEY_ALIAS, Keys

# sizeof(sun_path), less its end and the suffix that ssh adds while it creates the socket.
LONGEST_CONTROL_PATH = 108 - 1 - 17


def check_length(run_directory: Path) -> None:
    """Raise LabError `path-too-long` where ssh could not make its sockets."""
    if len(str(run_directory / "65535-operator")) > LONGEST_CONTROL_PATH:
        raise LabError(
            "path-too-long",
            f"{run_directory} is too long a path for ssh's sockets; set XDG_CACHE_HOME to a shorter one.",
        )


def options(keys: Keys, run_directory: Path) -> list[str]:
    """Return the options; sessions share one connection, which is kept for a minute, by a socket in the directory."""
    settings = {
        "UserKnownHostsFile": keys.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": HOST_KEY_ALIAS,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "ConnectTimeout": 10,
        # A machine that restarts does not end its connections; this notices.
        "ServerAliveInterval": 10,
        "ServerAliveCountMax": 3,
        "ControlMaster": "auto",
        "ControlPersist": 60,
        "ControlPath": run_directory / "%p-%r",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
