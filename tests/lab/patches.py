# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the modules of tests/lab/patches for an image's kernel, in a chroot with its headers and compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import chroot, derived, elf, klp_symbols, retooled
from .cache import Cache, recipe_digest
from .children import Children
from .errors import LabError
from .image import Image
from .kernels import Kernel
from .packages import cached_packages
from .progress import Progress

SOURCES = Path(__file__).resolve().parent / "patches"

# Beside the headers and their compiler, which calls `as` by that name.
TOOLS = ("make", "binutils")

# The module that is built a second time.
REBUILT = "cmdline_v1"

# The module whose references to klp_sym__ symbols are made the livepatch core's.
WITH_KLP_SYMBOLS = "klp_symbol"


def cached_toolchain(kernel: Kernel, cache: Cache, children: Children, progress: Progress) -> Path:
    """Return a directory whose `root` is a chroot with the kernel's headers and compiler, made when it is missing."""
    def build(directory: Path) -> None:
        progress(f"making the toolchain of kernel {kernel.name} ({kernel.suite})")
        chroot.make_chroot(kernel, installed, (), directory / "root", children, directory / "mmdebstrap.log")
        progress(f"made the toolchain of kernel {kernel.name}")

    installed = (cached_packages(kernel, cache, children, progress).headers, *TOOLS)
    return cache.entry(f"toolchain-{kernel.name}", recipe_digest(kernel, installed, Path(chroot.__file__)), build)


def cached_patches(
    image: Image, toolchain: Path, cache: Cache, children: Children, progress: Progress
) -> dict[str, Path]:
    """Return the patch files by name, built when they are missing; raises LabError `headers-mismatch`."""
    def build(directory: Path) -> None:
        progress(f"building the patches for kernel {image.release}")
        headers = toolchain / "root/usr/src" / f"linux-headers-{image.release}"
        if not headers.is_dir():
            raise LabError(
                "headers-mismatch",
                f"The toolchain has no headers of kernel {image.release}, since Debian's kernel changed in between; "
                "run `clean`, then try again.",
            )
        modules, rebuilt, log = directory / "modules", directory / "rebuilt", directory / "make.log"
        _make_modules(modules, image.release, toolchain, children, log)
        _make_modules(rebuilt, image.release, toolchain, children, log, f"REBUILT={REBUILT}")
        shutil.move(rebuilt / f"{REBUILT}.ko", modules / f"{REBUILT}_rebuilt.ko")
        rebuilt.rmdir()
        path = modules / f"{WITH_KLP_SYMBOLS}.ko"
        path.write_bytes(klp_symbols.with_klp_symbols(path.read_bytes()))
        retooled.make_retooled(modules, image, toolchain, children, log)
        derived.make_derived(modules, image)

    sources = (SOURCES, *(Path(module.__file__) for module in (derived, elf, klp_symbols, retooled)), Path(__file__))
    directory = cache.entry(f"patches-{image.release}", recipe_digest(image.release, toolchain.name, *sources), build)
    return {path.stem: path for path in sorted(Path(directory, "modules").glob("*.ko"))}


def _make_modules(
    target: Path, release: str, toolchain: Path, children: Children, log: Path, *variables: str
) -> None:
    """Build the modules and move them into the new directory `target`."""
    # Named after the target, so that a run that builds something else at the same time has its own.
    work = toolchain / "root" / f"{target.parent.name}-{target.name}"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(SOURCES, work)
    command = ["make", "-C", f"/lib/modules/{release}/build", f"M=/{work.name}", "-j2", *variables]
    children.run(chroot.command_in(toolchain / "root", *command), log)
    target.mkdir()
    for module in work.glob("*.ko"):
        shutil.move(module, target / module.name)
    shutil.rmtree(work)
