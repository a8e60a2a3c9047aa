# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the builders: each diff of DIFFS becomes one patch file, kept with what the builder said."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..cache import Cache, recipe_digest
from ..children import Children
from ..progress import Progress
from . import kpatch_host
from .build_root import SOURCE, WORK, BuildRoot
from .fixes import FIX, cached_fix

DIFFS = Path(__file__).resolve().parent / "diffs"
KPATCH_BUILD, KLP_BUILD = "kpatch-build", "klp-build"


@dataclass(frozen=True)
class RealPatch:
    """A patch that both builders make: of DIFFS/NAME.patch, of one diff for each, DIFFS/BUILDER/NAME.patch, or of FIX.

    `target` is what kpatch-build makes: a directory of vmlinux, or a module. The file is
    livepatch-NAME.ko, as both builders call it themselves.
    """

    name: str
    target: str = "fs/proc/"
    replaces: bool = True

    @property
    def file(self) -> str:
        return f"livepatch-{self.name}.ko"


PATCHES = (
    RealPatch("cmdline-v1"),
    RealPatch("cmdline-v2"),
    RealPatch("binfmt-misc", target="fs/binfmt_misc.ko"),
    RealPatch("readers"),
    RealPatch("meminfo", replaces=False),
    RealPatch(FIX.cve, target="fs/nfsd/nfsd.ko"),
)


@dataclass(frozen=True)
class Built:
    """A built patch file, and what its builder printed."""

    file: Path
    log: Path


class Builder:
    """One of the two builders in its build root."""

    def __init__(self, name: str, host: Path, cache: Cache, children: Children, progress: Progress) -> None:
        self.name = name
        self.host = host
        self._cache, self._children, self._progress = cache, children, progress

    def root(self, log: Path) -> BuildRoot:
        """The build root, whose commands are logged in a file."""
        return BuildRoot(self.host, self._children, log)

    def cached_patch(self, patch: RealPatch) -> Built:
        """Return a patch, built when it is missing."""
        diff = self.diff(patch)

        def build(entry: Path) -> None:
            self._progress(f"{self.name} builds {patch.file}")
            root = self.root(entry / "builder.log")
            with root.locked():
                self._build(root, patch, diff, entry)
            self._progress(f"{self.name} has built {patch.file}")

        key = recipe_digest(self.host.name, diff, self.command(patch))
        directory = self._cache.entry(f"{self.name}-{patch.name}", key, build)
        return Built(directory / patch.file, directory / "builder.log")

    def diff(self, patch: RealPatch) -> Path:
        """Return the source patch."""
        if patch.name == FIX.cve:
            return cached_fix(FIX, self._cache, self._children, self._progress)
        own = DIFFS / self.name / f"{patch.name}.patch"
        return own if own.exists() else DIFFS / f"{patch.name}.patch"

    def _build(self, root: BuildRoot, patch: RealPatch, diff: Path, entry: Path) -> None:
        output = root.path(f"{WORK}/output")
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        shutil.copyfile(diff, output / f"{patch.name}.patch")
        self.run(root, patch)
        shutil.move(output / patch.file, entry / patch.file)

    def command(self, patch: RealPatch) -> list[str]:
        """The builder's command for a patch."""
        raise NotImplementedError

    def run(self, root: BuildRoot, patch: RealPatch) -> None:
        """Run the command, which takes the diff and puts its file in /build/output."""
        raise NotImplementedError


class KpatchBuild(Builder):
    """kpatch-build for a stock kernel."""

    def __init__(self, release: str, *rest: object) -> None:
        super().__init__(KPATCH_BUILD, *rest)
        self._release = release

    def command(self, patch: RealPatch) -> list[str]:
        return [
            kpatch_host.TOOL, "-s", SOURCE, "-c", f"{SOURCE}/.config", "-v", kpatch_host.vmlinux(self._release),
            "-t", "modules_prepare", "-t", patch.target, "-j2", "-o", f"{WORK}/output",
            *([] if patch.replaces else ["-R"]), f"{WORK}/output/{patch.name}.patch",
        ]

    def run(self, root: BuildRoot, patch: RealPatch) -> None:
        root.run(*self.command(patch), CACHEDIR=f"{WORK}/cache")


class KlpBuild(Builder):
    """klp-build for the small kernel, which the first run builds."""

    # Where klp-build marks that it has the objects of the original kernel.
    ORIGINAL = f"{SOURCE}/klp-tmp/1-orig/.complete"

    def __init__(self, *rest: object) -> None:
        super().__init__(KLP_BUILD, *rest)

    def command(self, patch: RealPatch) -> list[str]:
        return [
            f"{SOURCE}/scripts/livepatch/klp-build", "-T", "-j2", "-o", f"{WORK}/output/{patch.file}",
            *([] if patch.replaces else ["--no-replace"]), f"{WORK}/output/{patch.name}.patch",
        ]

    def run(self, root: BuildRoot, patch: RealPatch) -> None:
        tool, *options = self.command(patch)
        again = ["-S", "2"] if root.path(self.ORIGINAL).exists() else []
        root.run(tool, *again, *options, cwd=SOURCE)
