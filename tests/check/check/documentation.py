# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation pages of the collection, built into the cache."""

from __future__ import annotations

from check import environments, packages
from check.collection_tree import collection_tree
from check.environments import TOOLS
from check.errors import CheckError
from check.paths import cache_dir
from check.run import Run, say


def build_docs(run: Run) -> None:
    """Build the pages and say where they are.

    Raises CheckError when antsibull-docs or Sphinx fails.
    """
    packages.ensure(run)
    programs = environments.ensure(run, TOOLS)
    pages = cache_dir() / "docs"
    with collection_tree() as collection:
        env = run.variables(ANSIBLE_COLLECTIONS_PATH=str(collection.parents[2]), PATH=f"{programs}:/usr/bin:/bin")
        pages.mkdir(mode=0o700, exist_ok=True)
        source = ["antsibull-docs", "sphinx-init", "--use-current", "--squash-hierarchy", "--lenient"]
        _step(run, "Set up the pages", [*source, "--dest-dir", str(pages), "kernel.livepatch"], env)
        _step(run, "Build the pages", [str(pages / "build.sh")], env)
    say(f"The first page is {pages / 'build' / 'html' / 'index.html'}")


def _step(run: Run, title: str, command: list[str], env: dict[str, str]) -> None:
    result = run.command(title, command, env=env)
    if result.returncode:
        raise CheckError(f"The pages could not be built; see {result.log}")
