# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on real kernels in the lab's machines: the suite and the demonstration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from check import environments, packages
from check.environments import NEWEST_CORE
from check.packages import as_root
from check.paths import CHECKOUT
from check.pytest_command import pytest_command
from check.run import Run, say

LAB = CHECKOUT / "tests" / "lab"
# Passed on when sudo drops the rest of the environment.
PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
# A machine of the lab keeps one core busy and takes almost one GiB, and a test can have more than one of them.
CORES_FOR_TWO, MEMORY_FOR_TWO = 2, 6 << 30


def run_kernel(run: Run) -> None:
    """Run the suite that patches real kernels."""
    _run_suite(run, "Real kernels", minutes=75)


def run_all_of_kernel(run: Run) -> None:
    """Run it with what takes long: a change that is ended before each of its steps."""
    _run_suite(run, "Real kernels, exhaustively", "--exhaustive", minutes=240)


def run_demo(run: Run) -> int:
    """Run the demonstration and return its exit code."""
    programs = _prepare(run)
    command = [str(programs / "python"), "-B", str(LAB / "demo")]
    return run.command("Demonstration", **_shown(run, command)).returncode


def clean_lab(run: Run) -> int:
    """Let the lab remove its images and saved machines, and return its exit code."""
    return run.command("Lab caches", as_root(sys.executable, "-B", str(LAB), "clean")).returncode


def _run_suite(run: Run, title: str, *options: str, minutes: int) -> None:
    """Run the suite. It leaves a table of what was seen, for a page of the documentation."""
    programs = _prepare(run)
    results = run.directory / "results.rst"
    options = ("--verbose", *_side_by_side(), "--results", str(results), *options)
    command = pytest_command(run, "kernel", programs, *options, str(LAB / "suite"))
    run.check("kernel", title, **dict(_shown(run, command), minutes=minutes))
    say(f"    what was seen is in {results}")


def _side_by_side() -> tuple[str, ...]:
    """Return the options that run two files of tests at a time, each with its own machines, where that is faster."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if len(os.sched_getaffinity(0)) < CORES_FOR_TWO or memory < MEMORY_FOR_TWO:
        return ()
    # In the order of the suite's conftest.py, and not by the number of tests in a file.
    return "--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"


def _prepare(run: Run) -> Path:
    packages.ensure(run, *packages.of_lab(), *packages.FIXTURES)
    return environments.ensure(run, NEWEST_CORE)


def _shown(run: Run, command: list[str]) -> dict[str, object]:
    """Return the arguments for Run.command: as root, which the machines need, and with its output passed on."""
    env = run.variables(PYTHONUNBUFFERED="1")
    settings = [f"{name}={env[name]}" for name in PASSED_ON]
    return {"command": as_root("env", *settings, *command), "env": env, "show": True, "minutes": 40}
