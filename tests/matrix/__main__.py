# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes rows of the matrix: `python -m tests.matrix --page PAGE [PART...]` from the checkout, as root.

PART is controllers, hosts or guests, or the name of a row: 2.16, candidate, 3.6, 5.10/2.16. Without one, all
rows are computed. Each row is written into the page when it is complete. Standard library only.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.matrix import controllers, guests, hosts, page
from tests.matrix.rows import Failure, Place, Row, Skip
from tests.matrix.versions import CONTROLLERS, GUESTS, HOST_PYTHONS


class Part(t.NamedTuple):
    """A part of the matrix: `fill[name](row)` computes the cells of a row."""

    table: page.Table
    fill: dict[str, Callable[[Row], None]]


def parts() -> dict[str, Part]:
    return {
        "controllers": Part(page.CONTROLLER_TABLE, {
            name: lambda row, one=one: controllers.fill(row, one) for name, one in CONTROLLERS.items()}),
        "hosts": Part(page.HOST_TABLE, {
            name: lambda row, name=name: hosts.fill(row, name) for name in HOST_PYTHONS}),
        "guests": Part(page.GUEST_TABLE, {
            name: lambda row, one=one: guests.fill(row, one) for name, one in GUESTS.items()}),
    }


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when no cell failed, 2 for a part that there is not."""
    options = options_of(arguments)
    known = parts()
    names = {*known, *(name for part in known.values() for name in part.fill)}
    unknown = [part for part in options.parts if part not in names]
    if unknown:
        print(f"error: There is no part {unknown[0]}; use one of: {', '.join(sorted(names))}.", file=sys.stderr)
        return 2
    place = Place(options.reports, options.reports / "logs")
    # So that what a row has made is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for table in page.TABLES:
        page.write_rows(options.page, table, {})
    failed = []
    for part, name in chosen(known, options.parts):
        row = computed(part, name, place)
        page.write_rows(options.page, part.table, {name: row.cells})
        print(f"{part.table.name}: {name}: {', '.join(filter(None, row.cells))}", flush=True)
        failed += [name] if row.failed else []
    print(f"The page is {options.page}, and the output of each command is in {place.logs}")
    print("The README says under 'Tested with':", *page.lines_of_readme(options.page), sep="\n")
    if failed:
        print(f"error: These rows have a cell that failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def chosen(known: dict[str, Part], names: list[str]) -> Iterator[tuple[Part, str]]:
    """The rows that are named, by their own name or by that of their part; all where nothing is."""
    for name, part in known.items():
        for row in part.fill:
            if not names or name in names or row in names:
                yield part, row


def computed(part: Part, name: str, place: Place) -> Row:
    """Return the row, with a cell for each column but the first."""
    row = Row(place, name)
    columns = len(part.table.columns) - 1
    try:
        part.fill[name](row)
    except Skip as skip:
        row.skip(str(skip), columns)
    except Failure as failure:
        row.fail(str(failure), columns)
    return row


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--page", type=Path, required=True, help="the page with the tables")
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to compute; everything if left out")
    parser.add_argument("--reports", type=Path, help="the directory for JUnit reports and logs")
    options = parser.parse_args(arguments)
    options.reports = options.reports or Path(tempfile.mkdtemp(prefix="kernel-livepatch-matrix-"))
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
