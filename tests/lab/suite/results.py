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
    """The rows of one run of the suite, in the order in which they came."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def write(self, path: Path) -> None:
        """Write the rows as a table of reStructuredText, to be included in a page."""
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 40 15 37 8", ""]
        for cells in (("Case", "Kernel", "Seen", "Seconds"), *map(_cells, self.rows)):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(cells)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    return row.case, row.kernel, row.seen, f"{row.seconds:.0f}"
