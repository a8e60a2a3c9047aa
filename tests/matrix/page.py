# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the matrix in a page of the documentation: a run writes the rows that it has computed.

The page itself is what is kept, so that a run of one part loses nothing of the others.
"""

from __future__ import annotations

import fcntl
import typing as t
from pathlib import Path

from tests.matrix.versions import CANDIDATE, CONTROLLERS, GUESTS, HOST_PYTHONS, number

NOT_RUN = "not run"
FAILED, SKIPPED = "failed", "skipped"
# The whole suite on real kernels runs on bookworm.
PYTHON_OF_SUITE = "3.11"


class Table(t.NamedTuple):
    """A table: the names of its rows, and the heads of its columns, the first of which is for the names."""

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    widths: str


CONTROLLER_TABLE = Table(
    "controllers", tuple(CONTROLLERS),
    ("ansible-core", "Version", "Python", "Plugins", "Documentation", "Playbooks", "Unit tests", "Deprecations", "Run"),
    "10 12 10 11 11 11 13 12 10")
HOST_TABLE = Table(
    "host Pythons", HOST_PYTHONS,
    ("Python", "Version", "From", "ansible-core", "Files", "Unit tests", "Module", "Run"),
    "8 12 18 12 12 20 10 8")
GUEST_TABLE = Table(
    "guests", tuple(GUESTS),
    ("Kernel/ansible-core", "Release", "Python", "ansible-core", "Lab tests", "Run"), "20 22 10 12 22 12")
TABLES = (CONTROLLER_TABLE, HOST_TABLE, GUEST_TABLE)


def write_rows(page: Path, table: Table, rows: t.Mapping[str, t.Sequence[str]]) -> None:
    """Write the cells of some rows by their names; a row that was not run keeps the cells that it has.

    Raises ValueError where the page has no place for the table.
    """
    # In place and locked, since runs of other parts write to the same page.
    with open(page, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = _with_rows(file.read(), table, rows, page)
        file.seek(0)
        file.truncate()
        file.write(text)


def _with_rows(text: str, table: Table, rows: t.Mapping[str, t.Sequence[str]], page: Path) -> str:
    before, old, after = _split(text, table, page)
    known = {**_cells(old), **rows}
    lines = ["", ".. list-table::", "   :header-rows: 1", f"   :widths: {table.widths}", "", *_lines(table.columns)]
    for row in table.rows:
        lines += _lines((row, *known.get(row, _not_run(table))))
    return before + "\n".join(lines) + "\n\n" + after


def read_table(page: Path, table: Table) -> dict[str, list[str]]:
    """Return the cells of each row of the page by the row's name, also of a row that the table no longer has."""
    return _cells(_split(page.read_text(encoding="utf-8"), table, page)[1])


def lines_of_readme(page: Path) -> list[str]:
    """Return what the README says under "Tested with": the versions of the rows that have passed."""
    passed = {table: {name: cells for name, cells in read_table(page, table).items() if has_passed(cells)}
              for table in TABLES}
    cores = [f"{cells[0]}, a candidate" if name == CANDIDATE else name
             for name, cells in passed[CONTROLLER_TABLE].items()]
    guests = {minor(cells[1]) for cells in passed[GUEST_TABLE].values()} | {PYTHON_OF_SUITE}
    return [
        f"| ansible-core | {joined(cores)}: [the tables][{page.stem}] |",
        f"| Python on hosts | {joined(list(passed[HOST_TABLE]))} for the unit tests of the host half, "
        f"{joined(sorted(guests, key=number))} on the real kernels |"]


def minor(version: str) -> str:
    """Return the first two numbers of a version."""
    return ".".join(version.split(".")[:2])


def joined(words: t.Sequence[str]) -> str:
    *first, last = words or ("none",)
    return f"{', '.join(first)} and {last}" if first else last


def has_passed(cells: t.Sequence[str]) -> bool:
    """Whether a row is one of a run in which nothing failed or was missing."""
    return not any(cell == NOT_RUN or cell.startswith((FAILED, SKIPPED)) for cell in cells)


def _not_run(table: Table) -> list[str]:
    return [NOT_RUN, *[""] * (len(table.columns) - 2)]


def _split(text: str, table: Table, page: Path) -> tuple[str, str, str]:
    begin, end = f".. begin of the {table.name}\n", f".. end of the {table.name}\n"
    before, found, rest = text.partition(begin)
    old, found_too, after = rest.partition(end)
    if not found or not found_too:
        raise ValueError(f"{page} has no place for the {table.name}; add the comments `{begin.strip()}` and "
                         f"`{end.strip()}`.")
    return before + begin, old, end + after


def _cells(text: str) -> dict[str, list[str]]:
    rows: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("   * -"):
            rows.append([])
        if line.startswith(("   * -", "     -")):
            rows[-1].append(line[6:].strip())
    return {row[0]: row[1:] for row in rows[1:]}


def _lines(cells: t.Sequence[str]) -> list[str]:
    return [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
