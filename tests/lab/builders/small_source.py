# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a small kernel in a build root: Debian's source of the kernel, configured to be built in minutes."""

from __future__ import annotations

from pathlib import Path

from ..kernels import Kernel
from .build_root import SOURCE, WORK, BuildRoot

CONFIGURATION = Path(__file__).resolve().parent / "small_kernel.config"
# What decides how the source is configured, for the key of a build root.
SOURCES = (CONFIGURATION, Path(__file__))


def unpack(root: BuildRoot, kernel: Kernel) -> None:
    """Make /build/linux from the package linux-source-VERSION of the build root, and configure it."""
    package = f"linux-source-{kernel.name}"
    root.path(WORK).mkdir()
    root.run("tar", "xf", f"/usr/src/{package}.tar.xz")
    root.path(f"{WORK}/{package}").rename(root.path(SOURCE))
    root.path(f"/usr/src/{package}.tar.xz").unlink()
    root.run("make", "tinyconfig", cwd=SOURCE)
    with open(root.path(SOURCE) / ".config", "a") as configuration:
        configuration.write(CONFIGURATION.read_text())
    root.run("make", "olddefconfig", cwd=SOURCE)
