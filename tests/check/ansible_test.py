# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-test` needs to run here: a home of its own, pip without a download site, a PATH without shims."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

GET_PIP = Path(__file__).with_name("get_pip.py")


def site_packages(programs: Path) -> Path:
    """Return the directory of the packages of the environment with these programs."""
    return next(programs.parent.glob("lib/python*/site-packages"))


def variables(programs: Path, home: Path, host_python: Path | None) -> dict[str, str]:
    """Return environment variables: ansible-test compiles for hosts' oldest Python only when it is on PATH."""
    _make_home(home, site_packages(programs))
    hosts = [host_python.parent] if host_python else []
    return {"HOME": str(home), "PATH": ":".join(map(str, [programs, *hosts, *_path_without_shims()]))}


def keep_reports(collection: Path, directory: Path) -> None:
    """Copy the JUnit reports of ansible-test, which are inside the collection."""
    written = collection / "tests" / "output" / "junit"
    if written.is_dir():
        shutil.copytree(written, directory, dirs_exist_ok=True)


def _make_home(home: Path, core: Path) -> None:
    """Make the home directory for ansible-test: its caches stay out of the caller's own.

    ansible-test brings pip into its environments with a script from ci-files.testing.ansible.com. Where that
    site cannot be reached, nothing runs; so a script that uses Python's own ensurepip takes its place.
    """
    cached = home / ".ansible" / "test" / "cache"
    cached.mkdir(mode=0o700, parents=True, exist_ok=True)
    for version in _pip_versions(core):
        script = cached / f"get_pip_{version.replace('.', '_')}.py"
        if not script.exists():
            shutil.copyfile(GET_PIP, script)
    for settings in (".pip", ".config/pip"):
        _share(Path.home() / settings, home / settings)


def _pip_versions(core: Path) -> set[str]:
    """Return the versions of pip that this ansible-test brings in, from its own source."""
    source = (core / "ansible_test" / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    return set(re.findall(r"'(\d+(?:\.\d+)+)'", source[source.index("pip_version") :]))


def _share(settings: Path, link: Path) -> None:
    """Let pip find the caller's settings (a mirror, a certificate) below the other home directory too."""
    if settings.is_dir() and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(settings)


def _path_without_shims() -> list[str]:
    """Return PATH without pyenv's shims: they exist for every version but only run the chosen ones."""
    return [entry for entry in os.environ["PATH"].split(":") if not entry.rstrip("/").endswith("/shims")]
