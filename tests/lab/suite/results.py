# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has been seen on real kernels, as a table for the documentation."""

from __future__ import annotations

import typing as t
from pathlib import Path


class Row(t.NamedTuple):
    """One case: what was done to a host, on which kernel release, what was seen, and the seconds that it took."""

    case: str
    kernel: str
    seen: str
    seconds: float


class Results:
    """The rows of one run of the suite, each with the number of its test: several workers can bring them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Row]] = []

    def plain(self) -> list[tuple[int, list]]:
        """The rows as a worker can send them; `add_plain` takes them."""
        return [(number, list(row)) for number, row in self.rows]

    def add_plain(self, rows: list[tuple[int, list]]) -> None:
        self.rows += [(number, Row(*row)) for number, row in rows]

    def write(self, path: Path) -> None:
        """Write the rows, in the order of the tests, as a table of reStructuredText, to be included in a page."""
        rows = [row for _number, row in sorted(self.rows, key=lambda numbered: numbered[0])]
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 40 15 37 8", ""]
        for cells in (("Case", "Kernel", "Seen", "Seconds"), *map(_cells, rows)):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    return row.case, row.kernel, row.seen, f"{row.seconds:.0f}"
