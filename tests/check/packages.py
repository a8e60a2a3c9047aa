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

from tests.check.errors import CheckError
from tests.check.paths import CHECKOUT

BASE = ("ca-certificates", "git")
# What unit tests make their patch files with, and what a builder of them needs.
FIXTURES = ("gcc", "binutils", "make", "mandoc", "patch", "openssl", "xz-utils", "zstd", "gpg")
# A scanner that runs the OVAL definitions of a report.
SCANNER = ("openscap-scanner",)


def as_root(*command: str) -> list[str]:
    """Return the command, led by sudo when this process is not root. Root's own HOME is used."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-H", *command]


def of_lab() -> list[str]:
    """Return the packages of the virtual machines, which the lab itself lists."""
    ask = [sys.executable, "-B", "-m", "tests.lab", "requirements"]
    return subprocess.run(ask, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def missing(names: Iterable[str]) -> list[str]:
    """Return those packages that dpkg does not know as installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def needed_by(sessions: Iterable[str]) -> list[str]:
    """Return the packages that these sessions of noxfile.py need."""
    machines = any(name.startswith("kernel") or name in ("demo", "matrix", "real-files") for name in sessions)
    units = any(name.startswith("units") for name in sessions)
    fixtures = machines or units or any(name.startswith("fuzz") for name in sessions)
    return [*(of_lab() if machines else ()), *(FIXTURES if fixtures else ()), *(SCANNER if units or machines else ())]


def ensure(*more: str) -> None:
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
    subprocess.run([*apt, "update"], check=False)
    if subprocess.run([*apt, "install", "--no-install-recommends", *names], check=False).returncode:
        raise CheckError(f"apt could not install {', '.join(names)}; see its messages above.")
