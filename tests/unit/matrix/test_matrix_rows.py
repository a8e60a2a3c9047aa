# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cells of the matrix: what makes one a failure, and what a run leaves of it."""

from __future__ import annotations

import sys

import pytest

from tests.check import reports
from tests.check.reports import Totals
from tests.matrix import rows
from tests.matrix.rows import Failure

PASSES = '<testsuite><testcase/></testsuite>'
FAILS = '<testsuite><testcase><failure/></testcase><testcase/></testsuite>'
SKIPS = '<testsuite><testcase/><testcase><skipped/></testcase></testsuite>'


def python(code):
    return [sys.executable, "-c", code]


def as_pytest(report, status=0):
    """A command that writes a report where pytest would, and says something."""
    write = f"open(sys.argv[-1].partition('=')[2], 'w').write({report!r})" if report else "pass"
    return python(f"import sys; {write}; print('no module xyz'); sys.exit({status})")


def failing(text="no module xyz"):
    def make():
        raise Failure(text)
    return make


def test_a_cell_is_what_it_returns_or_the_reason_of_its_failure(row, place):
    row.add("plugins", lambda: "283 loaded")
    assert (row.cells, row.failed) == (["283 loaded"], False)
    row.add("playbooks", failing("`rollout.yml` has\nno *hosts*"))
    assert row.cells[1:] == [r"failed: \`rollout.yml\` has no \*hosts\*"]
    assert row.failed
    assert reports.total(place.reports) == Totals(passed=1, failed=1)


def test_a_row_that_cannot_be_run_says_why_and_counts_as_skipped(row, place):
    row.skip("no Python 3.6", 3)
    assert (row.cells, row.failed, reports.total(place.reports)) == (
        ["skipped: no Python 3.6", "", ""], False, Totals(skipped=1))


def test_a_row_that_cannot_be_prepared_has_failed(row, place):
    row.fail("venv has failed", 2)
    assert (row.cells, row.failed, reports.total(place.reports)) == (
        ["failed: venv has failed", ""], True, Totals(failed=1))


@pytest.mark.parametrize(("report", "status", "cell"), [
    (PASSES, 0, "1 passed"), (SKIPS, 0, "1 passed, 1 skipped"), (FAILS, 1, "failed: 1 passed, 1 failed"),
    (FAILS, 0, "failed: 1 passed, 1 failed"), (PASSES, 3, "failed: no module xyz"),
    ("", 4, "failed: no module xyz"), ("<testsuite/>", 0, "failed: no module xyz")])
def test_a_cell_of_tests_says_how_many_passed_or_what_went_wrong(row, place, report, status, cell):
    row.add("unit tests", lambda: row.pytest("unit tests", as_pytest(report, status), 1))
    assert row.cells == [cell]
    assert bool(reports.total(place.reports).failed) is row.failed
    assert "no module xyz" in (place.logs / "2.16-unit-tests.log").read_text()


def test_a_report_that_is_written_elsewhere_is_kept_with_the_others(row, place, tmp_path):
    elsewhere = tmp_path / "elsewhere.xml"
    elsewhere.write_text(FAILS)  # of an earlier run
    assert row.pytest("unit tests", as_pytest(PASSES), 1, written=(elsewhere, str(elsewhere))) == "1 passed"
    assert reports.total(place.reports) == Totals(passed=1)


def test_the_output_of_every_command_counts(row, place):
    assert row.run("plugins", python("print('one')"), 1) == "one\n"
    with pytest.raises(Failure, match=r"^two$"):
        row.run("plugins", python("print('two'); raise SystemExit(1)"), 1)
    with pytest.raises(Failure, match=r"^exit code 7$"):
        row.run("plugins", python("raise SystemExit(7)"), 1)
    assert row.printed == "one\ntwo\n"
    assert (place.logs / "2.16-plugins.log").read_text().count("exit code") == 3


def test_a_command_has_nothing_of_the_callers_ansible(row, monkeypatch):
    monkeypatch.setenv("ANSIBLE_CONFIG", "/root/own.cfg")
    monkeypatch.setenv("PYTHONPATH", "/root/own")
    code = "import os; print(sorted(n for n in os.environ if n.startswith(('ANSIBLE_', 'PYTHONPATH'))))"
    assert row.run("plugins", python(code), 1, env={"ANSIBLE_HOME": "x"}) == "['ANSIBLE_HOME', 'ANSIBLE_NOCOLOR']\n"


def test_deprecation_warnings_are_found_once_each_on_the_terminal_and_in_a_log():
    assert rows.deprecations(
        "[DEPRECATION WARNING]: to_text is old.\n2026-11-30 04:00:00,1 p=1 u=root n=ansible WARNING| [DEPRECATION "
        "WARNING]: to_text is old.\n[WARNING]: unrelated\n[DEPRECATION WARNING]: Another\n") == [
            "to_text is old.", "Another"]


def test_a_long_reason_is_cut():
    assert rows.one_line("a " * 300) == "a " * 100 + "..."
    assert rows.one_line("a " * 100) == ("a " * 100).strip()
