# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the command line."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Callable

from check import lifetime, reports
from check.documentation import build_docs
from check.errors import CheckError
from check.fuzzing import run_fuzz, run_short_fuzz
from check.lint import run_lint
from check.on_kernels import clean_lab, run_all_of_kernel, run_demo, run_kernel
from check.paths import cache_dir
from check.run import Run, say
from check.sanity import run_sanity
from check.units import run_units

# Verbs whose results are counted, each with the checks that it runs, in order.
CHECKS = {
    "units": (run_units,),
    "fuzz": (run_fuzz,),
    "lint": (run_lint,),
    "sanity": (run_lint, run_sanity),
    "kernel": (run_kernel,),
    "kernel-all": (run_all_of_kernel,),
    "test": (run_units, run_short_fuzz, run_lint, run_sanity, run_kernel),
}


def clean(run: Run) -> int:
    """Remove the caches: the lab's own through the lab, since they may be another user's and in use."""
    returncode = clean_lab(run)
    for path in cache_dir().iterdir():
        if path.name != "lab":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return returncode


# The other verbs.
ACTIONS = {
    "demo": run_demo,
    "docs": build_docs,
    "clean": clean,
}


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when everything passed."""
    parser = argparse.ArgumentParser(prog="tests/check", description=__doc__)
    parser.add_argument("verb", choices=[*CHECKS, *ACTIONS])
    verb = parser.parse_args(arguments).verb
    lifetime.die_with_parent()
    # So that what was begun is ended and removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run_checks(Run(), CHECKS[verb]) if verb in CHECKS else ACTIONS[verb](Run()) or 0
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run_checks(run: Run, checks: tuple[Callable[[Run], None], ...]) -> int:
    """Run every check, also after one that failed, and close with the count of all."""
    for check in checks:
        try:
            check(run)
        except CheckError as error:
            print(f"error: {error}", file=sys.stderr)
            run.fail(check.__name__, "could not be run", str(error))
    total = reports.total(run.reports)
    say(f"\nLogs and reports are in {run.directory}\n{total}")
    return 1 if total.failed else 0
