# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linters, each one row of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST_CODE = ("plugins/module_utils", "plugins/modules")
TYPED = ("plugins/plugin_utils", "plugins/action", "plugins/callback", "plugins/lookup", "plugins/filter")
COLLECTION = "ansible_collections/kernel/livepatch"


@dataclass(frozen=True)
class Linter:
    """One linter: its command, and whether it starts above ansible_collections, where imports begin."""

    name: str
    command: tuple[str, ...]
    above: bool = False

    def command_for(self, collection: Path) -> list[str]:
        """Return the command for the copy of the collection."""
        if not self.above:
            return list(self.command)
        return ["env", f"--chdir={collection.parents[2]}", *self.command]


LINTERS = (
    Linter("ruff", ("ruff", "check", "--no-cache", "--output-format=concise", ".")),
    Linter("yamllint", ("yamllint", "--strict", ".")),
    Linter("ansible-lint", ("ansible-lint", "--offline", "--profile", "production")),
    # The pages of the documentation as such; what plugins document is the session docs-check.
    Linter("rstcheck", ("antsibull-docs", "lint-collection-docs", ".")),
    Linter("antsibull-changelog", ("antsibull-changelog", "lint")),
    # Also where no Python 3.6 is at hand for ansible-test to compile with.
    Linter("vermin", ("vermin", "--target=3.6-", "--violations", "--no-tips", *HOST_CODE)),
    Linter("import-linter", ("lint-imports", "--no-cache", ".importlinter")),
    Linter(
        "mypy",
        ("mypy", "--config-file", f"{COLLECTION}/mypy.ini", *(f"{COLLECTION}/{path}" for path in TYPED)),
        above=True,
    ),
    Linter("ansible-builder", ("python", "-B", "-m", "tests.check.execution_environment")),
    # The last one: it changes the copy.
    Linter("release", ("python", "-B", "-m", "tests.check.rehearsal")),
)
