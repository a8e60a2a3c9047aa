# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patch files that the toolchain's own tools make of a good one: stripped, sections taken out, signed."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import chroot
from .children import Children
from .image import Image

ORIGIN = "cmdline_v1"
SIGNER = "A key that no kernel knows"
UNWINDING = (".orc_unwind", ".orc_unwind_ip", ".rela.orc_unwind_ip")

# name: the command, which changes the file that is its last word
COMMANDS: dict[str, tuple[str, ...]] = {
    "stripped": ("strip", "--strip-all"),
    # Renamed, since symbols of it are left, which the tool does not part with; the kernel looks for the name.
    "no_versions": ("objcopy", "--rename-section=__versions=.unversioned"),
    "no_orc": ("objcopy", *(f"--remove-section={section}" for section in UNWINDING)),
    "signed_elsewhere": (
        "/lib/modules/{release}/build/scripts/sign-file", "sha256", "/{work}/key", "/{work}/certificate"),
}


# name: the option that a kernel is built with where the file can be made
NEEDS = {"no_versions": "CONFIG_MODVERSIONS"}


def make_retooled(modules: Path, image: Image, toolchain: Path, children: Children, log: Path) -> None:
    """Add the files to the directory of modules."""
    root = toolchain / "root"
    work = root / f"{modules.parent.name}-retooled"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    request = ["openssl", "req", "-batch", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500"]
    key = ["-subj", f"/CN={SIGNER}", "-keyout", str(work / "key"), "-out", str(work / "certificate")]
    children.run([*request, *key], log)
    for name, command in COMMANDS.items():
        if name in NEEDS and not image.configured_with(NEEDS[name]):
            continue
        shutil.copy(modules / f"{ORIGIN}.ko", work / f"{name}.ko")
        words = [word.format(release=image.release, work=work.name) for word in command]
        children.run(chroot.command_in(root, *words, f"/{work.name}/{name}.ko"), log)
        shutil.move(work / f"{name}.ko", modules / f"{name}.ko")
    shutil.rmtree(work)
