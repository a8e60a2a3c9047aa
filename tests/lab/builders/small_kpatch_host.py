# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where kpatch-build makes patches for a small kernel 6.12, since it refuses Debian's own, which has IBT."""

from __future__ import annotations

import shutil
from pathlib import Path

from .. import chroot
from ..cache import Cache, recipe_digest
from ..children import Children
from ..kernels import find_kernel
from ..progress import Progress
from . import build_root, kpatch_host, small_source
from .build_root import SOURCE, WORK, BuildRoot

KERNEL = find_kernel("6.12")
PACKAGES = (*kpatch_host.PACKAGES, f"linux-source-{KERNEL.name}")
# Outside of the source, in which kpatch-build makes other objects.
VMLINUX = f"{WORK}/vmlinux"


def cached_host(cache: Cache, children: Children, progress: Progress) -> Path:
    """Return the entry with the chroot, see BuildRoot, in which the kernel is built; made when it is missing."""
    def build(entry: Path) -> None:
        progress(f"making the build root of kpatch-build for a small kernel {KERNEL.name}")
        log = entry / "build.log"
        chroot.make_chroot(KERNEL, PACKAGES, (), entry / "root", children, log)
        root = BuildRoot(entry, children, log)
        small_source.unpack(root, KERNEL)
        kpatch_host.add_tool(root)
        root.run("make", "-j2", "bzImage", "modules", cwd=SOURCE)
        shutil.copyfile(root.path(SOURCE) / "vmlinux", root.path(VMLINUX))
        progress(f"made the build root of kpatch-build for a small kernel {KERNEL.name}")

    modules = (chroot, build_root, kpatch_host)
    sources = (Path(__file__), *(Path(module.__file__) for module in modules), *small_source.SOURCES)
    return cache.entry(f"kpatch-build-small-{KERNEL.name}", recipe_digest(KERNEL, *sources), build)
