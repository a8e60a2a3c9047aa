# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller needs: for whole playbooks over simulated hosts, and for single steps of them."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.figures import Benchmark, Figure, Settings
from tests.benchmarks.fleet import CHECKOUT, Fleet, Run, shown_for_each, skipped

REPORTED, BUNDLED = 20_000, 200
PAIRED = 1000  # hosts of a fleet that is measured in as many pairs as the settings say
PATCH = CHECKOUT / "tests" / "unit" / "fixtures" / "source_simple.c"
# As tests/unit/plugins/conftest.py, for a patch with the name `fix`.
COMPILE = ("gcc", "-c", "-O2", "-std=gnu11", "-ffreestanding", "-fno-pic", "-fno-common", "-w", "-mcmodel=kernel")

RATIO = "CPU of the controller: rollout / ping of {} simulated hosts"
FLAT = "CPU of the controller: that ratio of the largest fleet / of the smallest"
GROWTH = "CPU of the controller for one host: largest / smallest fleet, of a {}"
MEMORY = "Memory of the controller for one more host of a {}"
TASKS = Figure("Task lines that a clean rollout shows for one host", 8)
SKIPPED = Figure("Task lines of a clean rollout that say skipping", 0)
SENT = {step: Figure(f"Sent to a host for one call of ``{module}``", None, "kB")
        for step, module in (("check", "patch_check"), ("load", "patch"))}
SHARDS = Figure("CPU of all controllers for one host: shards / one rollout", 1.5)
SHARD_CPU = Figure("CPU of the busiest shard / its share of one rollout", 2)
SHARD_MEMORY = Figure("Memory of a controller: one shard / one rollout", 1)
BUNDLE = Figure(f"Reading a bundle of {BUNDLED} files that is in the cache", 0.5, "s")
REPORT = Figure(f"Report of {REPORTED:,} hosts", 5, "s")
HTML = Figure(f"Report of {REPORTED:,} hosts: HTML", 6, "MB")
JSON = Figure(f"Report of {REPORTED:,} hosts: JSON / HTML", 1)


@contextmanager
def patch_files(count: int = 1) -> Iterator[list[Path]]:
    """Directories of their own for patch files, each for another kernel release."""
    with tempfile.TemporaryDirectory(prefix="livepatch-benchmark-") as directory:
        files = []
        for number in range(count):
            file = Path(directory, "bundle", f"{number:03}", "fix.ko")
            file.parent.mkdir(parents=True)
            release = f'-DVERMAGIC="6.1.0-{number} SMP mod_unload"'
            subprocess.run([*COMPILE, '-DNAME="fix"', release, "-o", str(file), str(PATCH)], check=True)
            files.append(file)
        yield files


class Pair(t.NamedTuple):
    """A ping and a rollout over the same hosts, one after the other."""

    ping: Run
    rollout: Run


