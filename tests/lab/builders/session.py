# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs whose patches a real builder has made."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from .. import image as images
from ..cache import Cache
from ..errors import LabError
from ..image import Image
from ..keys import cached_keys
from ..saved import SavedState, cached_state
from ..session import Lab
from . import klp_host, kpatch_host, small_kernel
from .builds import KLP_BUILD, KPATCH_BUILD, PATCHES, Builder, Built, KlpBuild, KpatchBuild
from .fixes import FIX


class KeptCache(Cache):
    """What was made before, and nothing new."""

    def entry(self, kind: str, key: str, build: Callable[[Path], None]) -> Path:
        """Return the directory KIND-KEY; raises LabError `not-built` where it is missing."""
        place = self.root / f"{kind}-{key}"
        if not place.is_dir():
            raise LabError("not-built", f"{place} is missing; run `python3 -m tests.lab builders`, which takes long.")
        return place


class RealLab(Lab):
    """Machines of one kernel, and patches for it made by `builder`. `patches` has their files by their diffs' names.

    Without `make`, entering it raises LabError `not-built` where a build root or a patch is missing. With the names of
    some source patches, only these are built, and there are no machines.
    """

    builder: Builder
    built: dict[str, Built]

    def __init__(self, kernel: str, make: bool, only: Collection[str]) -> None:
        super().__init__(kernel)
        self._make, self._only = make, only

    def _prepare(self) -> None:
        """Make what is missing, one after the other: a builder uses every processor."""
        self._keys = cached_keys(self._cache, self._children)
        tools = self._children, self._progress
        # Images take a minute or two: these are always made.
        base = images.cached_image(self.kernel, self._keys, self._cache, *tools)
        self._tools = (self._cache if self._make else KeptCache(self._cache.root, self._progress), *tools)
        self.builder = self._make_builder(base)
        self.built = {patch.name: self.builder.cached_patch(patch) for patch in PATCHES
                      if not self._only or patch.name in self._only}
        self.patches: dict[str, Path] = {name: built.file for name, built in self.built.items()}
        if self._only:
            return
        self.image: Image = self._make_image(base)
        self._saved: SavedState | None = cached_state(
            self.image, self._keys, self.run.directory, self._cache, *tools)

    def _make_builder(self, base: Image) -> Builder:
        """Return the builder in its build root."""
        raise NotImplementedError

    def _make_image(self, base: Image) -> Image:
        """Return the image of the kernel that the patches are for."""
        raise NotImplementedError


class KpatchLab(RealLab):
    """The stock kernel 6.1 that lacks the fix of FIX, with patches by kpatch-build."""

    def __init__(self, make: bool = True, only: Collection[str] = ()) -> None:
        super().__init__("6.1", make, only)
        if not only or FIX.cve in only:
            self.kernel = replace(self.kernel, packages=FIX.release)

    def _make_builder(self, base: Image) -> Builder:
        host = kpatch_host.cached_host(self.kernel, base, *self._tools)
        return KpatchBuild(base.release, host, *self._tools)

    def _make_image(self, base: Image) -> Image:
        return base


class KlpLab(RealLab):
    """The small kernel, with patches by klp-build, on the root file system of the kernel with the same source."""

    def __init__(self, make: bool = True, only: Collection[str] = ()) -> None:
        super().__init__(klp_host.KERNEL.name, make, only)

    def _make_builder(self, base: Image) -> Builder:
        return KlpBuild(klp_host.cached_host(*self._tools), *self._tools)

    def _make_image(self, base: Image) -> Image:
        kernel = small_kernel.cached_kernel(self.builder.host, small_kernel.KLP_BUILD_FLAGS, *self._tools)
        return small_kernel.cached_image(kernel, base, self._cache, *self._tools[1:])


LABS = {KPATCH_BUILD: KpatchLab, KLP_BUILD: KlpLab}
