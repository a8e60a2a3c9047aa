# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian root directories, made by mmdebstrap."""

from __future__ import annotations

import os
from pathlib import Path

from .children import Children
from .kernels import Kernel

# A namespace of their own: when the tool is killed, its mounts and all its children go with it.
NAMESPACE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]

# Nothing in the lab reads these.
ALWAYS_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def make_chroot(
    kernel: Kernel, packages: tuple[str, ...], leave_out: tuple[str, ...], target: Path, children: Children, log: Path
) -> None:
    """Install the packages and what they need into the new directory `target`, without the paths in `leave_out`."""
    command = [*NAMESPACE, "mmdebstrap", "--quiet", "--mode=root", "--format=directory", "--variant=essential"]
    command += ["--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude={path}" for path in (*ALWAYS_LEFT_OUT, *leave_out)]
    command += [f"--include={','.join(packages)}", kernel.suite, str(target), *kernel.mirrors]
    # INITRD=No: the lab makes its own initramfs, the package's would be thrown away.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "INITRD": "No"}
    children.run(command, log, env=environment)
