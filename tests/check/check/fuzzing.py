# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzers over everything that reads a patch file: all of them, and as many as fit into some seconds."""

from __future__ import annotations

from check import environments, packages, reports
from check.environments import NEWEST_CORE
from check.paths import CHECKOUT
from check.run import Run

FUZZ = CHECKOUT / "tests" / "fuzz"
INPUTS = 200_000
SHORT_SECONDS = 15


def run_fuzz(run: Run) -> None:
    """Feed all inputs; this takes some minutes."""
    _feed(run, "fuzz", f"Fuzzers, {INPUTS} inputs", "--inputs", str(INPUTS))


def run_short_fuzz(run: Run) -> None:
    """Feed the first ones of the same inputs."""
    _feed(run, "fuzz-short", f"Fuzzers, {SHORT_SECONDS} seconds", "--seconds", str(SHORT_SECONDS))


def _feed(run: Run, name: str, title: str, *options: str) -> None:
    packages.ensure(run, *packages.FIXTURES)
    python = environments.ensure(run, NEWEST_CORE) / "python"
    command = [str(python), "-B", str(FUZZ), "run", *options, "--failures", str(run.directory / name)]
    result = run.command(title, command, env=run.variables(), show=True, minutes=60)
    if result.returncode == 0:
        reports.write_case(run.reports / name / "run.xml", name, title)
    run.account(name, title, result)
