# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs on the machine that it runs on."""

from __future__ import annotations

import os
import shutil

from .errors import LabError

# Debian package: a program of it that the lab calls.
REQUIREMENTS = {
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
    "mmdebstrap": "mmdebstrap",
    "e2fsprogs": "mke2fs",
    "openssh-client": "ssh",
    "util-linux": "unshare",
    "openssl": "openssl",
}


def check_requirements() -> None:
    """Raise LabError `not-root` or `missing-program` unless the lab can work here."""
    if os.geteuid() != 0:
        raise LabError("not-root", "The lab makes root file systems and needs root; run it as root or with sudo.")
    missing = [package for package, program in REQUIREMENTS.items() if shutil.which(program) is None]
    if missing:
        packages = " ".join(missing)
        raise LabError(
            "missing-program",
            f"The lab needs programs of {packages}; run `apt-get install --no-install-recommends {packages}`.",
        )
