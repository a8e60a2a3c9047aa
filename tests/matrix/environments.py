# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments with one line of ansible-core each, made anew or brought up to date at each run."""

from __future__ import annotations

import fcntl
import re
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.check import ansible_test, interpreters
from tests.check.paths import CHECKOUT, cache_dir
from tests.matrix.rows import Failure, Row, Skip, last_line
from tests.matrix.versions import Controller

UNIT_REQUIREMENTS = CHECKOUT / "tests" / "unit" / "requirements.txt"
TEST_PACKAGES = ("pytest", "PyYAML")
INSTALL_MINUTES = 15
# What ansible-core says itself of the Pythons that it supports.
CONSTANTS = Path("ansible_test", "_util", "target", "common", "constants.py")


class Core(t.NamedTuple):
    """An installed ansible-core: its programs, its packages, its version, and its Python such as 3.12.1."""

    programs: Path
    packages: Path
    version: str
    python: str

    def pytest(self) -> list[object]:
        python = self.programs / "python"
        return [python, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-rfs", "--color=no"]


def install(controller: Controller, row: Row) -> Core:
    """Return the newest release of the line, installed; raises Skip where there is no Python or no release for it."""
    version, interpreter = _interpreter(controller)
    with environment(f"core-{controller.name}-python{version}", interpreter, row) as python:
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        packages = (controller.requirement, *TEST_PACKAGES, "--requirement", UNIT_REQUIREMENTS)
        status, output = row.try_to_run("install", [*pip, *packages], INSTALL_MINUTES)
    if status:
        raise Skip(f"pip found nothing for {controller.requirement} and Python {version}: {last_line(output)}")
    ask = "import ansible.release, platform; print(ansible.release.__version__, platform.python_version())"
    core, exact = last_line(row.run("install", [python, "-c", ask], 1)).split()
    return Core(python.parent, ansible_test.site_packages(python.parent), core, exact)


@contextmanager
def environment(name: str, interpreter: Path, row: Row) -> Iterator[Path]:
    """Yield the Python of an environment in the cache, made when it is missing; until the end, other runs wait."""
    home = cache_dir() / "matrix" / name
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{home}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = home / "bin" / "python"
        if not (home / "pyvenv.cfg").exists() or row.try_to_run("install", [python, "-m", "pip", "--version"], 1)[0]:
            row.run("install", [interpreter, "-m", "venv", "--clear", home], INSTALL_MINUTES)
        yield python


def check_support(controller: Controller, core: Core) -> None:
    """Raise Failure where ansible-core itself names other Pythons than versions.py."""
    constants = (core.packages / CONSTANTS).read_text(encoding="utf-8")
    hosts, own = (
        re.findall(r"'(\d+\.\d+)'", constants.partition(f"\n{name} = (")[2].partition(")")[0])
        for name in ("REMOTE_ONLY_PYTHON_VERSIONS", "CONTROLLER_PYTHON_VERSIONS"))
    oldest = next(iter(version for version in hosts if version != "2.7"), "")
    if (sorted(own), oldest) != (sorted(controller.pythons), controller.oldest_host):
        raise Failure(f"ansible-core {core.version} supports Python {', '.join(own)}, and {oldest} and later on hosts; "
                      "correct versions.py")


def _interpreter(controller: Controller) -> tuple[str, Path]:
    for version in controller.pythons:
        found = interpreters.find(version)
        if found:
            return version, found
    raise Skip(f"no interpreter of Python {', '.join(controller.pythons)} was found")
