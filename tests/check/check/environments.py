# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments: one venv per list of pinned requirements and interpreter, kept in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from check import interpreters
from check.errors import CheckError
from check.paths import REQUIREMENTS, cache_dir
from check.run import Run


@dataclass(frozen=True)
class Environment:
    """One environment. `pythons` are the versions that may carry it, the best first.

    `pip` is the version to bring in first where the interpreter's own knows neither today's wheels nor the
    system's certificates.
    """

    name: str
    requirements: str
    pythons: tuple[str, ...]
    title: str
    pip: str | None = None


THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NEWEST_CORE = Environment("newest-core", "newest-core.txt", (THIS_PYTHON,), "newest ansible-core")
OLDEST_CORE = Environment("oldest-core", "oldest-core.txt", ("3.11", "3.12", "3.10"), "ansible-core 2.16")
TOOLS = Environment("tools", "tools.txt", (THIS_PYTHON,), "linters")
HOST_PYTHON = Environment("host-python", "host-python.txt", ("3.6",), "Python 3.6", pip="21.3.1")


def available(environment: Environment) -> Path | None:
    """Return the interpreter that can carry the environment, or None."""
    return next(filter(None, map(interpreters.find, environment.pythons)), None)


def ensure(run: Run, environment: Environment) -> Path:
    """Return the `bin` directory of the environment, made first when it is missing or half made.

    Raises CheckError when there is no interpreter for it, or when pip fails.
    """
    interpreter = available(environment)
    if interpreter is None:
        raise CheckError(f"{environment.title} needs a Python {' or '.join(environment.pythons)}; install one.")
    home = cache_dir() / f"venv-{digest(environment, interpreter)}"
    with open(f"{home}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _make(run, environment, interpreter, home)
    return home / "bin"


def site_packages(run: Run, environment: Environment) -> Path:
    """Return the directory of the environment's installed packages."""
    found = ensure(run, environment).parent.glob("lib/python*/site-packages")
    return next(found)


def digest(environment: Environment, interpreter: Path) -> str:
    """Return 12 hex digits that change with the requirements and with the interpreter."""
    recipe = (REQUIREMENTS / environment.requirements).read_bytes() + bytes(interpreter.resolve())
    return hashlib.sha256(recipe).hexdigest()[:12]


def _make(run: Run, environment: Environment, interpreter: Path, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    steps = [[str(interpreter), "-m", "venv", str(home)]]
    if environment.pip:
        steps.append([*pip, f"pip=={environment.pip}"])
    steps.append([*pip, "--requirement", str(REQUIREMENTS / environment.requirements)])
    for step in steps:
        result = run.command(f"Python environment for {environment.title}", step)
        if result.returncode:
            raise CheckError(f"The Python environment for {environment.title} could not be made; see {result.log}")
    (home / "complete").touch()
