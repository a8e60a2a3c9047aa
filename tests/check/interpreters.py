# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python interpreters by version, on PATH and among pyenv's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# By Python, a pip that knows today's wheels and the system's certificates, where the newest pip does not run.
LAST_PIP = {"3.6": "pip==21.3.1"}


def find(version: str) -> Path | None:
    """Return the real path of a working interpreter of a version such as "3.6", or None."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    return next(filter(None, map(_executable, [on_path, *_of_pyenv(version)])), None)


def _of_pyenv(version: str) -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(root.glob(f"versions/{version}.*/bin/python{version}"))


def _executable(candidate: str | Path | None) -> Path | None:
    """Ask the interpreter where it is: a pyenv shim exists also for versions that do not run."""
    if candidate is None:
        return None
    ask = [str(candidate), "-c", "import sys; print(sys.executable)"]
    answer = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None
