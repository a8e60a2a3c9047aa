# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the checks: its directory of logs and reports, and the commands that it starts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from check import lifetime, reports
from check.paths import CHECKOUT, cache_dir

KEPT_RUNS = 10
HEARTBEAT_SECONDS = 20
TAIL_LINES = 60


@dataclass(frozen=True)
class Result:
    """What became of a command, and the file that holds all it printed."""

    returncode: int
    log: Path


class Run:
    """Logs go to `<cache>/runs/<time>/logs`, JUnit reports to `reports` beside them."""

    def __init__(self) -> None:
        runs = cache_dir() / "runs"
        runs.mkdir(exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs))
        self.reports = self.directory / "reports"
        self.logs = self.directory / "logs"
        self.reports.mkdir()
        self.logs.mkdir()
        for old in sorted(runs.iterdir())[:-KEPT_RUNS]:
            shutil.rmtree(old, ignore_errors=True)

    def variables(self, **more: str) -> dict[str, str]:
        """Return environment variables for a test: nothing of the caller's Ansible, no caches in the checkout."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        storage = str(self.directory / "hypothesis")
        return {**inherited, "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": storage, **more}

    def command(
        self, title: str, command: list[str], *, show: bool = False, minutes: float = 20, causes: str = "", **options
    ) -> Result:
        """Run a command and say how it went; `show` passes its output on, otherwise it goes to the log alone.

        `causes` is how lines begin that tell why it failed; without such lines the last ones are shown. `options`
        are those of subprocess.Popen (cwd, env). A command that outlasts its minutes is ended and has failed.
        """
        log = self.logs / f"{len(list(self.logs.iterdir())):02}-{_slug(title)}.log"
        say(f"==> {title}")
        begun = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(
                lifetime.bound(command),
                **{"cwd": CHECKOUT, **options},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if show else output,
                stderr=subprocess.STDOUT,
            )
            limit = threading.Timer(minutes * 60, _end, [process])
            limit.start()
            try:
                (_pass_on if show else _wait)(process, output, log, begun)
            finally:
                limit.cancel()
                _end(process)
        if process.returncode and not show:
            say(_causes(log, causes) or _tail(log, TAIL_LINES))
        _say_outcome(process.returncode, log, time.monotonic() - begun)
        return Result(process.returncode, log)

    def check(self, name: str, title: str, command: list[str], **options) -> Result:
        """Run a command that leaves its reports in `reports/<name>`; a failure without a report becomes one."""
        result = self.command(title, command, **options)
        self.account(name, title, result)
        return result

    def account(self, name: str, title: str, result: Result) -> None:
        """Make sure that the reports of a check tell what its exit code tells."""
        found = reports.total(self.reports / name)
        if result.returncode and not found.failed:
            self.fail(name, title, f"exit code {result.returncode}")
        elif found == reports.Totals():
            say(f"    it ran no test; all of its output is in {result.log}")
            self.fail(name, title, "it ran no test")
        say(f"    {reports.total(self.reports / name)}")

    def fail(self, name: str, title: str, reason: str) -> None:
        """Count a check as failed that could not report so itself."""
        reports.write_case(self.reports / name / "run.xml", name, title, failure=reason)

    def skip(self, name: str, title: str, reason: str) -> None:
        """Count a check as skipped, and say why."""
        say(f"==> {title}\n    skipped: {reason}")
        reports.write_case(self.reports / name / "run.xml", name, title, skipped=reason)


def say(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)


def _slug(title: str) -> str:
    return "-".join("".join(c if c.isalnum() or c == "." else " " for c in title.lower()).split())[:50]


def _wait(process: subprocess.Popen, output, log: Path, begun: float) -> None:
    while True:
        try:
            process.wait(HEARTBEAT_SECONDS)
            return
        except subprocess.TimeoutExpired:
            say(f"    {time.monotonic() - begun:4.0f} s: {_tail(log, 1)[:100]}")


def _pass_on(process: subprocess.Popen, output, log: Path, begun: float) -> None:
    for line in process.stdout:
        output.write(line)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    process.wait()


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _say_outcome(returncode: int, log: Path, seconds: float) -> None:
    word = f"failed with exit code {returncode}; all of its output is in {log}" if returncode else "done"
    say(f"    {word} ({seconds:.1f} s)")


def _causes(log: Path, beginning: str) -> str:
    return "\n".join(line for line in _lines(log) if beginning and line.startswith(beginning))


def _tail(log: Path, count: int) -> str:
    return "\n".join(_lines(log)[-count:])


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
