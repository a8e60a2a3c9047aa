# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with machines of every kernel of the table, and a build root with a builder for each of them.

5.10 and 6.1 are stock kernels. Those of 6.12 and 7.2 are small ones, because Debian's own have IBT, which kpatch-build
refuses, and no CONFIG_KLP_BUILD.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import image as images
from ..cache import Cache
from ..errors import LabError
from ..image import Image
from ..kernels import KERNELS, Kernel, find_kernel
from ..keys import cached_keys
from ..machine import Machine
from ..session import Lab
from . import klp_host, kpatch_host, small_kernel, small_kpatch_host
from .build_root import SOURCE, BuildRoot
from .builds import PATCHES, KlpBuild
from .fixes import FIX
from .session import KeptCache

# What kpatch-build has to make of the kernel for a patch to fs/proc/.
TARGETS = ("modules_prepare", "fs/proc/")


@dataclass(frozen=True)
class Target:
    """A kernel with machines and a build root; `options` are what patch_build has to know besides the root."""

    kernel: Kernel
    image: Image
    host: Path
    options: dict[str, t.Any] = field(default_factory=dict)

    def for_patch_build(self) -> dict[str, t.Any]:
        """The option `kernel` of patch_build."""
        return {"root": str(self.host / "root"), "source": SOURCE, **self.options}


class FourKernelsLab(Lab):
    """Machines of four kernels. Without `make`, entering it raises LabError `not-built` where a root is missing."""

    targets: tuple[Target, ...]

    def __init__(self, make: bool = True) -> None:
        super().__init__()
        self._make = make

    def machines_of(self, target: Target, count: int) -> list[Machine]:
        """Boot machines of one of the targets, and return them when sshd answers on each."""
        self.image, self._saved = target.image, None
        return self.machines(count)

    @contextmanager
    def roots_locked(self) -> Iterator[None]:
        """Hold every build root alone, see BuildRoot.locked."""
        with ExitStack() as stack:
            for target in self.targets:
                root = BuildRoot(target.host, self._children, self.run.directory / "builder.log")
                stack.enter_context(root.locked())
            yield

    def _prepare(self) -> None:
        self._keys = cached_keys(self._cache, self._children)
        self._tools = self._children, self._progress
        self._roots: Cache = self._cache if self._make else KeptCache(self._cache.root, self._progress)
        missing = KERNELS.keys() - {"5.10", "6.1", small_kpatch_host.KERNEL.name, klp_host.KERNEL.name}
        if missing:
            raise LabError("no-builder", f"No builder is known for {', '.join(sorted(missing))}; add it here.")
        # The same 6.1 as that of KpatchLab, whose build root it shares.
        stock = find_kernel("5.10"), replace(find_kernel("6.1"), packages=FIX.release)
        self.targets = (*map(self._stock, stock), self._small_with_kpatch(), self._small_with_klp())
        self.patches: dict[str, Path] = {}

    def _stock(self, kernel: Kernel) -> Target:
        image = images.cached_image(kernel, self._keys, self._cache, *self._tools)
        host = kpatch_host.cached_host(kernel, image, self._roots, *self._tools)
        options = {"vmlinux": kpatch_host.vmlinux(image.release), "kpatch_build": kpatch_host.TOOL,
                   "targets": list(TARGETS)}
        return Target(kernel, image, host, options)

    def _small_with_kpatch(self) -> Target:
        kernel = small_kpatch_host.KERNEL
        host = small_kpatch_host.cached_host(self._roots, *self._tools)
        options = {"vmlinux": small_kpatch_host.VMLINUX, "kpatch_build": kpatch_host.TOOL, "targets": list(TARGETS)}
        # Before any patch is built there: that is why the kernel on the disk is the one beside the source.
        return Target(kernel, self._small_image(kernel, host, ()), host, options)

    def _small_with_klp(self) -> Target:
        kernel, host = klp_host.KERNEL, klp_host.cached_host(self._roots, *self._tools)
        KlpBuild(host, self._roots, *self._tools).cached_patch(PATCHES[0])
        return Target(kernel, self._small_image(kernel, host, small_kernel.KLP_BUILD_FLAGS), host)

    def _small_image(self, kernel: Kernel, host: Path, flags: tuple[str, ...]) -> Image:
        made = small_kernel.cached_kernel(host, flags, self._roots, *self._tools)
        base = images.cached_image(kernel, self._keys, self._cache, *self._tools)
        return small_kernel.cached_image(made, base, self._cache, *self._tools)
