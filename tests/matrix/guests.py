# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of guests: core tests of the lab's suite on a machine with a stock kernel, driven by one ansible-core."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.check.paths import CHECKOUT
from tests.lab.errors import LabError
from tests.lab.requirements import check_requirements
from tests.matrix import environments, rows
from tests.matrix.rows import Row, Skip
from tests.matrix.versions import Guest

SUITE = "tests/lab/suite"
# Those that are marked `core`: load, accept, trial, rollback, refusal, verification.
FILES = tuple(f"{SUITE}/test_{name}.py" for name in ("load", "accept", "trial", "rollback", "refusals", "look"))
MINUTES = 120
# The properties that the suite's conftest.py writes into the report.
RELEASE, PYTHON = "kernel release", "python"


def fill(row: Row, guest: Guest) -> None:
    """Compute the cells of a row; raises Skip where there can be no machine, or no such ansible-core."""
    try:
        check_requirements()
    except LabError as error:
        raise Skip(str(error)) from error
    core = environments.install(guest.controller, row)
    tested = Row(row.place, row.name)
    tested.add("lab tests", lambda: _lab_tests(tested, guest, core))
    properties = _properties(row)
    row.cells = [
        properties.get(RELEASE, "unknown"), properties.get(PYTHON, "unknown"), core.version, *tested.cells,
        rows.today()]


def _lab_tests(row: Row, guest: Guest, core: environments.Core) -> str:
    command = [*core.pytest(), "--verbose"]
    env = {"PYTHONUNBUFFERED": "1"}
    return row.pytest(
        "lab tests", [*command, "--kernel", guest.kernel, "-m", "core", *FILES], MINUTES, cwd=CHECKOUT, env=env)


def _properties(row: Row) -> dict[str, str]:
    """What the tests say of the machine."""
    report = row.report("lab tests")
    if not report.exists():
        return {}
    return {one.get("name", ""): one.get("value", "") for one in ElementTree.parse(report).iter("property")}
