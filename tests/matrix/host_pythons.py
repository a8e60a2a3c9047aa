# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pythons of hosts: interpreters of this machine, and where it has none, a Debian root directory with that Python."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.check import interpreters
from tests.check.packages import FIXTURES
from tests.lab import chroot
from tests.lab.cache import Cache, default_cache_directory, recipe_digest
from tests.lab.children import Children
from tests.lab.errors import LabError
from tests.lab.kernels import DEBIAN
from tests.lab.progress import Progress
from tests.matrix.environments import INSTALL_MINUTES, TEST_PACKAGES, environment
from tests.matrix.rows import Row, Skip
from tests.matrix.versions import DEBIAN_SUITES

# The packages of the host half's tests, from Debian itself.
PACKAGES = ("python3", "python3-pytest", "python3-yaml", *FIXTURES)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class HostPython(t.NamedTuple):
    """A Python with pytest. `command` runs it; `directory` is what a program that it runs can read and write.

    `inside` is that directory as the program sees it. `origin` says for the page from where the Python is.
    `launcher` is a file that runs it, for Ansible, which wants one word.
    """

    command: list[str]
    directory: Path
    inside: Path
    origin: str
    launcher: Path

    def path(self, path: Path) -> str:
        """A path below `directory`, as the program sees it."""
        return str(self.inside / path.relative_to(self.directory))


class Suite(t.NamedTuple):
    """What mmdebstrap needs to know of a suite of Debian."""

    suite: str
    mirrors: tuple[str, ...]


@contextmanager
def host_python(version: str, row: Row) -> Iterator[HostPython]:
    """Yield the Python of that version; raises Skip where there is none for this machine."""
    found = interpreters.find(version)
    suite = DEBIAN_SUITES.get(version)
    if not found and not suite:
        raise Skip(f"no interpreter of Python {version} was found, and no suite of Debian has it")
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-matrix-") as directory:
        launcher = Path(directory, "python")
        if found:
            work = Path(directory, "work")
            work.mkdir()
            command = [str(_environment(version, found, row))]
            yield HostPython(command, work, work, "an interpreter here", _written(launcher, command))
            return
        root = _root(suite)
        # The shell is the init process there, so that no orphan becomes a child of Python.
        shell = ("/bin/sh", "-c", '"$@"; exit "$?"', "sh")
        command = chroot.command_in(root, "/usr/bin/env", f"PATH={PATH}", *shell, "/usr/bin/python3")
        work = Path(tempfile.mkdtemp(prefix="matrix-", dir=root / "srv"))
        try:
            yield HostPython(command, work, Path("/srv", work.name), f"Debian {suite}", _written(launcher, command))
        finally:
            shutil.rmtree(work)


def _written(launcher: Path, command: list[str]) -> Path:
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    launcher.chmod(0o700)
    return launcher


def _environment(version: str, interpreter: Path, row: Row) -> Path:
    """Return the interpreter of an environment with pytest."""
    with environment(f"host-python{version}", interpreter, row) as python:
        pip = [python, "-m", "pip", "install", "--quiet", "--upgrade"]
        # The pip that Python 3.6 has in itself knows no wheel of today, and may take one for a later Python.
        row.run("install", [*pip, interpreters.LAST_PIP.get(version, "pip")], INSTALL_MINUTES)
        row.run("install", [*pip, *TEST_PACKAGES], INSTALL_MINUTES)
    return python


def _root(suite: str) -> Path:
    """Return the root directory of a suite with its Python; made when it is missing."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        raise Skip(f"no interpreter was found, and a root directory of Debian {suite} needs root and mmdebstrap")
    # A mirror may lag behind on a suite that is not released, whose lists expire in a week. Signatures are checked.
    archive = Suite(suite, (f"deb [check-valid-until=no] {DEBIAN} {suite} main",))
    children = Children()

    def build(directory: Path) -> None:
        chroot.make_chroot(archive, PACKAGES, (), directory / "root", children, directory / "build.log")
    try:
        key = recipe_digest(archive, PACKAGES, Path(chroot.__file__))
        return Cache(default_cache_directory(), Progress()).entry(f"python-{suite}", key, build) / "root"
    except LabError as error:
        raise Skip(f"no interpreter was found, and no root directory of Debian {suite} was made: {error}") from error
    finally:
        children.close()
