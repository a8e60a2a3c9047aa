# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linters, each one row of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from check import environments, packages, reports
from check.collection_tree import collection_tree
from check.environments import TOOLS
from check.run import Run


@dataclass(frozen=True)
class Linter:
    """One linter: its command, and the paths without which there is nothing for it to read."""

    name: str
    command: tuple[str, ...]
    reads: tuple[str, ...] = (".",)


HOST_CODE = ("plugins/module_utils", "plugins/modules")

LINTERS = (
    Linter("ruff", ("ruff", "check", "--no-cache", "--output-format=concise", ".")),
    Linter("yamllint", ("yamllint", "--strict", ".")),
    Linter(
        "ansible-lint",
        ("ansible-lint", "--offline", "--profile", "production", "playbooks", "roles"),
        ("playbooks", "roles"),
    ),
    Linter(
        "antsibull-docs",
        ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all", "."),
        ("plugins/modules",),
    ),
    Linter("antsibull-changelog", ("antsibull-changelog", "lint"), ("changelogs",)),
    # Also where no Python 3.6 is at hand for ansible-test to compile with.
    Linter("vermin", ("vermin", "--target=3.6-", "--violations", "--no-tips", *HOST_CODE), HOST_CODE),
)


def run_lint(run: Run) -> None:
    """Run every linter over a copy of the collection, so that all find it by its name."""
    packages.ensure(run)
    programs = environments.ensure(run, TOOLS)
    with collection_tree() as collection:
        env = run.variables(
            ANSIBLE_COLLECTIONS_PATH=str(collection.parents[2]),
            PATH=f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        for linter in LINTERS:
            _run_linter(run, linter, programs, collection, env)


def _run_linter(run: Run, linter: Linter, programs: Path, collection: Path, env: dict[str, str]) -> None:
    name, title = f"lint-{linter.name}", f"Lint: {linter.name}"
    present = [path for path in linter.reads if (collection / path).exists()]
    if not present:
        run.skip(name, title, f"no {' or '.join(linter.reads)} here")
        return
    absent = set(linter.reads) - set(present)
    command = [str(programs / linter.command[0]), *(word for word in linter.command[1:] if word not in absent)]
    result = run.command(title, command, cwd=collection, env=env)
    if result.returncode == 0:
        reports.write_case(run.reports / name / "run.xml", "lint", linter.name)
    run.account(name, title, result)
