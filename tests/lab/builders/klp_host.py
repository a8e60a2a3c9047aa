# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the kernel's own klp-build makes patches: the source of a small kernel, which klp-build builds itself.

Debian's kernels have no CONFIG_KLP_BUILD, and klp-build has to build the kernel that it makes patches for.
"""

from __future__ import annotations

from pathlib import Path

from .. import chroot
from ..cache import Cache, recipe_digest
from ..children import Children
from ..kernels import find_kernel
from ..progress import Progress
from . import build_root, small_source
from .build_root import BuildRoot

# The first kernel of the lab whose source has scripts/livepatch/klp-build.
KERNEL = find_kernel("7.2")

# libxxhash: objtool's klp needs it. patchutils: klp-build calls recountdiff.
PACKAGES = (
    "make", "gcc", "libc6-dev", "flex", "bison", "bc", "libelf-dev", "libssl-dev", "xz-utils", "kmod", "python3",
    "cpio", "patch", "perl", "rsync", "gawk", "pkgconf", "libxxhash-dev", "patchutils", "binutils",
    f"linux-source-{KERNEL.name}/{KERNEL.archive}",
)


def cached_host(cache: Cache, children: Children, progress: Progress) -> Path:
    """Return the entry with the chroot, see BuildRoot; made when it is missing."""
    def build(entry: Path) -> None:
        progress(f"making the build root of klp-build for a small kernel {KERNEL.name}")
        log = entry / "build.log"
        chroot.make_chroot(KERNEL, PACKAGES, (), entry / "root", children, log)
        root = BuildRoot(entry, children, log)
        small_source.unpack(root, KERNEL)
        progress(f"made the build root of klp-build for a small kernel {KERNEL.name}")

    sources = (Path(__file__), Path(chroot.__file__), Path(build_root.__file__), *small_source.SOURCES)
    key = recipe_digest(KERNEL, *sources)
    return cache.entry(f"klp-build-{KERNEL.name}", key, build)
