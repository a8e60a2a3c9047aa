# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of the matrix, and that the page and the README have the same ones."""

from __future__ import annotations

import re
from pathlib import Path

import ansible
import ansible.release
import pytest

from tests.lab.kernels import KERNELS
from tests.matrix import environments, page, versions
from tests.matrix.rows import Failure
from tests.matrix.versions import CONTROLLERS, GUESTS, HOST_PYTHONS

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = CHECKOUT / "docs/docsite/rst/guide_matrix_results.rst"
LINES = [name for name in CONTROLLERS if name != versions.CANDIDATE]


@pytest.mark.parametrize("table", page.TABLES, ids=lambda table: table.name)
def test_the_page_has_the_rows_and_columns_of_the_code(table):
    text = PAGE.read_text(encoding="utf-8")
    assert list(page.read_table(PAGE, table)) == list(table.rows)
    assert {len(cells) for cells in page.read_table(PAGE, table).values()} == {len(table.columns) - 1}
    head = "\n".join(f"   {'* -' if number == 0 else '  -'} {name}" for number, name in enumerate(table.columns))
    assert f"   :widths: {table.widths}\n\n{head}\n" in text


def test_the_readme_says_what_the_page_says():
    tested = (CHECKOUT / "README.md").read_text(encoding="utf-8").partition("## Tested with")[2].splitlines()
    assert [line for line in page.lines_of_readme(PAGE) if line not in tested] == []


def test_the_candidate_is_later_than_the_newest_line():
    first, second = versions.number(LINES[-1])
    assert CONTROLLERS[versions.CANDIDATE].requirement == f"ansible-core>={first}.{second + 1}.0.dev0"
    assert sorted(LINES, key=versions.number) == LINES


def test_the_oldest_line_is_the_one_that_the_collection_requires():
    runtime = (CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8")
    assert re.search(r"requires_ansible: .*>=(\d+\.\d+)", runtime)[1] == LINES[0]


def test_the_oldest_python_of_a_controller_is_among_those_that_come_first():
    every = {python for controller in CONTROLLERS.values() for python in controller.pythons}
    assert min(every, key=versions.number) in {controller.pythons[0] for controller in CONTROLLERS.values()}


def test_each_python_of_hosts_has_the_newest_ansible_core_for_it():
    assert {python: versions.newest_controller(python).name for python in HOST_PYTHONS} == {
        "3.6": "2.16", "3.7": "2.17", "3.8": "2.19", **dict.fromkeys(HOST_PYTHONS[3:], versions.CANDIDATE)}


@pytest.mark.parametrize(("name", "python", "drives"), [
    ("2.16", "3.6", True), ("2.17", "3.6", False), ("2.16", "3.12", True), ("2.16", "3.13", False),
    ("2.20", "3.8", False), ("2.20", "3.10", True)])
def test_an_ansible_core_drives_the_pythons_between_its_oldest_and_its_newest(name, python, drives):
    assert CONTROLLERS[name].drives(python) is drives


def test_guests_are_the_oldest_and_the_newest_kernel_with_the_oldest_and_the_newest_ansible_core():
    first, *_others, last = KERNELS
    assert list(GUESTS) == [
        f"{first}/2.16", f"{first}/candidate", f"{last}/2.18", f"{last}/candidate"]


def installed() -> environments.Core:
    """The ansible-core of this test, of which only its version and the place of its packages matter."""
    return environments.Core(Path("bin"), Path(ansible.__file__).parents[1], ansible.release.__version__, "3")


def test_what_the_code_says_of_an_ansible_core_is_what_that_says_itself():
    environments.check_support(CONTROLLERS[".".join(installed().version.split(".")[:2])], installed())


@pytest.mark.parametrize("wrong", [{"pythons": ("3.5",)}, {"oldest_host": "3.5"}])
def test_another_support_than_that_of_ansible_core_is_a_failure(wrong):
    controller = CONTROLLERS[".".join(installed().version.split(".")[:2])]._replace(**wrong)
    with pytest.raises(Failure, match=r"supports Python 3\.\d+, .* and later on hosts; correct versions\.py$"):
        environments.check_support(controller, installed())


def test_a_controller_without_an_interpreter_is_skipped_with_its_pythons(row):
    from tests.matrix.rows import Skip

    with pytest.raises(Skip, match=r"^no interpreter of Python 3\.1, 3\.0 was found$"):
        environments.install(CONTROLLERS["2.16"]._replace(pythons=("3.1", "3.0")), row)
