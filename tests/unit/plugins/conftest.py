# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules for tests, compiled from the C files in tests/unit/fixtures."""

from __future__ import annotations

import functools
import subprocess
import typing as t
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
# As the kernel's own build: these decide where gcc puts what.
COMMON_FLAGS = ("-O2", "-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-common", "-w")
X86_FLAGS = ("-mcmodel=kernel",)
# KBUILD_CFLAGS_MODULE and the like in arch/*/Makefile; these decide how code addresses a variable.
MACHINE_FLAGS = {
    "gcc": X86_FLAGS, "aarch64-linux-gnu-gcc": ("-mgeneral-regs-only",),
    "powerpc64le-linux-gnu-gcc": ("-mcmodel=large",), "s390x-linux-gnu-gcc": ("-fPIC",)}

BuildModule = t.Callable[..., Path]


@pytest.fixture(scope="session")
def build_module(tmp_path_factory: pytest.TempPathFactory) -> BuildModule:
    """A function that compiles one of these C files and returns the path of the module.

    It takes the file's name without suffix, flags of gcc, the option to call `strip` with, and a compiler.
    The same call returns the same file, which tests must not change.
    """

    @functools.cache
    def build(source: str, *flags: str, strip: str | None = None, compiler: str = "gcc") -> Path:
        target = tmp_path_factory.mktemp(source) / f"{source}.ko"
        command = [compiler, "-c", *COMMON_FLAGS, *MACHINE_FLAGS[compiler], *flags, "-o", str(target)]
        subprocess.run([*command, str(FIXTURES / f"{source}.c")], check=True)
        if strip:
            subprocess.run(["strip", strip, str(target)], check=True)
        return target

    return build


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """A person who signs directories, with a key of their own."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.signed_directory import Signer

    with Signer(tmp_path_factory.mktemp("signer") / "home") as the_signer:
        yield the_signer
