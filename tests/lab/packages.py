# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages hold a kernel: a name with a `*` is looked up in the archive, once, and then kept."""

from __future__ import annotations

import fnmatch
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import chroot
from .cache import Cache, recipe_digest
from .children import Children
from .errors import LabError
from .kernels import Kernel
from .progress import Progress

IMAGE = "linux-image-"
HEADERS = "linux-headers-"


@dataclass(frozen=True)
class Packages:
    """The packages of a kernel, and of its headers and compiler, as apt-get and mmdebstrap take them."""

    image: str
    headers: str


def cached_packages(kernel: Kernel, cache: Cache, children: Children, progress: Progress) -> Packages:
    """Return the kernel's packages; raises LabError `no-package` where the archive has none of that name."""
    def build(directory: Path) -> None:
        names = chroot.package_names(kernel, IMAGE, directory / "root", children, directory / "mmdebstrap.log")
        shutil.rmtree(directory / "root")
        Path(directory, "found").write_text(newest(names, IMAGE + kernel.packages))
        progress(f"found the newest kernel {kernel.name} ({kernel.archive or kernel.suite})")

    found = kernel.packages
    if "*" in found:
        directory = cache.entry(f"packages-{kernel.name}", recipe_digest(kernel, Path(__file__)), build)
        found = Path(directory, "found").read_text().removeprefix(IMAGE)
    # apt takes nothing unasked from an archive such as backports.
    source = f"/{kernel.archive}" if kernel.archive else ""
    return Packages(f"{IMAGE}{found}{source}", f"{HEADERS}{found}{source}")


def newest(names: list[str], pattern: str) -> str:
    """Return the name with the highest numbers of those that match the pattern; raises LabError `no-package`."""
    matching = fnmatch.filter(names, pattern)
    if not matching:
        raise LabError(
            "no-package", f"The archive has no package {pattern} any more; correct the kernel's entry in kernels.py.")
    return max(matching, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
