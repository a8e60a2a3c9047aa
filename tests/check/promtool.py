# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""promtool out of Debian's package prometheus, which is unpacked and not installed: no service is to start here."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.check import lifetime
from tests.check.paths import cache_dir, keep

MINUTES = 5
PACKAGE, PROGRAM = "prometheus", "usr/bin/promtool"


def ensure(apt_get: str = "apt-get") -> Path | None:
    """Return the directory with promtool, made once; None where apt cannot download the package."""
    place = cache_dir() / "promtool"
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(prefix="promtool-", dir=cache_dir()) as made:
        if subprocess.run(lifetime.bound([apt_get, "--quiet", "download", PACKAGE], MINUTES), cwd=made,
                          check=False).returncode:
            return None
        package, = Path(made).glob("*.deb")
        tree, found = Path(made, "tree"), Path(made, "found")
        subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
        found.mkdir()
        os.replace(tree / PROGRAM, found / "promtool")
        keep(found, place)
    return place
