# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fix of a real vulnerability as a source patch: what changed between two of Debian's kernel sources."""

from __future__ import annotations

import difflib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..cache import Cache, recipe_digest
from ..children import Children
from ..kernels import DEBIAN_SECURITY
from ..progress import Progress
from .build_root import fetch


@dataclass(frozen=True)
class Fix:
    """A file of linux-source-SERIES, in the version without the fix and the one with it: (version, sha256) each.

    `release` ends the names of the packages of the stock kernel without the fix: newer ones have nothing to patch.
    """

    cve: str
    release: str
    series: str
    path: str
    without: tuple[str, str]
    with_fix: tuple[str, str]


# Both of the lab's kernels that have a builder need it: 6.1.192-2 (6.1.0-56) and 7.2.12. It changes one function.
FIX = Fix(
    "CVE-2026-99362", "6.1.0-56-amd64", "6.1", "fs/nfsd/nfs4state.c",
    ("6.1.192-2", "ae95fe63d4c553f8d0e6c86cb1ab566f3894a43743eb19ab585cd97d82f26514"),
    ("6.1.192-3", "5259c57ca92092da39bd2ea803046da0e3c28f2b6a11ea20f6297468188ceb67"),
)


def cached_fix(fix: Fix, cache: Cache, children: Children, progress: Progress) -> Path:
    """Return the fix as CVE.patch for `patch -p1`, made when it is missing.

    Raises LabError `download-failed` when Debian has a version no more.
    """
    def build(entry: Path) -> None:
        progress(f"making the source patch of {fix.cve}")
        before, after = (_file(fix, *version, entry, children) for version in (fix.without, fix.with_fix))
        names = f"a/{fix.path}", f"b/{fix.path}"
        Path(entry, f"{fix.cve}.patch").write_text("".join(difflib.unified_diff(before, after, *names)))

    return cache.entry("fix", recipe_digest(fix), build) / f"{fix.cve}.patch"


def _file(fix: Fix, version: str, sha256: str, entry: Path, children: Children) -> list[str]:
    """Return the lines of the file in one version of the package."""
    package = entry / f"linux-source-{fix.series}_{version}_all.deb"
    fetch(f"{DEBIAN_SECURITY}/pool/updates/main/l/linux/{package.name}", sha256, package)
    # The source is an archive in the package's archive.
    unpack = 'dpkg-deb --fsys-tarfile "$0" | tar xO "$1" | tar xJO --occurrence=1 "$2"'
    source = f"linux-source-{fix.series}"
    words = ["sh", "-c", unpack, str(package), f"./usr/src/{source}.tar.xz", f"{source}/{fix.path}"]
    file = entry / version
    with open(file, "wb") as output:
        children.run(words, entry / "tar.log", stdout=output, stderr=subprocess.DEVNULL)
    package.unlink()
    return file.read_text().splitlines(keepends=True)
