# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugins of the collection awx.awx, out of the wheel of the package ansible: they are read, and never run.

PyPI has this wheel wherever a CI system gets its other packages. It has 55 MB, of which one is kept.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.check import lifetime
from tests.check.paths import REQUIREMENTS, cache_dir, keep

PINS = REQUIREMENTS / "awx.txt"
PLUGINS = "ansible_collections/awx/awx/plugins/"
MINUTES = 10


def ensure(pip: Sequence[object]) -> Path | None:
    """Return the directory with ansible_collections, made once; None where pip cannot download the wheel.

    `pip` is the command of pip.
    """
    place = cache_dir() / f"awx-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(prefix="awx-", dir=cache_dir()) as made:
        download = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
                    "--dest", made, "--requirement", PINS]
        if subprocess.run(lifetime.bound(download, MINUTES), check=False).returncode:
            return None
        wheel, = Path(made).glob("*.whl")
        tree = Path(made, "tree")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tree, [name for name in archive.namelist() if name.startswith(PLUGINS)])
        keep(tree, place)
    return place
