# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release: the changelog of all fragments, a commit, a tag and the tarball. It publishes nothing.

`make release VERSION=0.1.0`, see CONTRIBUTING.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.check.errors import CheckError
from tests.check.paths import CHECKOUT

VERSION = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?")
LINE_OF_VERSION = re.compile(r"^version: .*$", re.MULTILINE)


def make(checkout: Path, version: str, into: Path) -> Path:
    """Release the version and return the tarball. Raises CheckError, with nothing changed, when it may not be."""
    _refuse(checkout, version)
    galaxy = checkout / "galaxy.yml"
    galaxy.write_text(
        LINE_OF_VERSION.sub(f"version: {version}", galaxy.read_text(encoding="utf-8")), encoding="utf-8")
    _run(checkout, "antsibull-changelog", "release")
    _run(checkout, "antsibull-changelog", "lint")
    _run(checkout, "git", "add", "--all", "galaxy.yml", "CHANGELOG.md", "changelogs")
    _run(checkout, "git", "commit", "--quiet", f"--message=Release {version}")
    _run(checkout, "git", "tag", "--annotate", f"--message=kernel.livepatch {version}", version)
    return build(checkout, version, into)


def build(checkout: Path, version: str, into: Path) -> Path:
    """Build the tarball that hubs and `ansible-galaxy collection install` take."""
    _run(checkout, "ansible-galaxy", "collection", "build", "--force", "--output-path", into)
    return into / f"kernel-livepatch-{version}.tar.gz"


def fragments(checkout: Path) -> list[str]:
    """Return the names of the changes that no release has told of."""
    return sorted(path.name for path in checkout.glob("changelogs/fragments/*.y*ml"))


def _refuse(checkout: Path, version: str) -> None:
    if not VERSION.fullmatch(version):
        raise CheckError(f"{version!r} is no version; give one such as VERSION=0.1.0.")
    if _output(checkout, "git", "status", "--porcelain"):
        raise CheckError("The checkout has changes that are not committed; commit or remove them first.")
    if _output(checkout, "git", "tag", "--list", version):
        raise CheckError(f"There is a tag {version} already; give a later version.")
    if not fragments(checkout):
        raise CheckError("changelogs/fragments is empty, so there is nothing to release.")


def _run(checkout: Path, *command: object) -> None:
    if subprocess.run([str(part) for part in command], cwd=checkout, check=False).returncode:
        raise CheckError(f"`{' '.join(map(str, command))}` failed, see above.")


def _output(checkout: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=checkout, check=False, text=True, capture_output=True)
    if done.returncode:
        raise CheckError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when the release is made."""
    version = arguments[0] if arguments else ""
    try:
        tarball = make(CHECKOUT, version, CHECKOUT)
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Released {version}. Publish it:\n  git push origin HEAD {version}\n"
          f"  ansible-galaxy collection publish {tarball.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
