# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the command line: each is a list of sessions of noxfile.py, or removes the caches."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys

from tests.check import lifetime, nox_runs, packages, reports
from tests.check.errors import CheckError
from tests.check.paths import CHECKOUT, cache_dir, new_run

LINT = ("lint", "docs-check", "license-check", "extra-checks", "build-import-check")
UNITS = ("units", "units-playbooks", "units-oldest-core", "units-host-python")
SANITY = ("sanity", "sanity-oldest-core")
TEST = ("units", *LINT, "fuzz-short", "kernel-core")

# Verbs whose results are counted. test-all runs what `test` runs, and then the rest: nothing twice.
CHECKS = {
    "test": TEST,
    "test-all": (*TEST, *UNITS[1:], *SANITY, "real-files", "kernel-rest"),
    "units": UNITS,
    "fuzz": ("fuzz",),
    "lint": LINT,
    "sanity": (*LINT, *SANITY),
    "kernel": ("kernel",),
    "kernel-all": ("kernel-all",),
    "kernels": ("kernels",),
    "matrix": ("matrix",),
}
OTHERS = {"demo": ("demo",), "docs": ("docs",), "release": ("release",)}


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when everything passed."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.check", description=__doc__)
    parser.add_argument("verb", choices=[*CHECKS, *OTHERS, "clean"])
    verb = parser.parse_args(arguments).verb
    lifetime.die_with_parent()
    # So that what was begun is ended and removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return clean() if verb == "clean" else _run(verb)
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def clean() -> int:
    """Remove the caches: the lab's own through the lab, since they may be another user's and in use."""
    lab = packages.as_root(sys.executable, "-B", "-m", "tests.lab", "clean")
    returncode = subprocess.run(lab, cwd=CHECKOUT, check=False).returncode
    for path in cache_dir().iterdir():
        if path.name != "lab":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return returncode


def _run(verb: str) -> int:
    """Run every session, also after one that failed, and close with the count of all."""
    sessions = CHECKS.get(verb) or OTHERS[verb]
    run = new_run()
    try:
        packages.ensure(*packages.needed_by(sessions))
        nox_runs.run(sessions, run)
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        reports.write_case(run / "reports" / verb / "run.xml", verb, "could not be run", failure=str(error))
    total = reports.total(run / "reports")
    if verb in CHECKS:
        print(f"\nReports are in {run}\n{total}", flush=True)
    return 1 if total.failed else 0
