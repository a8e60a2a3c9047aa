# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the matrix: a row is written, and the others stay."""

from __future__ import annotations

import pytest

from tests.matrix import page
from tests.matrix.page import NOT_RUN, Table

TABLE = Table("colours", ("red", "green"), ("Colour", "Tone", "Run"), "1 2 3")
PLACE = "Before\n\n.. begin of the colours\n.. end of the colours\n\nAfter\n"


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "page.rst"
    path.write_text(PLACE)
    return path


def test_a_row_is_written_and_the_others_are_not_run(results):
    page.write_rows(results, TABLE, {"green": ["dark", ""]})
    assert results.read_text() == """\
Before

.. begin of the colours

.. list-table::
   :header-rows: 1
   :widths: 1 2 3

   * - Colour
     - Tone
     - Run
   * - red
     - not run
     -
   * - green
     - dark
     -

.. end of the colours

After
"""


def test_a_row_that_is_not_run_keeps_its_cells(results):
    page.write_rows(results, TABLE, {"green": ["dark", "today"]})
    page.write_rows(results, TABLE, {"red": ["light", "later"]})
    page.write_rows(results, TABLE, {"red": ["lighter", "later"]})
    assert page.read_table(results, TABLE) == {"red": ["lighter", "later"], "green": ["dark", "today"]}


def test_a_table_without_a_new_row_still_gets_the_rows_of_the_code(results):
    page.write_rows(results, TABLE, {})
    assert page.read_table(results, TABLE) == {"red": [NOT_RUN, ""], "green": [NOT_RUN, ""]}


def test_a_row_that_the_code_no_longer_has_is_removed(results):
    page.write_rows(results, TABLE, {"red": ["light", "later"]})
    page.write_rows(results, TABLE._replace(rows=("green",)), {"green": ["dark", "today"]})
    assert list(page.read_table(results, TABLE)) == ["green"]


@pytest.mark.parametrize("text", ["", PLACE.replace("begin", "start"), PLACE.replace("end of", "the")])
def test_a_page_without_a_place_is_left_as_it_is(results, text):
    results.write_text(text)
    with pytest.raises(ValueError, match=r"add the comments `\.\. begin of the colours` and `\.\. end of the colours`"):
        page.write_rows(results, TABLE, {"red": ["light", "later"]})
    assert results.read_text() == text


@pytest.mark.parametrize(("cells", "passed"), [
    (["3.6.15", "5 passed", "2026-11-30"], True), ([NOT_RUN, "", ""], False), (["skipped: no Python", "", ""], False),
    (["3.6.15", "failed: 1 passed, 2 failed", "2026-11-30"], False)])
def test_a_row_has_passed_when_each_cell_has(cells, passed):
    assert page.has_passed(cells) is passed


def test_the_readme_gets_the_versions_of_rows_that_have_passed(tmp_path):
    results = tmp_path / "guide_matrix_results.rst"
    results.write_text("".join(f".. begin of the {one.name}\n.. end of the {one.name}\n" for one in page.TABLES))
    assert page.lines_of_readme(results) == [
        "| ansible-core | none: [the tables][guide_matrix_results] |",
        "| Python on hosts | none for the unit tests of the host half, 3.11 on the real kernels |"]
    for table, rows in {
            page.CONTROLLER_TABLE: {
                "2.16": ["2.16.19", "3.10.13"], "2.17": ["failed: no", "3.12.1"], "2.18": ["2.18.1", "3.13.0"],
                "candidate": ["2.22.0rc1", "3.13.0"]},
            page.HOST_TABLE: {"3.6": ["3.6.15"], "3.7": ["skipped: no", ""]},
            page.GUEST_TABLE: {"7.2/candidate": ["7.2.12", "3.13.5"], "5.10/2.16": ["5.10.0", "3.9.2"]}}.items():
        page.write_rows(results, table, rows)
    assert page.lines_of_readme(results) == [
        "| ansible-core | 2.16, 2.18 and 2.22.0rc1, a candidate: [the tables][guide_matrix_results] |",
        "| Python on hosts | 3.6 for the unit tests of the host half, 3.9, 3.11 and 3.13 on the real kernels |"]
