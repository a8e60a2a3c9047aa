# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release of this copy of the collection, and have the importer of Galaxy read its tarball.

It runs in a copy that is thrown away: the release removes the fragments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.check import importer, release
from tests.check.errors import CheckError, exit_code

GIT_IDENTITY = {
    f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Rehearsal"), ("EMAIL", "rehearsal@localhost"))}


def rehearse(copy: Path, into: Path) -> None:
    """Raises CheckError when the release cannot be made, its changelog lacks a fragment, or the importer complains."""
    galaxy = yaml.safe_load(copy.joinpath("galaxy.yml").read_text(encoding="utf-8"))
    told = release.fragments(copy)
    if not told:
        importer.check(release.build(copy, galaxy["version"], into))
        return
    version = next_version(galaxy["version"], released(copy))
    _commit(copy)
    tarball = release.make(copy, version, into)
    missing = sorted(set(told) - set(released(copy)[version].get("fragments", [])))
    heading = f'<a id="v{version.replace(".", "-")}"></a>'
    if missing or heading not in copy.joinpath("CHANGELOG.md").read_text(encoding="utf-8"):
        raise CheckError(f"The changelog of {version} does not tell of {', '.join(missing) or 'the version'}.")
    importer.check(tarball)


def released(copy: Path) -> dict[str, dict]:
    """Return what each release said."""
    path = copy / "changelogs" / "changelog.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["releases"] if path.exists() else {}


def next_version(version: str, before: dict[str, dict]) -> str:
    """Return the version of galaxy.yml, or after its release the one that follows."""
    if version not in before:
        return version
    major, minor, patch = version.partition("-")[0].split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def _commit(copy: Path) -> None:
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=Rehearse")):
        subprocess.run(["git", *command], cwd=copy, check=True)


def main() -> int:
    """Return the exit code: 0 when the release could be made."""
    os.environ.update(GIT_IDENTITY)
    return exit_code(rehearse)


if __name__ == "__main__":
    sys.exit(main())
