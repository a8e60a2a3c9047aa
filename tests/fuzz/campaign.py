# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of all fuzzers: shares of the inputs, the processes that work on them, and the sum of it."""

from __future__ import annotations

import multiprocessing.connection
import signal
import time
import typing as t
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import originals, targets
from tests.fuzz.made_up import module_images
from tests.fuzz.mutations import Mutator
from tests.fuzz.targets import Target
from tests.fuzz.worker import MAX_SECONDS, Share, Worker, keep_failure

# By the clock: a reader that is stuck in a loop cannot be stopped from within its process.
_STUCK_SECONDS = 20 * MAX_SECONDS
_LEAST_SECONDS = 0.3
_POLL_SECONDS = 0.5
_HEARTBEAT_SECONDS = 30


class Job(t.NamedTuple):
    """A reader and where its inputs come from.

    `weight` is its part of all inputs, of 100, and `cost` how much longer than others an input takes to be made.
    """

    title: str
    target: Target
    weight: float
    cost: float
    mutator: Mutator | None = None
    strategy: st.SearchStrategy[bytes] | None = None


class Sum(t.NamedTuple):
    """What a job did."""

    inputs: int
    understood: int
    failures: int
    worst_seconds: float
    peak_bytes: int
    seconds: float


class Plan(t.NamedTuple):
    """How much is to be done by all jobs."""

    inputs: int
    seed: int
    processes: int
    failures: Path


def jobs(seed: int) -> list[Job]:
    """Return all jobs; compiles the intact files, so it takes some seconds."""
    modules = Mutator(originals.elf_originals(), seed)
    archives = Mutator(originals.compressed_originals(), seed)
    for_program = Mutator(originals.zst_originals(), seed)
    return [
        Job("description of damaged modules", targets.DESCRIBE, 50, 1, modules),
        Job("description of made-up modules", targets.DESCRIBE, 20, 1, None, module_images()),
        Job("damaged archives", targets.UNCOMPRESS, 11.9, 0.3, archives),
        Job("damaged archives for the program zstd", targets.UNCOMPRESS_BY_PROGRAM, 0.1, 5, for_program),
        Job("damaged modules on a host", targets.READ_ON_HOST, 10, 0.4, modules),
        Job("made-up modules on a host", targets.READ_ON_HOST, 8, 0.8, None, module_images()),
    ]


def time_shares(entries: list[Job], seconds: float) -> list[float]:
    """Divide the time among jobs as it would be without a limit; each gets enough for an input."""
    work = [entry.weight * entry.cost for entry in entries]
    return [max(seconds * part / sum(work), _LEAST_SECONDS) for part in work]


def run(job: Job, plan: Plan, seconds: float | None, say: t.Callable[[str], None]) -> Sum:
    """Do one job in several processes, for at most some seconds; returns when they have ended, all of them."""
    begun = time.monotonic()
    inputs = -(-plan.inputs * job.weight // 100)
    shares = [
        Share(job.target, plan.seed, first, plan.processes, int(-(-inputs // plan.processes)), seconds, plan.failures)
        for first in range(plan.processes)
    ]
    workers = [Worker(share, job.mutator, job.strategy) for share in shares]
    try:
        lost = _wait(workers, job, begun, say)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
    counters = [worker.counters for worker in workers]
    return Sum(
        inputs=sum(counter.inputs for counter in counters),
        understood=sum(counter.understood for counter in counters),
        failures=sum(counter.failures for counter in counters) + lost,
        worst_seconds=max(counter.worst_seconds for counter in counters),
        peak_bytes=max(counter.peak_bytes for counter in counters),
        seconds=time.monotonic() - begun,
    )


def _wait(workers: list[Worker], job: Job, begun: float, say: t.Callable[[str], None]) -> int:
    """Wait for the processes; returns how many of them did not come to their end."""
    lost, told = 0, begun
    running = list(workers)
    while running:
        multiprocessing.connection.wait([worker.process.sentinel for worker in running], _POLL_SECONDS)
        now = time.monotonic()
        for worker in list(running):
            at = worker.counters.begun
            if worker.process.is_alive() and at and now - at > _STUCK_SECONDS:
                worker.process.kill()
                worker.process.join()
            if worker.process.is_alive():
                continue
            worker.process.join()
            running.remove(worker)
            if worker.process.exitcode:
                lost += 1
                reason = _why_ended(worker.process.exitcode)
                keep_failure(worker.share.failures, job.target.name, worker.current_input(), reason)
        if now - told > _HEARTBEAT_SECONDS:
            told = now
            done = sum(worker.counters.inputs for worker in workers)
            say(f"    {job.title}: {done} inputs in {now - begun:.0f} s")
    return lost


def _why_ended(exitcode: int) -> str:
    stuck = f"was stuck at this input for {_STUCK_SECONDS:.0f} s, or killed for want of memory"
    return f"the process {stuck if exitcode == -signal.SIGKILL else f'ended with {exitcode} at this input'}\n"
