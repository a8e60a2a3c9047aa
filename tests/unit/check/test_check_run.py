# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run: its directory, its last line, nox in it, and commands that end with it or when they take too long."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.check import cli, lifetime, nox_runs, packages, reports
from tests.check.errors import CheckError
from tests.check.reports import Totals

CHECKOUT = Path(__file__).resolve().parents[3]


def python(code):
    return [sys.executable, "-c", code]


@pytest.fixture
def nox(tmp_path, monkeypatch):
    """A function that puts a Python script in the place of nox; its arguments are words of a list `words`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(packages, "ensure", lambda *names: None)

    def write(script):
        program = tmp_path / "nox"
        program.write_text(f"#!{sys.executable}\nimport json, os, sys\nwords = sys.argv[1:]\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setattr(nox_runs, "_install_nox", lambda home: program)
    return write


def ended(*results):
    """Return a script that leaves a report as nox does: ended(("units", "success"), ...)"""
    sessions = [{"name": name, "result": result, "reason": None} for name, result in results]
    return f"json.dump({{'sessions': {sessions!r}}}, open(words[words.index('--report') + 1], 'w'))"


def test_the_last_line_of_a_run_is_the_count_of_all(nox, capsys):
    nox(ended(*((name, "success") for name in cli.CHECKS["fuzz"])))
    assert cli._run("fuzz") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"


def test_the_last_line_of_a_run_without_nox_is_a_failure(nox, monkeypatch, capsys):
    def install(home):
        raise CheckError("nox could not be installed; see the messages of pip above.")
    monkeypatch.setattr(nox_runs, "_install_nox", install)
    assert cli._run("units") == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "0 passed, 1 failed"
    assert "nox could not be installed" in shown.err


def test_a_failed_session_fails_the_run_and_the_others_are_counted(nox, capsys):
    nox(ended(("fuzz-short", "failed"), ("docs-check", "success"), ("sanity", "skipped")))
    assert cli._run("lint") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 1 skipped"


def test_nox_that_leaves_no_report_is_one_sentence(nox, run):
    nox("sys.exit(3)")
    with pytest.raises(CheckError, match=r"^nox ended without a report; correct noxfile\.py"):
        nox_runs.run(("units",), run)


def test_environments_are_made_once_and_before_the_sessions(nox, run, tmp_path):
    log = tmp_path / "log"
    nox(f"open({str(log)!r}, 'a').write(f'{{\"--install-only\" in words}}\\n'); {ended(('fuzz', 'success'))}")
    for _run in range(2):
        nox_runs.run(("fuzz",), run)
    assert log.read_text().split() == ["True", "False", "False"]


def test_environments_that_could_not_be_made_are_tried_again(nox, run, tmp_path):
    log = tmp_path / "log"
    nox(f"open({str(log)!r}, 'a').write(f'{{\"--install-only\" in words}}\\n'); {ended(('fuzz', 'failed'))}")
    for _run in range(2):
        nox_runs.run(("fuzz",), run)
    assert log.read_text().split() == ["True", "False", "True", "False"]


def test_nothing_of_the_callers_ansible_gets_into_a_run(monkeypatch, tmp_path):
    monkeypatch.setenv("ANSIBLE_CONFIG", "/etc/ansible/mine.cfg")
    variables = nox_runs._variables(tmp_path, install_only=False)
    assert [name for name in variables if name.startswith("ANSIBLE_")] == []
    assert (variables["KERNEL_LIVEPATCH_RUN"], variables["PYTHONDONTWRITEBYTECODE"]) == (str(tmp_path), "1")


def test_old_runs_are_removed(run):
    from tests.check.paths import KEPT_RUNS, new_run

    for number in range(KEPT_RUNS + 3):
        run.parent.joinpath(f"20000101-0000{number:02}").mkdir()
    new = new_run()
    kept = sorted(path.name for path in run.parent.iterdir())
    assert len(kept) == KEPT_RUNS
    assert new.name in kept


@pytest.mark.parametrize("code", ["import signal; signal.pause()", "while True: pass"])
def test_a_command_that_takes_too_long_is_ended(code):
    done = subprocess.run(lifetime.bound(python(code), minutes=0.01), check=False)
    assert done.returncode in (124, 128 + signal.SIGKILL)  # of timeout(1)


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_in_time_has_its_own_status(status):
    done = subprocess.run(lifetime.bound(python(f"raise SystemExit({status})"), minutes=10), check=False)
    assert done.returncode == status


@pytest.mark.parametrize("minutes", [None, 10])
def test_a_command_does_not_outlive_a_killed_run(minutes):
    """The command prints its process id; the run is killed with SIGKILL, which it cannot act on."""
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    script = (f"import subprocess; from tests.check.lifetime import bound; "
              f"subprocess.run(bound([{sys.executable!r}, '-c', {code!r}], {minutes}))")
    with subprocess.Popen(python(script), cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as run:
        descriptor = os.pidfd_open(int(run.stdout.readline()))
        run.kill()
    end = select.poll()
    end.register(descriptor, select.POLLIN)
    assert end.poll(600_000), "the command outlived its run"
    os.close(descriptor)


def test_reports_of_a_run_are_kept_beside_what_nox_says(nox, run):
    reports.write_case(run / "reports" / "units" / "pytest.xml", "units", "a")
    nox(ended(("env-newest-core", "success"), ("units", "success")))
    nox_runs.run(("units",), run)
    assert reports.total(run / "reports") == Totals(passed=1)
    assert json.loads((run / "nox.json").read_text())["sessions"][1]["name"] == "units"
