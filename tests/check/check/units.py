# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests: all of them on the newest ansible-core, the plugins' on the oldest, the host half's on Python 3.6."""

from __future__ import annotations

import os
from pathlib import Path

from check import environments, packages
from check.collection_tree import collection_tree
from check.environments import HOST_PYTHON, NEWEST_CORE, OLDEST_CORE, Environment
from check.pytest_command import pytest_command
from check.run import Run

HOST_TESTS = ("tests/unit/plugins/module_utils", "tests/unit/plugins/modules")


def run_units(run: Run) -> None:
    """Run all unit tests."""
    packages.ensure(run, *packages.FIXTURES)
    _on_core(run, "units", NEWEST_CORE, "tests/unit")
    _on_core(run, "units-oldest-core", OLDEST_CORE, "tests/unit/plugins")
    _on_host_python(run, "units-host-python")


def _on_core(run: Run, name: str, environment: Environment, tests: str) -> None:
    title = f"Units on {environment.title}"
    if not environments.available(environment):
        run.skip(name, title, f"no Python {' or '.join(environment.pythons)} here")
        return
    workers = f"--numprocesses={len(os.sched_getaffinity(0))}"
    # The runs of playbooks, which take longest, are all in a few files.
    command = pytest_command(
        run, name, environments.ensure(run, environment), "--quiet", workers, "--dist=worksteal", tests)
    run.check(name, title, command, env=run.variables())


def _on_host_python(run: Run, name: str) -> None:
    """Test the host half on the oldest Python of hosts, with ansible-core 2.16, the last that drives it."""
    title = f"Units of the host half on {HOST_PYTHON.title}"
    if not (environments.available(HOST_PYTHON) and environments.available(OLDEST_CORE)):
        run.skip(name, title, "no Python 3.6, or none for ansible-core 2.16, here")
        return
    core = environments.site_packages(run, OLDEST_CORE)
    with collection_tree() as collection:
        # The collection is found through PYTHONPATH; the conftests above are written for a controller's Python.
        options = ["--quiet", "--confcutdir=tests/unit/plugins/module_utils", *_present(collection)]
        command = pytest_command(run, name, environments.ensure(run, HOST_PYTHON), *options)
        path = f"{collection.parents[2]}:{_module_utils_only(core, collection.parents[2])}"
        run.check(name, title, command, cwd=collection, env=run.variables(PYTHONPATH=path))


def _present(collection: Path) -> list[str]:
    return [tests for tests in HOST_TESTS if (collection / tests).is_dir()]


def _module_utils_only(core: Path, root: Path) -> Path:
    """Return a directory whose `ansible` package has module_utils and nothing of a controller, like a host."""
    package = root / "host" / "ansible"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    package.joinpath("module_utils").symlink_to(core / "ansible" / "module_utils")
    return package.parent
