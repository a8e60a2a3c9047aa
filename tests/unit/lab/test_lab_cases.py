# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of every test on every kernel, on a suite of tests without machines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[2] / "lab" / "suite"
PAGE = """\
Results
=======

A sentence about them.

"""
TESTS = """\
import pytest


@pytest.fixture(scope="session")
def lab(request):
    from conftest import RELEASED
    request.config.stash[RELEASED] = "@release"


@pytest.fixture
def breaks_at_the_end(lab):
    yield
    assert False


@pytest.mark.core
def test_a_patch_loads(lab):
    pass


@pytest.mark.parametrize("file", ["one_two", "third"])
def test_a_file_fits(lab, file):
    assert file != "@broken"


def test_an_end_fails(breaks_at_the_end):
    pass


def test_a_kernel_without_it(lab):
    pytest.skip("not about this kernel: it is built without CONFIG_X")


@pytest.mark.one_kernel
def test_the_controller_decides(lab):
    pass


@pytest.mark.exhaustive
def test_what_takes_long(lab):
    pass
"""
CASES = [
    ["", "the kernel's release, as of the last run"],
    ["kept", "a patch loads"],
    ["kept", "a file fits (``one_two``)"],
    ["kept", "a file fits (``third``)"],
    ["kept", "an end fails"],
    ["kept", "a kernel without it"],
    ["kept", "the controller decides"],
    ["kept", "what takes long"],
]


@pytest.fixture
def suite(tmp_path):
    """run(release, option...) -> the rows of the page's table after a run, with `tests` as the file of the suite"""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p conftest\n", encoding="utf-8")
    page = tmp_path / "page.rst"
    page.write_text(PAGE, encoding="utf-8")

    def run(release, *options, tests=TESTS):
        (tmp_path / "test_kept.py").write_text(tests.replace("@release", release), encoding="utf-8")
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--cases", str(page)]
        done = subprocess.run(
            [*command, *options, "test_kept.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SUITE)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout
        text = page.read_text(encoding="utf-8")
        assert text.startswith(PAGE)
        return rows(text)
    return run


def rows(text):
    """The cells of the table, row by row."""
    found = []
    for line in text.splitlines():
        if line.startswith("   * -"):
            found.append([])
        if line.startswith(("   * -", "     -")):
            found[-1].append(line[6:].strip())
    return found


def cells_of(table):
    """What the rows say of the kernels, below the header and the row of releases."""
    return [row[2:] for row in table[2:]]


def test_each_test_is_a_row_with_a_sentence_and_each_kernel_a_column(suite):
    table = suite("6.1.0-1-amd64")
    assert table[0] == ["Test file", "Case", "5.10", "6.1", "6.12", "7.2"]
    assert [row[:2] for row in table[1:]] == CASES
    assert table[1][2:] == ["not run", "6.1.0-1-amd64", "not run", "not run"]
    assert {(row[2], row[4], row[5]) for row in table[2:]} == {("not run",) * 3}
    assert [row[3] for row in table[2:]] == [
        "passed", "passed", "passed", "failed", "not about this kernel: it is built without CONFIG_X", "passed",
        "not run"]


def test_another_kernel_has_its_own_column_and_the_rest_stays(suite):
    before = cells_of(suite("6.1.0-1-amd64"))
    after = cells_of(suite("7.2.12", "--kernel", "7.2", "-m", "core"))
    assert after == [[*before[0][:3], "passed"], *before[1:]]


def test_what_the_controller_decides_runs_on_one_kernel(suite):
    row = suite("7.2.12", "--kernel", "7.2", "-k", "decides")[-1]
    assert row[1:] == [
        "the controller decides", *["not run"] * 3, "not about this kernel: the controller decides it, see 6.1"]


def test_a_later_run_changes_what_it_ran_and_nothing_else(suite):
    before = cells_of(suite("6.1.0-1-amd64"))
    broken = TESTS.replace("@broken", "third")
    assert cells_of(suite("6.1.0-1-amd64", "-k", "fits", tests=broken)) == [
        *before[:2], ["not run", "failed", "not run", "not run"], *before[3:]]
    assert cells_of(suite("6.1.0-1-amd64", "-k", "fits")) == before


def test_a_test_whose_turn_does_not_come_keeps_what_was_seen(suite):
    before = suite("6.1.0-1-amd64", "--exhaustive")
    assert before[-1][1:4] == ["what takes long", "not run", "passed"]
    assert suite("6.1.0-1-amd64") == before
    assert suite("6.1.0-1-amd64", "--minutes", "0") == before


@pytest.mark.parametrize(("options", "order"), [
    ((), ["rollout", "boot", "selinux", "accept", "watch"]),
    (("--minutes", "3"), ["accept", "watch", "selinux", "boot", "rollout"]),
])
def test_what_takes_minutes_comes_first_and_in_a_limited_time_last(tmp_path, options, order):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p conftest\n", encoding="utf-8")
    for name in order:
        (tmp_path / f"test_{name}.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", *options]
    shown = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SUITE)}, capture_output=True, text=True, check=True)
    found = [line.partition(".py::")[0] for line in shown.stdout.splitlines() if ".py::" in line]
    assert found == [f"test_{name}" for name in order]


def test_a_test_that_is_gone_has_no_row(suite):
    suite("6.1.0-1-amd64")
    table = suite("6.1.0-1-amd64", tests=TESTS.replace("test_a_file_fits", "test_another_file_fits"))
    assert [row[1] for row in table if "fits" in row[1]] == [
        "another file fits (``one_two``)", "another file fits (``third``)"]


def test_two_workers_fill_the_same_table(suite):
    pytest.importorskip("xdist")
    alone = suite("6.1.0-1-amd64")
    assert suite("6.1.0-1-amd64", "--numprocesses=2") == alone


def test_a_page_without_a_table_gets_one(suite):
    assert [row[:2] for row in suite("6.1.0-1-amd64", "-m", "core")] == [["Test file", "Case"], *CASES[:2]]
