# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two verbs: run the fuzzers, and replay inputs that failed."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.fuzz.collection import make_importable

DEFAULT_SEED = 20260101


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when every input was answered as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="feed damaged and made-up files to all readers")
    run.add_argument("--inputs", type=int, default=200_000, help="how many, over all readers (default: %(default)s)")
    run.add_argument("--seconds", type=float, help="end after this time, even if there were fewer inputs")
    run.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another one gives other inputs")
    run.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    run.add_argument("--failures", type=Path, help="directory for inputs that fail (default: a new one)")
    replay = verbs.add_parser("replay", help="feed files that failed once more, and show the error")
    replay.add_argument("file", type=Path, nargs="+")
    replay.add_argument("--target", help="the reader (default: what the file's name begins with)")
    options = parser.parse_args(arguments)
    make_importable()
    return _run(options) if options.verb == "run" else _replay(options)


def _run(options: argparse.Namespace) -> int:
    from tests.fuzz import campaign

    failures = options.failures or Path(tempfile.mkdtemp(prefix="kernel-livepatch-fuzz-"))
    plan = campaign.Plan(options.inputs, options.seed, options.processes, failures)
    _say(f"seed {plan.seed}, {plan.processes} processes")
    begun = time.monotonic()
    jobs, sums = campaign.jobs(plan.seed), []
    shares = campaign.time_shares(jobs, options.seconds) if options.seconds else [None] * len(jobs)
    for job, seconds in zip(jobs, shares, strict=True):
        sums.append(campaign.run(job, plan, seconds, _say))
        _say(f"{job.title}: {_in_words(sums[-1])}")
    seconds = time.monotonic() - begun
    total, failed = sum(entry.inputs for entry in sums), sum(entry.failures for entry in sums)
    worst, peak = max(entry.worst_seconds for entry in sums), max(entry.peak_bytes for entry in sums)
    _say(
        f"all: {total} inputs in {seconds:.0f} s, {total / seconds:.0f} inputs/s, {failed} failed; "
        f"at most {worst * 1000:.0f} ms and {peak >> 20} MiB for one"
    )
    for path in sorted(failures.glob("*.input")):
        reason = path.with_suffix(".txt").read_text(encoding="utf-8").strip().splitlines()[-1]
        _say(f"FAILED: {reason}\n  replay: python -m tests.fuzz replay {path}")
    if options.failures is None and not failed:
        failures.rmdir()
    too_few = options.seconds is None and total < options.inputs
    if too_few:
        _say(f"FAILED: only {total} of {options.inputs} inputs")
    return 1 if failed or too_few or any(entry.inputs == 0 for entry in sums) else 0


def _in_words(entry: object) -> str:
    return (
        f"{entry.inputs} inputs in {entry.seconds:.0f} s, {entry.understood} understood, {entry.failures} failed, "
        f"at most {entry.worst_seconds * 1000:.0f} ms, {entry.peak_bytes >> 20} MiB"
    )


def _replay(options: argparse.Namespace) -> int:
    from tests.fuzz.targets import TARGETS

    for file in options.file:
        name = options.target or file.name.rpartition("-")[0]
        if name not in TARGETS:
            _say(f"error: {file} does not begin with a reader's name; give --target, one of: {', '.join(TARGETS)}")
            return 2
        begun = time.process_time()
        understood = TARGETS[name].read(file.read_bytes())
        word = "understood" if understood else "refused as it should be"
        _say(f"{file}: {word} in {time.process_time() - begun:.3f} s")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
