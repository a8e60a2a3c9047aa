# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of Pythons on hosts: the host half is compiled, tested, and run there by ansible-core."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from tests.check.paths import CHECKOUT
from tests.matrix import controllers, environments, rows
from tests.matrix.host_pythons import HostPython, host_python
from tests.matrix.rows import Failure, Row
from tests.matrix.versions import newest_controller

COMPILE_FILES = Path(__file__).with_name("compile_files.py")
HOST_HALF = ("plugins/module_utils", "plugins/modules")
UNIT_TESTS = ("tests/unit/plugins/module_utils", "tests/unit/plugins/modules")
# What the tests read beside the host half: the layout is a collection's.
COPIED = ("plugins", "roles", "meta", "galaxy.yml", ".importlinter", "tests/unit", "tests/__init__.py")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")
UNIT_MINUTES, COMMAND_MINUTES = 120, 10
MODULE = "kernel.livepatch.patch_info"


def fill(row: Row, version: str) -> None:
    """Compute the cells of a row; raises Skip where this Python, or an ansible-core for it, cannot be had."""
    core = environments.install(newest_controller(version), row)
    with host_python(version, row) as python:
        exact = rows.last_line(row.run("version", [
            *python.command, "-c", "import platform; print(platform.python_version())"], COMMAND_MINUTES))
        if not exact.startswith(f"{version}."):
            raise rows.Skip(f"{python.origin} has Python {exact}")
        tree = _stage(python.directory, core)
        row.cells = [exact, python.origin, core.version]
        row.add("files", lambda: _files(row, python, tree))
        row.add("unit tests", lambda: _unit_tests(row, python, tree))
        row.add("module", lambda: _module(row, python, core))
        row.cells.append(rows.today())


def _stage(directory: Path, core: environments.Core) -> Path:
    """Copy the collection, and of ansible-core what a host gets; return the collection's directory."""
    tree = directory / "ansible_collections" / "kernel" / "livepatch"
    for name in COPIED:
        source, target = CHECKOUT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=NOT_COPIED)
        else:
            shutil.copyfile(source, target)
    shutil.copyfile(COMPILE_FILES, directory / COMPILE_FILES.name)
    # `ansible` has module_utils there and nothing of a controller, like on a host.
    package = directory / "host" / "ansible"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    shutil.copytree(core.packages / "ansible" / "module_utils", package / "module_utils", ignore=NOT_COPIED)
    return tree


def _files(row: Row, python: HostPython, tree: Path) -> str:
    directories = [python.path(tree / name) for name in HOST_HALF]
    command = [*python.command, python.path(python.directory / COMPILE_FILES.name), *directories]
    return f"{rows.last_line(row.run('files', command, COMMAND_MINUTES))} compiled"


def _unit_tests(row: Row, python: HostPython, tree: Path) -> str:
    # The collection is found through PYTHONPATH; the conftests above are written for a controller's Python.
    start = (
        f"import os, sys; os.chdir({python.path(tree)!r}); sys.dont_write_bytecode = True; "
        f"sys.path[:0] = [{python.path(python.directory)!r}, {python.path(python.directory / 'host')!r}]; "
        "os.environ['PYTHONPATH'] = os.pathsep.join(sys.path[:2]); os.environ['PYTHONDONTWRITEBYTECODE'] = '1'; "
        "import pytest; sys.exit(pytest.main(sys.argv[1:]))")
    report = python.directory / "report.xml"
    command = [
        *python.command, "-B", "-c", start, "-p", "no:cacheprovider", "--quiet", "-rfs", "--color=no",
        f"--confcutdir={UNIT_TESTS[0]}", *UNIT_TESTS]
    return row.pytest("unit tests", command, UNIT_MINUTES, written=(report, python.path(report)))


def _module(row: Row, python: HostPython, core: environments.Core) -> str:
    """Have ansible-core run the module on this Python; it changes nothing, and whose kernel answers is no matter."""
    with controllers.collections() as tree, tempfile.TemporaryDirectory(prefix="kernel-livepatch-matrix-") as home:
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(tree), "ANSIBLE_HOME": home, "HOME": home, "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_LOCALHOST_WARNING": "false"}
        interpreter = f"ansible_python_interpreter={python.launcher}"
        command = [core.programs / "ansible", "host", "-i", "host,", "-c", "local", "-e", interpreter, "-m", MODULE]
        output = row.run("module", command, COMMAND_MINUTES, env=settings)
    if not re.search(r'^ +"interface": ', output, re.MULTILINE):
        raise Failure(f"{MODULE} did not return what it found")
    if rows.deprecations(output):
        raise Failure(rows.deprecations(output)[0])
    return "ran"
