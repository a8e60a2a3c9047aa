# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian root directories, made by mmdebstrap, and commands in them."""

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
    options = ["--variant=essential", "--dpkgopt=force-unsafe-io", f"--include={','.join(packages)}"]
    options += [f"--dpkgopt=path-exclude={path}" for path in (*ALWAYS_LEFT_OUT, *leave_out)]
    _mmdebstrap(kernel, options, target, children, log)


def package_names(kernel: Kernel, prefix: str, target: Path, children: Children, log: Path) -> list[str]:
    """Return the names of all packages on the kernel's mirrors that begin so; `target` is left without any package."""
    listing = f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache pkgnames {prefix} >"$1/names"'
    _mmdebstrap(kernel, ["--variant=custom", f"--customize-hook={listing}"], target, children, log)
    return Path(target, "names").read_text().split()


def command_in(root: Path, *words: str) -> list[str]:
    """Return the command that runs in a root directory, with a /proc of its own, and ends with all its children."""
    namespace, end = NAMESPACE[:-1], NAMESPACE[-1]
    return [*namespace, f"--mount-proc={root / 'proc'}", end, "chroot", str(root), *words]


def _mmdebstrap(kernel: Kernel, options: list[str], target: Path, children: Children, log: Path) -> None:
    command = [*NAMESPACE, "mmdebstrap", "--quiet", "--mode=root", "--format=directory", *options]
    command += ["--aptopt=Acquire::Languages \"none\"", kernel.suite, str(target), *kernel.mirrors]
    # INITRD=No: the lab makes its own initramfs, the package's would be thrown away.
    children.run(command, log, env={**os.environ, "LC_ALL": "C.UTF-8", "INITRD": "No"})
