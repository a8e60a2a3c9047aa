# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ssh keys of the lab: the user's, and the machines' own, so that no host key has to be taken on trust."""

from __future__ import annotations

from pathlib import Path

from .cache import Cache, recipe_digest
from .children import Children

# All machines are known to ssh by this name, whatever their port is.
HOST_KEY_ALIAS = "kernel-livepatch-lab"


class Keys:
    """The files of one key directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.user_private = directory / "user"
        self.user_public = directory / "user.pub"
        self.host_private = directory / "host"
        self.host_public = directory / "host.pub"
        self.known_hosts = directory / "known_hosts"


def cached_keys(cache: Cache, children: Children) -> Keys:
    """Return this cache's keys, made when they are missing."""
    def build(directory: Path) -> None:
        keys = Keys(directory)
        for private in (keys.user_private, keys.host_private):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOST_KEY_ALIAS, "-f", str(private)]
            children.run(command, directory / "ssh-keygen.log")
        keys.known_hosts.write_text(f"{HOST_KEY_ALIAS} {keys.host_public.read_text()}")

    return Keys(cache.entry("keys", recipe_digest("ed25519", HOST_KEY_ALIAS), build))
