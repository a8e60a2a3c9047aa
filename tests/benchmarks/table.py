# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of figures in a page of the documentation: a run writes the rows that it has measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.benchmarks.figures import Benchmark

BEGIN, END = ".. begin of the table\n", ".. end of the table\n"
HEAD = """
.. list-table::
   :header-rows: 1
   :widths: 40 14 14 10 22

   * - Figure
     - Goal
     - Measured
     -
     - Benchmark
"""
ROW = re.compile(r"^   \* - (?P<title>.*)\n     - .*\n     - (?P<measured>.*)\n     - .*\n     - .*\n", re.MULTILINE)
NOT_MEASURED = "not measured"


def write_table(page: Path, benchmarks: Iterable[Benchmark], values: Mapping[str, float]) -> None:
    """Write the table between its two comments; figures that this run has not measured keep what they had."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for a table, see {Path(__file__).name}")
    known = {row["title"]: row["measured"] for row in ROW.finditer(old)}
    page.write_text(before + begin + HEAD + "".join(rows(benchmarks, values, known)) + "\n" + end + after, "utf-8")


def rows(benchmarks: Iterable[Benchmark], values: Mapping[str, float], known: Mapping[str, str]) -> Iterable[str]:
    for benchmark in benchmarks:
        for figure in benchmark.figures:
            value = values.get(figure.title)
            shown = known.get(figure.title, NOT_MEASURED) if value is None else figure.shown(value)
            verdict = "open" if shown == NOT_MEASURED else figure.verdict(float(shown.split()[0]))
            yield (f"   * - {figure.title}\n     - {figure.shown_goal()}\n     - {shown}\n"
                   f"     - {verdict}\n     - ``{benchmark.name}``\n")
