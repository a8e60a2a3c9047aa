# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing line of a run: it counts what the reports say, and a check cannot fail unseen."""

from __future__ import annotations

import pytest

from tests.check import nox_runs, reports
from tests.check.reports import Totals

PYTEST_REPORT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest" tests="5" errors="1" failures="1" skipped="1">
  <testcase name="a"/>
  <testcase name="b"><system-out>text</system-out></testcase>
  <testcase name="c"><failure message="no">x</failure></testcase>
  <testcase name="d"><error message="no">x</error></testcase>
  <testcase name="e"><skipped message="later"/></testcase>
</testsuite></testsuites>
"""


def test_cases_of_all_reports_are_summed(tmp_path):
    tmp_path.joinpath("pytest.xml").write_text(PYTEST_REPORT)
    reports.write_case(tmp_path / "lint" / "run.xml", "lint", "ruff")
    reports.write_case(tmp_path / "skip" / "run.xml", "units", "Python 3.6", skipped="not here")
    assert reports.total(tmp_path) == Totals(passed=3, failed=2, skipped=2)
    assert reports.total(tmp_path / "pytest.xml") == Totals(passed=2, failed=2, skipped=1)


def test_a_broken_report_is_a_failure(tmp_path):
    tmp_path.joinpath("cut.xml").write_text(PYTEST_REPORT[:90])
    assert reports.total(tmp_path) == Totals(failed=1)


@pytest.mark.parametrize(
    ("totals", "line"),
    [
        (Totals(3, 0), "3 passed, 0 failed"),
        (Totals(3, 1, 2), "3 passed, 1 failed, 2 skipped"),
    ],
)
def test_closing_line(totals, line):
    assert str(totals) == line


@pytest.mark.parametrize("result", ["failed", "aborted"])
def test_a_failure_without_a_report_is_counted(tmp_path, result):
    nox_runs.count(tmp_path, "units", result, "exit code 3")
    assert reports.total(tmp_path) == Totals(failed=1)


def test_a_failed_session_is_counted_beside_its_passed_cases(tmp_path):
    reports.write_case(tmp_path / "units" / "pytest.xml", "units", "a")
    nox_runs.count(tmp_path, "units", "failed", "exit code 3")
    assert reports.total(tmp_path) == Totals(passed=1, failed=1)


def test_a_reported_failure_is_counted_once(tmp_path):
    reports.write_case(tmp_path / "units" / "pytest.xml", "units", "a", failure="no")
    nox_runs.count(tmp_path, "units", "failed", "exit code 1")
    assert reports.total(tmp_path) == Totals(failed=1)


def test_a_session_that_ran_nothing_has_failed(tmp_path):
    nox_runs.count(tmp_path, "units", "success", "")
    assert reports.total(tmp_path) == Totals(failed=1)


def test_a_session_that_nox_skips_is_counted(tmp_path):
    nox_runs.count(tmp_path, "units-host-python", "skipped", "no Python 3.6 here")
    assert reports.total(tmp_path) == Totals(skipped=1)


@pytest.mark.parametrize(("result", "total"), [("success", Totals(passed=1)), ("failed", Totals(failed=1))])
def test_a_session_without_single_tests_counts_as_one(tmp_path, result, total):
    nox_runs.count(tmp_path, "docs-check", result, "")
    assert reports.total(tmp_path) == total


@pytest.mark.parametrize(("result", "total"), [
    ("success", Totals()), ("skipped", Totals()), ("failed", Totals(failed=1))])
def test_an_environment_counts_only_when_it_could_not_be_made(tmp_path, result, total):
    nox_runs.count(tmp_path, "env-tools", result, "")
    assert reports.total(tmp_path) == total
