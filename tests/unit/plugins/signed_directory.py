# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the real gpg, and directories signed by the real ansible-sign, as its command does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class Signer:
    """A person with a key in a home of gpg; `keyring` has the public key as `gpg --export` writes it."""

    def __init__(self, home: Path, name: str = "release") -> None:
        home.mkdir(mode=0o700)
        self._home = home
        self._gpg("--quick-generate-key", "--batch", "--passphrase", "", f"{name}@example.com", "ed25519", "sign", "0")
        self.keyring = home / f"{name}.gpg"
        self.keyring.write_bytes(self._gpg("--export"))
        self.armored = home / f"{name}.asc"
        self.armored.write_bytes(self._gpg("--export", "--armor"))

    def __enter__(self) -> Signer:
        return self

    def __exit__(self, *_error: object) -> None:
        # gpg starts an agent for each home, and the agent outlives it.
        subprocess.run(["gpgconf", "--homedir", os.fspath(self._home), "--kill", "gpg-agent"], check=True)

    def _gpg(self, *words: str) -> bytes:
        command = ["gpg", "--homedir", os.fspath(self._home), "--batch", *words]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def sign(self, directory: Path) -> None:
        """Sign every file below a directory, as `ansible-sign project gpg-sign` does."""
        (directory / "MANIFEST.in").write_text("global-include *\n")
        command = [sys.executable, "-m", "ansible_sign.cli", "project", "gpg-sign",
                   "--gnupg-home", os.fspath(self._home), os.fspath(directory)]
        # Without a terminal, ansible-sign needs this variable.
        environment = {**os.environ, "GPG_TTY": ""}
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