def rollout_to_ping(settings: Settings) -> dict[str, float]:
    """Whole rollouts and pings in turn, for each size of the fleet."""
    values: dict[str, float] = {}
    pairs: dict[int, list[Pair]] = {}
    for count in settings.hosts:
        with patch_files() as (patch,), tempfile.TemporaryDirectory() as directory:
            fleet = Fleet(Path(directory), count, patch)
            # A small fleet is over soon, so its figures need more pairs.
            number = max(1, settings.pairs * PAIRED // count)
            of_size = pairs[count] = [Pair(fleet.ping(), fleet.rollout()) for _pair in range(number)]
            sent = dict(fleet.calls(fleet.names[0]))
        values[RATIO.format(f"{count:,}")] = statistics.median(pair.rollout.cpu / pair.ping.cpu for pair in of_size)
        output = of_size[-1].rollout.output
        values[TASKS.title] = shown_for_each(output, fleet.names)
        values[SKIPPED.title] = skipped(output)
        values.update({figure.title: sent[step] / 1000 for step, figure in SENT.items()})
        print(f"{count} hosts, CPU for each: " + ", ".join(
            f"{_median(of_size, kind, 'cpu') / count:.3f} s in a {kind}" for kind in Pair._fields), flush=True)
    first, last = min(pairs), max(pairs)
    if last > first:
        values[FLAT] = values[RATIO.format(f"{last:,}")] / values[RATIO.format(f"{first:,}")]
        for kind in Pair._fields:
            small, large = ({field: _median(pairs[count], kind, field) for field in ("cpu", "memory")}
                            for count in (first, last))
            values[GROWTH.format(kind)] = (large["cpu"] / last) / (small["cpu"] / first)
            values[MEMORY.format(kind)] = (large["memory"] - small["memory"]) / (last - first) / 1024
    return values


def _median(pairs: list[Pair], kind: str, field: str) -> float:
    return statistics.median(getattr(getattr(pair, kind), field) for pair in pairs)


def rollout_in_shards(settings: Settings) -> dict[str, float]:
    """One rollout over the smallest fleet, and one in shards beside each other over the largest; costs of each host."""
    small, count, of = min(settings.hosts), max(settings.hosts), settings.shards
    with patch_files() as (patch,):
        with tempfile.TemporaryDirectory() as directory:
            begun = time.monotonic()
            alone = Fleet(Path(directory), small, patch).rollout()
        print(f"{small} hosts, one controller: {alone.cpu / small:.3f} s of CPU for each, {alone.memory / 1e6:.0f} MB, "
              f"{time.monotonic() - begun:.0f} s on this machine", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            fleet, begun = Fleet(Path(directory), count, patch), time.monotonic()
            shards = fleet.rollout_in_shards(of)
            seconds = time.monotonic() - begun
            loaded = sum(any(step == "load" for step, _size in fleet.calls(name)) for name in fleet.names)
    if loaded != count:
        raise RuntimeError(f"{loaded} of {count} hosts were loaded by {of} shards.")
    cpu, busiest = sum(shard.cpu for shard in shards), max(shard.cpu for shard in shards)
    memory = max(shard.memory for shard in shards)
    print(f"{count} hosts, {of} shards: {cpu / count:.3f} s of CPU for each, {memory / 1e6:.0f} MB for a shard, "
          f"{busiest:.0f} s of CPU for the busiest, {seconds:.0f} s on this machine", flush=True)
    each = alone.cpu / small
    values = {SHARDS.title: cpu / count / each, SHARD_CPU.title: busiest / (each * count / of)}
    return {**values, SHARD_MEMORY.title: memory / alone.memory} if small == count else values


def seconds_of(work: Callable[[], t.Any], times: int) -> float:
    """The median of the CPU seconds of this process."""
    taken = []
    for _time in range(times):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def warm_bundle(settings: Settings) -> dict[str, float]:
    """The second and later readings of a bundle."""
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.bundle import read_bundle
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._bundle.cache import ParseCache

    with patch_files(BUNDLED) as files, tempfile.TemporaryDirectory() as cache:
        bundle = files[0].parents[1]
        read_bundle(bundle, ParseCache(Path(cache)))
        return {BUNDLE.title: seconds_of(lambda: read_bundle(bundle, ParseCache(Path(cache))), settings.pairs)}


def report(settings: Settings) -> dict[str, float]:
    """A report with failures, as HTML and JSON."""
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import write_report
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.example_records import (
        rollout,
    )

    record = rollout(REPORTED, breach_in=4, no_build=400, unreachable=200, stalled=400)
    with tempfile.TemporaryDirectory() as directory:
        taken = seconds_of(lambda: write_report(record, directory), settings.pairs)
        paths = write_report(record, directory)
        html, json = (Path(paths[kind]).stat().st_size for kind in ("html", "json"))
    return {REPORT.title: taken, HTML.title: html / 1e6, JSON.title: json / html}


def fleet_figures(sizes: tuple[int, ...]) -> tuple[Figure, ...]:
    return (*(Figure(RATIO.format(f"{count:,}"), 4) for count in sizes),
            Figure(FLAT, 1.1), *(Figure(GROWTH.format(kind), None) for kind in Pair._fields),
            *(Figure(MEMORY.format(kind), None, "KiB") for kind in Pair._fields), TASKS, SKIPPED, *SENT.values())


def benchmarks(settings: Settings) -> tuple[Benchmark, ...]:
    """Those that need no machine."""
    profile = "python -m cProfile -s cumtime"
    return (
        Benchmark("fleet", fleet_figures(settings.hosts), rollout_to_ping, "python -m tests.benchmarks.profiling 20"),
        Benchmark("shards", (SHARDS, SHARD_CPU, SHARD_MEMORY), rollout_in_shards,
                  "python -m tests.benchmarks.profiling 20", in_table=False),
        Benchmark("bundle", (BUNDLE,), warm_bundle, f"{profile} -m tests.benchmarks bundle"),
        Benchmark("report", (REPORT, HTML, JSON), report, f"{profile} -m tests.benchmarks report"),
    )
