# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the matrix, and the cells that their ends make: a text, or a reason for a failure or for no run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.check import reports
from tests.check.lifetime import bound
from tests.matrix.page import FAILED, SKIPPED

DEPRECATION = re.compile(r"\[DEPRECATION WARNING\]: *(.*)")
LONGEST_REASON = 200


class Skip(Exception):
    """A row cannot be run here. The message says why, for the page."""


class Failure(Exception):
    """A cell has failed. The message says what, for the page."""


class Place(t.NamedTuple):
    """Where a run keeps what it writes: `reports` has a JUnit file for each cell, `logs` the output of each command."""

    reports: Path
    logs: Path


class Row:
    """A row while it is computed: its cells, and everything that its commands have printed."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, name
        self.printed = ""
        self.cells: list[str] = []

    def report(self, column: str) -> Path:
        return self.place.reports / f"{self._file(column)}.xml"

    def _file(self, column: str) -> str:
        return re.sub(r"[ /]", "-", f"{self.name}-{column}")

    @property
    def failed(self) -> bool:
        return any(cell.startswith(FAILED) for cell in self.cells)

    def add(self, column: str, make: t.Callable[[], str]) -> None:
        """Add a cell: what `make()` returns, or the reason of its Failure."""
        try:
            cell, reason = make(), ""
        except Failure as failure:
            cell = reason = f"{FAILED}: {one_line(str(failure))}"
        self.cells.append(cell)
        # pytest has written its own, which may lack what has gone wrong outside of its tests.
        report = self.report(column)
        found = reports.total(report) if report.exists() else reports.Totals()
        if not report.exists() or (reason and not found.failed):
            reports.write_case(report, "matrix", f"{self.name}: {column}", failure=reason)

    def skip(self, reason: str, columns: int) -> None:
        """Make the whole row one of a reason."""
        self.cells = [f"{SKIPPED}: {one_line(reason)}", *[""] * (columns - 1)]
        reports.write_case(self.report("skipped"), "matrix", self.name, skipped=reason)

    def fail(self, reason: str, columns: int) -> None:
        """Make the whole row one of a reason: what its cells need could not be prepared."""
        self.cells = [f"{FAILED}: {one_line(reason)}", *[""] * (columns - 1)]
        reports.write_case(self.report("prepared"), "matrix", self.name, failure=reason)

    def run(self, column: str, command: Sequence[object], minutes: float, **options: t.Any) -> str:
        """Return the output of a command; raises Failure with its last line when it ends with another status than 0."""
        status, output = self.try_to_run(column, command, minutes, **options)
        if status:
            raise Failure(last_line(output) or f"exit code {status}")
        return output

    def try_to_run(
            self, column: str, command: Sequence[object], minutes: float, env: Mapping[str, str] | None = None,
            **options: t.Any) -> tuple[int, str]:
        """Return exit code and output, which is also kept with the logs of the run."""
        done = subprocess.run(
            bound(command, minutes), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            stdin=subprocess.DEVNULL, errors="replace", env=environment(env or {}), **options)
        self.printed += done.stdout
        self.place.logs.mkdir(parents=True, exist_ok=True)
        with open(self.place.logs / f"{self._file(column)}.log", "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}\nexit code {done.returncode}\n\n")
        return done.returncode, done.stdout

    def pytest(
            self, column: str, command: Sequence[object], minutes: float, written: tuple[Path, str] | None = None,
            **options: t.Any) -> str:
        """Run pytest, and return how many tests passed and were skipped; raises Failure with how many have not.

        `written` is where pytest leaves its report, and that place as pytest sees it.
        """
        report = self.report(column)
        place, seen = written or (report, str(report))
        place.unlink(missing_ok=True)
        report.parent.mkdir(parents=True, exist_ok=True)
        status, output = self.try_to_run(column, [*command, f"--junitxml={seen}"], minutes, **options)
        if written and place.exists():
            shutil.copyfile(place, report)
        found = reports.total(report) if report.is_file() else reports.Totals()
        if status or found.failed or not found.passed:
            raise Failure(str(found) if found.failed else last_line(output) or f"exit code {status}")
        return f"{found.passed} passed" + (f", {found.skipped} skipped" if found.skipped else "")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without anything of the caller's Ansible and Python."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "PYTEST_"))}
    return {**own, "PYTHONDONTWRITEBYTECODE": "1", "ANSIBLE_NOCOLOR": "1", **more}


def deprecations(text: str) -> list[str]:
    """The deprecation warnings in the output of Ansible's programs, each once."""
    return list(dict.fromkeys(found.strip() for found in DEPRECATION.findall(text)))


def last_line(output: str) -> str:
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def one_line(text: str) -> str:
    """A text for a cell of reStructuredText, in which nothing is markup."""
    words = " ".join(re.sub(r"([\\*`|_])", r"\\\1", text).split())
    return words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON].rstrip("\\") + "..."


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
