# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels that the lab knows: one more kernel is one more entry in KERNELS."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LabError

DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"


@dataclass(frozen=True)
class Kernel:
    """A stock Debian kernel: the suite it is taken from and the packages that hold it, its headers and its compiler."""

    name: str
    suite: str
    mirrors: tuple[str, ...]
    image_package: str
    headers_package: str

    @property
    def group(self) -> str:
        """The name of the inventory group of this kernel's machines."""
        return "kernel_" + self.name.replace(".", "_")


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            name="6.1",
            suite="bookworm",
            mirrors=(
                f"deb {DEBIAN} bookworm main",
                f"deb {DEBIAN} bookworm-updates main",
                f"deb {DEBIAN_SECURITY} bookworm-security main",
            ),
            image_package="linux-image-amd64",
            headers_package="linux-headers-amd64",
        ),
        Kernel(
            name="5.10",
            suite="bullseye",
            mirrors=(
                f"deb {DEBIAN} bullseye main",
                f"deb {DEBIAN_SECURITY} bullseye-security main",
            ),
            image_package="linux-image-amd64",
            headers_package="linux-headers-amd64",
        ),
        Kernel(
            name="6.12",
            suite="trixie",
            mirrors=(
                f"deb {DEBIAN} trixie main",
                f"deb {DEBIAN} trixie-updates main",
                f"deb {DEBIAN_SECURITY} trixie-security main",
            ),
            image_package="linux-image-amd64",
            headers_package="linux-headers-amd64",
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
