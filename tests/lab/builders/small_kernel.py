# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small kernel that patches are built for, and machines of it, on the root file system of the stock kernel.

Its drivers are built in, so it needs no initramfs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..cache import Cache, recipe_digest
from ..children import Children
from ..image import Image
from ..progress import Progress
from .build_root import SOURCE, WORK, BuildRoot

# The flags that klp-build builds the kernel with, so that make finds nearly everything made.
KLP_BUILD_FLAGS = ("KLP_SYMIDS=1", "KCFLAGS=-ffunction-sections -fdata-sections")
# By their paths in the source: what is kept.
MADE = {"arch/x86/boot/bzImage": "vmlinuz", ".config": "config", "include/config/kernel.release": "release"}


def cached_kernel(
    host: Path, flags: tuple[str, ...], cache: Cache, children: Children, progress: Progress
) -> Path:
    """Return a directory with the kernel: vmlinuz, config, release, and modules/, to be laid over /lib/modules.

    `flags` are those that the kernel was built with before, so that make finds it made. With those of klp-build, the
    build root must have built a patch: klp-build begins with `make clean`.
    """
    def build(entry: Path) -> None:
        progress("building the small kernel")
        root = BuildRoot(host, children, entry / "build.log")
        with root.locked():
            root.run("make", "-j2", *flags, "bzImage", "modules", cwd=SOURCE)
            staged = root.path(f"{WORK}/modules")
            shutil.rmtree(staged, ignore_errors=True)
            root.run("make", "modules_install", f"INSTALL_MOD_PATH={WORK}/modules", cwd=SOURCE)
            for made, name in MADE.items():
                shutil.copyfile(root.path(SOURCE) / made, entry / name)
            shutil.move(staged / "lib/modules", entry / "modules")
            for link in entry.glob("modules/*/build"):
                link.unlink()
        progress("built the small kernel")

    return cache.entry("small-kernel", recipe_digest(host.name, flags), build)


class SmallImage(Image):
    """An image without an initramfs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.initrd = None


def cached_image(kernel: Path, base: Image, cache: Cache, children: Children, progress: Progress) -> Image:
    """Return the small kernel on a copy of another image's disk, with its modules."""
    def build(entry: Path) -> None:
        image = SmallImage(entry)
        release = Path(kernel, "release").read_text().strip()
        for name in ("vmlinuz", "config"):
            shutil.copyfile(kernel / name, entry / name)
        Path(entry, "release").write_text(release)
        children.run(["cp", "--sparse=always", str(base.disk), str(image.disk)], entry / "build.log")
        image.disk.chmod(0o600)
        commands = entry / "debugfs"
        commands.write_text("".join(f"{line}\n" for line in _copy_commands(kernel / "modules", "/usr/lib/modules")))
        children.run(["debugfs", "-w", "-f", str(commands), str(image.disk)], entry / "build.log")
        image.disk.chmod(0o400)
        progress(f"made the image of kernel {release}")

    key = recipe_digest(kernel.name, base.directory.name, Path(__file__))
    return SmallImage(cache.entry("small-image", key, build))


def _copy_commands(tree: Path, target: str) -> list[str]:
    """Return debugfs's commands that copy a tree of files into the existing directory `target` of a file system."""
    commands = []
    for directory, names, files in os.walk(tree):
        inside = Path(target, Path(directory).relative_to(tree))
        commands += [f"mkdir {inside / name}" for name in names]
        commands += [f"write {Path(directory, name)} {inside / name}" for name in files]
    return commands
