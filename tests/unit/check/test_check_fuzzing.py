# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzers as a check: what they return is counted, and the short run is a part of `test`."""

from __future__ import annotations

import pytest


@pytest.fixture
def fuzzers(tmp_path, monkeypatch):
    """A function that puts a shell script in the place of the Python that runs the fuzzers."""
    from tests.check import environments, packages

    def write(script):
        program = tmp_path / "bin" / "python"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setattr(environments, "ensure", lambda run, environment: program.parent)

    monkeypatch.setattr(packages, "ensure", lambda run, *names: None)
    return write


@pytest.mark.parametrize(("status", "passed", "failed"), [(0, 1, 0), (1, 0, 1)])
def test_what_the_fuzzers_return_is_counted(run, fuzzers, status, passed, failed):
    from tests.check import reports
    from tests.check.fuzzing import run_fuzz

    fuzzers(f"exit {status}")
    run_fuzz(run)
    assert reports.total(run.reports) == reports.Totals(passed, failed)


def test_the_full_run_has_its_inputs_and_the_short_one_its_seconds(run, fuzzers, capfd):
    from tests.check.fuzzing import run_fuzz, run_short_fuzz

    fuzzers('echo "asked: $*"')
    run_fuzz(run)
    run_short_fuzz(run)
    asked = [line for line in capfd.readouterr().out.splitlines() if line.startswith("asked: ")]
    assert ["--inputs 200000" in line for line in asked] == [True, False]
    assert ["--seconds" in line for line in asked] == [False, True]


def test_the_short_run_is_a_part_of_test():
    from tests.check.cli import CHECKS
    from tests.check.fuzzing import run_short_fuzz

    assert run_short_fuzz in CHECKS["test"]
