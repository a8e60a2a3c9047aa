# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints a table of figures: `python -m tests.benchmarks [NAME ...]` from the checkout, with the packages of the units.

Without names, runs every benchmark that needs no machine. Those on a machine of the lab run by name, as root.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks import controller, kernel, peers, planning, readers
from tests.benchmarks.figures import Benchmark, Settings
from tests.benchmarks.table import write_table
from tests.fuzz.collection import make_importable


def main(arguments: list[str]) -> int:
    options = options_of(arguments)
    settings = Settings(options.hosts, options.pairs, options.kernel, options.shards)
    make_importable()
    known = {one.name: one for one in (
        *controller.benchmarks(settings), *planning.benchmarks(), *kernel.benchmarks(settings),
        *peers.benchmarks(settings), *readers.benchmarks())}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"No benchmark {unknown[0]}: there are {', '.join(known)}.", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.names] or [one for one in known.values() if not one.on_machine]
    for benchmark in chosen:
        values = benchmark.measure(settings)
        show(benchmark, values)
        if options.table:  # after each, because the next one can fail
            write_table(options.table, [one for one in known.values() if one.in_table], values)
    return 0


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run")
    parser.add_argument(
        "--hosts", type=sizes, default=Settings().hosts, metavar="N,N", help="sizes of the simulated fleet")
    parser.add_argument("--pairs", type=int, default=Settings().pairs, help="how often each ratio is measured")
    parser.add_argument("--kernel", default=Settings().kernel, help="the kernel of the lab's machine")
    parser.add_argument("--shards", type=int, default=Settings().shards, help="shards of the benchmark `shards`")
    parser.add_argument("--table", type=Path, metavar="PAGE", help="write the figures into the table of this page")
    return parser.parse_args(arguments)


def sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(word) for word in text.split(",")))


def show(benchmark: Benchmark, values: dict[str, float]) -> None:
    for figure in benchmark.figures:
        if figure.title in values:
            value = values[figure.title]
            print(f"{figure.verdict(value):8} {figure.shown(value):>12}   ({figure.shown_goal()})   {figure.title}",
                  flush=True)
    print(f"         profile: {benchmark.profile}", flush=True)


sys.exit(main(sys.argv[1:]))
