# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: which ones a check needs, and installing those that are missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable

from check.errors import CheckError
from check.paths import CHECKOUT
from check.run import Run

BASE = ("ca-certificates", "git")
# What unit tests make their patch files with.
FIXTURES = ("gcc", "binutils", "openssl", "xz-utils", "zstd")


def as_root(*command: str) -> list[str]:
    """Return the command, led by sudo when this process is not root. Root's own HOME is used."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-H", *command]


def of_lab() -> list[str]:
    """Return the packages of the virtual machines, which the lab itself lists."""
    ask = [sys.executable, "-B", str(CHECKOUT / "tests" / "lab"), "requirements"]
    return subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def missing(names: Iterable[str]) -> list[str]:
    """Return those packages that dpkg does not know as installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def ensure(run: Run, *more: str) -> None:
    """Install what is missing of the base and of the packages named; apt is not touched when nothing is.

    Raises CheckError when apt cannot install it.
    """
    # Debian ships the venv module of its Python in a package of its own.
    venv = () if importlib.util.find_spec("ensurepip") else ("python3-venv",)
    names = missing([*BASE, *venv, *more])
    if not names:
        return
    apt = as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300")
    # A third-party source that cannot be reached must not stop packages that Debian itself has.
    run.command("apt-get update", [*apt, "update"])
    result = run.command(f"apt-get install {' '.join(names)}", [*apt, "install", "--no-install-recommends", *names])
    if result.returncode:
        raise CheckError(f"apt could not install {', '.join(names)}; see {result.log}")
