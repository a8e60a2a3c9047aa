# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of every test of the suite on every kernel: a page of the documentation, to which each run adds its column.

The page itself is what is kept. A run changes the cells of the tests that it ran, on its own kernel, one by one. So no
later run loses them, and neither does the end of this one.
"""

from __future__ import annotations

import fcntl
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
# Begins the reason of a skipped test that has nothing to say about a kernel; other reasons are about the run.
NOT_ABOUT = "not about this kernel"

TABLE = ".. list-table::"
WIDTHS = "10 38"
RELEASE = ("", "the kernel's release, as of the last run")
PROPERTY = "kernel release"


class Case(t.NamedTuple):
    """A test: its file without `test_`, and its name as a sentence, with its parameters."""

    file: str
    sentence: str

    @classmethod
    def of(cls, node: str) -> Case:
        """The case of a test's id, such as test_load.py::test_a_b[c]."""
        path, _colons, name = node.partition("::")
        function, _bracket, parameters = name.partition("[")
        sentence = function.removeprefix("test_").replace("_", " ")
        sentence += f" (``{parameters[:-1]}``)" if parameters else ""
        return cls(Path(path).stem.removeprefix("test_"), sentence)

    def place(self, suite: Path) -> int:
        """Where the test begins in its file of the suite; -1 where there is none any more."""
        path = suite / f"test_{self.file}.py"
        function = self.sentence.partition(" (")[0].replace(" ", "_")
        return path.read_text(encoding="utf-8").find(f"\ndef test_{function}(") if path.exists() else -1


class Cases:
    """The cells by case and kernel."""

    def __init__(self, kernels: t.Sequence[str], text: str = "") -> None:
        """`text` is a page with the table, or one to add it to."""
        self._kernels = tuple(kernels)
        self._head, found, table = text.partition(TABLE)
        self._cells: dict[tuple[str, str], dict[str, str]] = {}
        if found:
            header, *rows = _rows(table)
            for file, sentence, *cells in rows:
                self._cells[file, sentence] = dict(zip(header[2:], cells, strict=True))

    def add(self, case: tuple[str, str]) -> None:
        """Add a row without outcomes, unless there is one."""
        self._cells.setdefault(case, {})

    def set(self, case: tuple[str, str], kernel: str, told: str) -> None:
        self._cells.setdefault(case, {})[kernel] = told

    def text(self, suite: Path) -> str:
        """The page, in the order of the suite's files, without the cases whose tests are gone."""
        widths = " ".join([WIDTHS, *["13"] * len(self._kernels)])
        lines = [f"{self._head}{TABLE}", "   :header-rows: 1", f"   :widths: {widths}", ""]
        for row in (("Test file", "Case", *self._kernels), *map(self._row, self._order(suite))):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(row)]
        return "\n".join(lines) + "\n"

    def _row(self, case: tuple[str, str]) -> tuple[str, ...]:
        return *case, *(self._cells[case].get(kernel, NOT_RUN) for kernel in self._kernels)

    def _order(self, suite: Path) -> list[tuple[str, str]]:
        placed = [(case[0], 0 if case == RELEASE else Case(*case).place(suite), case) for case in self._cells]
        return [case for _file, place, case in sorted(placed) if place >= 0]


def _rows(table: str) -> list[list[str]]:
    """The cells of a list-table, row by row."""
    rows: list[list[str]] = []
    for line in table.splitlines():
        if line.startswith("   * -"):
            rows.append([])
        if line.startswith(("   * -", "     -")):
            rows[-1].append(line[6:].strip())
    return rows


class Recorder:
    """A plugin of pytest that writes each outcome into the page when the test is over."""

    def __init__(self, page: Path, root: Path, kernels: t.Sequence[str], kernel: str) -> None:
        """`root` is what the ids of tests begin at, and `kernel` the one under test."""
        self._page, self._root, self._kernels, self._kernel = page, root, kernels, kernel
        self._told: dict[str, str] = {}

    def pytest_collection_finish(self, session: t.Any) -> None:
        self.add_cases([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: t.Any, ids: t.Sequence[str]) -> None:
        self.add_cases(ids)

    def add_cases(self, nodes: t.Sequence[str]) -> None:
        """Add a row for each test that has none, so that the page also has those that never ran."""
        if nodes:
            with self._changing(nodes[0]) as cases:
                for node in nodes:
                    cases.add(Case.of(node))

    def pytest_runtest_logreport(self, report: t.Any) -> None:
        told = outcome(report)
        # What failed stays so, and what was skipped has no call.
        if told and self._told.get(report.nodeid) != FAILED:
            self._told[report.nodeid] = told
        if report.when == "teardown" and report.nodeid in self._told:
            release = dict(report.user_properties).get(PROPERTY)
            self._write(report.nodeid, self._told.pop(report.nodeid), release)

    def _write(self, node: str, told: str, release: str | None) -> None:
        with self._changing(node) as cases:
            cases.set(Case.of(node), self._kernel, told)
            if release:
                cases.set(RELEASE, self._kernel, release)

    @contextmanager
    def _changing(self, node: str) -> t.Iterator[Cases]:
        # In place and locked, since runs on other kernels write to the same page.
        with open(self._page, "a+", encoding="utf-8") as page:
            fcntl.flock(page, fcntl.LOCK_EX)
            page.seek(0)
            cases = Cases(self._kernels, page.read())
            yield cases
            page.truncate(0)
            page.write(cases.text(Path(self._root, node.partition("::")[0]).parent))


def outcome(report: t.Any) -> str:
    """What a part of a test (setup, call, teardown) says for the table; empty where it says nothing."""
    if report.failed:
        return FAILED
    if report.skipped:
        reason = report.longrepr[2].removeprefix("Skipped: ")
        return reason if reason.startswith(NOT_ABOUT) else ""
    return PASSED if report.when == "call" else ""
