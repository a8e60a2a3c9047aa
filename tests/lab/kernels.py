# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels that the lab knows, oldest first: one more kernel is one more entry in KERNELS."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LabError

DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"


@dataclass(frozen=True)
class Kernel:
    """A stock Debian kernel: the suite that it runs on, and what ends the names of its packages.

    Of packages with a `*` in the name, the newest is taken (packages.py). `archive` is the suite that has them,
    where it is another one.
    """

    name: str
    suite: str
    mirrors: tuple[str, ...]
    packages: str = "amd64"
    archive: str = ""

    @property
    def group(self) -> str:
        """The name of the inventory group of this kernel's machines."""
        return "kernel_" + self.name.replace(".", "_")


DEFAULT_KERNEL = "6.1"
KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            name="5.10",
            suite="bullseye",
            mirrors=(
                f"deb {DEBIAN} bullseye main",
                f"deb {DEBIAN_SECURITY} bullseye-security main",
            ),
        ),
        Kernel(
            name="6.1",
            suite="bookworm",
            mirrors=(
                f"deb {DEBIAN} bookworm main",
                f"deb {DEBIAN} bookworm-updates main",
                f"deb {DEBIAN_SECURITY} bookworm-security main",
            ),
        ),
        Kernel(
            name="6.12",
            suite="trixie",
            mirrors=(
                f"deb {DEBIAN} trixie main",
                f"deb {DEBIAN} trixie-updates main",
                f"deb {DEBIAN_SECURITY} trixie-security main",
            ),
        ),
        Kernel(
            name="7.2",
            suite="trixie",
            mirrors=(
                f"deb {DEBIAN} trixie main",
                f"deb {DEBIAN} trixie-updates main",
                f"deb {DEBIAN_SECURITY} trixie-security main",
                f"deb {DEBIAN} trixie-backports main",
            ),
            # linux-image-amd64 is there too, and moves on to the next kernel.
            packages="7.2.*+deb13-amd64",
            archive="trixie-backports",
        ),
    )
}


def find_kernel(name: str) -> Kernel:
    """Return the table entry of that name; raises LabError `unknown-kernel`."""
    try:
        return KERNELS[name]
    except KeyError:
        known = ", ".join(KERNELS)
        raise LabError("unknown-kernel", f"There is no kernel {name} in the lab; use one of: {known}.") from None
