# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the suite on real kernels does around its tests, on tests without machines."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.kernels import KERNELS

SUITE = Path(__file__).resolve().parents[2] / "lab" / "suite"
OPTIONS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")

sys.path.insert(0, str(SUITE))

from causes import ENOEXEC, FILES, LOADS, STATES, UNREADABLE, Cause, by_name  # noqa: E402

# In place of the machines of the fixture `lab`.
NO_LAB = """
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def lab():
    return SimpleNamespace(image=SimpleNamespace(release="6.1.0-1-amd64"))
"""


def file_of(*cases: str) -> str:
    return NO_LAB + "".join(f"\n\ndef test_{case}(seen):\n    seen('{case}', 'as documented')\n" for case in cases)


@pytest.fixture
def suite(tmp_path):
    """run(option...) -> the cells of the table, case by case, of a suite of three files"""
    for name, cases in {"accept": ("third", "fourth"), "boot": ("first", "second"), "zero": ("fifth",)}.items():
        (tmp_path / f"test_{name}.py").write_text(file_of(*cases), encoding="utf-8")
    # In place of a conftest.py that would be found by itself.
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p conftest\n", encoding="utf-8")

    def run(*options):
        table = tmp_path / "table.rst"
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--results", str(table)]
        done = subprocess.run(
            [*command, *options, str(tmp_path)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SUITE)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return [line[7:] for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("   * - ")]
    return run


@pytest.mark.parametrize("options", [(), OPTIONS], ids=["one worker", "two workers"])
def test_the_table_has_what_each_worker_saw_in_the_order_of_the_tests(suite, options):
    if options:
        pytest.importorskip("xdist")
    assert suite(*options) == ["Case", "first", "second", "third", "fourth", "fifth"]


def marks_of(function: ast.FunctionDef) -> set[str]:
    """Return the last words of what decorates a test: `core` for @pytest.mark.core."""
    return {node.attr for node in function.decorator_list if isinstance(node, ast.Attribute)}


def test_the_core_of_the_suite_is_small_and_has_nothing_that_takes_long():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SUITE.glob("test_*.py")]
    marks = [marks_of(node) for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    core = [found for found in marks if "core" in found]
    assert 10 <= len(core) <= 18
    assert not any("exhaustive" in found for found in core)


def about(causes, kernel, options=()):
    """The causes that are about a kernel with these options, by their name."""
    return {name: [cause for cause in same if not cause.not_about(kernel, options.__contains__)]
            for name, same in by_name(causes).items()}


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_cause_has_at_most_one_verdict_of_a_kernel(kernel):
    for causes in (FILES, STATES, UNREADABLE):
        found = about(causes, kernel, {"CONFIG_MODVERSIONS"})
        assert [name for name, same in found.items() if len(same) > 1] == []
    assert {kernel for cause in (*FILES, *STATES) for kernel in cause.kernels} <= set(KERNELS)


def test_a_cause_is_left_out_for_a_kernel_of_another_name_or_without_its_option():
    old = Cause("fix", "code", "blocker", LOADS, kernels=("5.10",))
    new = Cause("fix", "code", "blocker", ENOEXEC, kernels=("6.1",), needs="CONFIG_X")
    assert about([old, new], "5.10") == {"code-fix": [old]}
    assert about([old, new], "6.1", {"CONFIG_X"}) == {"code-fix": [new]}
    assert about([old, new], "6.1") == {"code-fix": []}
    assert new.not_about("6.1", lambda option: False) == "it is built without CONFIG_X"
    assert new.not_about("5.10", lambda option: True) == "it is about 6.1"
