# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of a run: quiet with a log, or shown; named when they fail; ended when they take too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[2] / "check"


def python(code):
    return [sys.executable, "-c", code]


def test_output_of_a_quiet_command_goes_to_its_log(run, capfd):
    result = run.command("Noisy tool", python("print('noise')"))
    assert result.returncode == 0
    assert result.log.read_text() == "noise\n"
    assert "noise" not in capfd.readouterr().out


def test_output_of_a_shown_command_goes_to_both(run, capfd):
    result = run.command("Suite", python("print('one line')"), show=True)
    assert result.log.read_text() == "one line\n"
    assert "one line" in capfd.readouterr().out


def test_a_failure_shows_its_last_lines_and_names_the_log(run, capfd):
    result = run.command("Tool", python("print('the cause'); raise SystemExit(4)"))
    shown = capfd.readouterr().out
    assert result.returncode == 4
    assert "the cause" in shown
    assert str(result.log) in shown


def test_only_the_causes_of_a_failure_are_shown_when_they_can_be_told(run, capfd):
    code = "print('ERROR: bad name'); print('installing'); raise SystemExit(1)"
    run.command("Tool", python(code), causes="ERROR: ")
    shown = capfd.readouterr().out
    assert "ERROR: bad name" in shown
    assert "installing" not in shown


@pytest.mark.parametrize("show", [False, True])
def test_a_command_that_takes_too_long_is_ended(run, show):
    result = run.command("Hung tool", python("import signal; signal.pause()"), show=show, minutes=0.01)
    assert result.returncode == -signal.SIGTERM


def test_old_runs_are_removed(run):
    from tests.check.run import KEPT_RUNS, Run

    for number in range(KEPT_RUNS + 3):
        run.directory.parent.joinpath(f"20000101-0000{number:02}").mkdir()
    Run()
    kept = sorted(path.name for path in run.directory.parent.iterdir())
    assert len(kept) == KEPT_RUNS
    assert run.directory.name in kept


def test_a_command_does_not_outlive_a_killed_run(tmp_path):
    """The command prints its process id; the run is killed with SIGKILL, which it cannot act on."""
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    script = f"from check.run import Run; Run().command('Child', [{sys.executable!r}, '-c', {code!r}], show=True)"
    run = subprocess.Popen(
        python(script),
        env={**os.environ, "PYTHONPATH": str(CHECK), "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        child = int(next(line for line in run.stdout if line.strip().isdigit()))
        run.kill()
    assert ends_within(child, seconds=10)


def ends_within(process: int, seconds: float) -> bool:
    """Tell whether a process, which is not a child of this one, ends in time. One that nobody reaps has ended."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
