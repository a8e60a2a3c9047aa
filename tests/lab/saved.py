# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The saved state of a machine that has booted: others start from it in a fraction of the time that a boot takes.

The memory is a file of its own. Each machine that goes on from it maps the file privately, so machines share the pages
that they do not change, and QEMU has next to nothing to read. They share the kernel's boot_id too, until a reset.
"""

from __future__ import annotations

from pathlib import Path

from . import machine as machine_module
from . import qemu
from .cache import Cache, recipe_digest
from .children import Children
from .image import Image
from .keys import Keys
from .machine import Machine
from .progress import Progress

# What Ansible's modules load, so that it is in the machine's memory when they come.
WARM_UP = ["python3", "-c", "import ctypes, json, lzma, logging, platform, shlex, subprocess, tempfile, zipfile"]


class SavedState:
    """The files of one saved state."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.memory = directory / "memory"
        self.state = directory / "state"
        self.disk = directory / "saved.qcow2"


def cached_state(
    image: Image, keys: Keys, run_directory: Path, cache: Cache, children: Children, progress: Progress
) -> SavedState:
    """Return the image's saved state, made when it is missing."""
    def build(directory: Path) -> None:
        progress("booting a machine to save its state")
        saved = SavedState(directory)
        machine = Machine("saved", image, keys, run_directory, children, saved.disk)
        try:
            machine.boot(memory=saved.memory)
            machine.wait_for_ssh()
            machine.ssh(WARM_UP)
            machine.ssh("sync")
            machine.disconnect()
            machine.save(saved.state)
        finally:
            machine.destroy()
        progress("saved the machine's state")

    sources = (Path(__file__), Path(qemu.__file__), Path(machine_module.__file__))
    key = recipe_digest(image.directory.name, qemu.version(), *sources)
    return SavedState(cache.entry(f"saved-{image.release}", key, build))
