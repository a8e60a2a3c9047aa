# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nox: its own environment, one run of some sessions, and what its report adds to the sessions' own reports."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.check import lifetime, reports
from tests.check.errors import CheckError
from tests.check.paths import CHECKOUT, REQUIREMENTS, cache_dir

# Sessions that leave no report of single tests: each counts as one.
SINGLE = (
    "fuzz", "fuzz-short", "docs-check", "license-check", "extra-checks", "build-import-check", "demo", "docs",
    "release")
# antsibull-nox would make an environment for each of these; what they need is in that of the linters.
SHARED = dict.fromkeys(("docs-check", "license-check", "extra-checks", "build-import-check"), "env-tools")
# In every environment whose packages are all installed.
COMPLETE = "complete"


def run(sessions: Sequence[str], directory: Path) -> None:
    """Run the sessions of noxfile.py; their reports, and what nox says of each, are in `directory`/reports.

    Raises CheckError when nox cannot be installed, or ends without a report.
    """
    home = environments()
    home.mkdir(mode=0o700, exist_ok=True)
    # Sessions without an interpreter are skipped, on a CI system too.
    nox = [_install_nox(home), "-R", "--no-error-on-missing-interpreters", "--envdir", home]
    _make_environments(nox, home, sessions, directory)
    results = _run_nox(nox, sessions, directory)
    for result in results:
        count(directory / "reports", result["name"], result["result"], result.get("reason") or "")


def environments() -> Path:
    """Return the directory of nox's environments, another one when a pinned package or the interpreter changes."""
    pins = b"".join(path.read_bytes() for path in sorted(REQUIREMENTS.glob("*.txt")))
    recipe = pins + f"{sys.version} {sys.base_prefix}".encode()
    return cache_dir() / f"nox-{hashlib.sha256(recipe).hexdigest()[:12]}"


def count(directory: Path, name: str, result: str, reason: str) -> None:
    """Make sure that the reports of a session tell what nox tells of it.

    `result` is nox's: success, failed, aborted or skipped. Environments count when they could not be made.
    """
    found = reports.total(directory / name)
    report = directory / name / "nox.xml"
    if name.startswith("env-") and result in ("success", "skipped"):
        return
    if result == "skipped":
        reports.write_case(report, "nox", name, skipped=reason or result)
    elif result != "success":
        if not found.failed:
            reports.write_case(report, "nox", name, failure=reason or result)
    elif name in SINGLE:
        reports.write_case(report, "nox", name)
    elif found == reports.Totals():
        reports.write_case(report, "nox", name, failure="it ran no test")


def _install_nox(home: Path) -> Path:
    place = home / "nox"
    with _locked(home):
        if not (place / COMPLETE).exists():
            shutil.rmtree(place, ignore_errors=True)
            pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for step in ([sys.executable, "-m", "venv", place], [*pip, "--requirement", REQUIREMENTS / "nox.txt"]):
                if subprocess.run(lifetime.bound(step), check=False).returncode:
                    raise CheckError("nox could not be installed; see the messages of pip above.")
            (place / COMPLETE).touch()
    return place / "bin" / "nox"


def _make_environments(nox: Sequence[object], home: Path, sessions: Sequence[str], directory: Path) -> None:
    """Install what the sessions need, one run at a time, since the environments are shared by all runs."""
    made = home / f"made-{hashlib.sha256(' '.join(sessions).encode()).hexdigest()[:12]}"
    if made.exists():
        return
    with _locked(home):
        _remove_incomplete(home)
        for name, environment in SHARED.items():
            if not (home / name).is_symlink():
                (home / name).symlink_to(environment)
        results = _run_nox([*nox, "--install-only"], sessions, directory)
        _mark_complete(home, results)
        if all(result["result"] in ("success", "skipped") for result in results):
            made.touch()


def _run_nox(nox: Sequence[object], sessions: Sequence[str], directory: Path) -> list[dict]:
    report = directory / "nox.json"
    report.unlink(missing_ok=True)
    command = lifetime.bound([*nox, "--report", report, "--sessions", *sessions])
    subprocess.run(command, cwd=CHECKOUT, env=_variables(directory, "--install-only" in nox), check=False)
    if not report.exists():
        raise CheckError("nox ended without a report; correct noxfile.py as its messages say.")
    return json.loads(report.read_text(encoding="utf-8"))["sessions"]


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    with open(f"{home}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_incomplete(home: Path) -> None:
    """nox takes an environment as it finds it, also one whose installation was broken off."""
    for place in home.glob("*/pyvenv.cfg"):
        if not (place.parent / COMPLETE).exists() and not place.parent.is_symlink():
            shutil.rmtree(place.parent)


def _mark_complete(home: Path, results: list[dict]) -> None:
    for result in results:
        place = home / result["name"]
        if result["result"] == "success" and place.joinpath("pyvenv.cfg").exists():
            (place / COMPLETE).touch()


def _variables(directory: Path, install_only: bool) -> dict[str, str]:
    """Return environment variables for a run: nothing of the caller's Ansible, no caches in the checkout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **inherited,
        "KERNEL_LIVEPATCH_RUN": str(directory),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(directory / "hypothesis"),
        "KERNEL_LIVEPATCH_INSTALL_ONLY": "1" if install_only else "",
        "PYTHONDONTWRITEBYTECODE": "1",
        # The checkout may belong to another user than the one that runs the checks.
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(CHECKOUT),
    }
