# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JUnit reports: written for commands that have none of their own, read to sum up a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Totals:
    """How many test cases passed, failed (errors included) and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def total(place: Path) -> Totals:
    """Return the sum of one report, or of every one below a directory. One that is not XML counts as one failure."""
    return sum(map(_read, [place] if place.is_file() else sorted(place.rglob("*.xml"))), Totals())


def write_case(report: Path, suite: str, name: str, failure: str = "", skipped: str = "") -> None:
    """Write a report of one case, which passed unless a reason says otherwise."""
    root = ElementTree.Element("testsuites")
    case = ElementTree.SubElement(ElementTree.SubElement(root, "testsuite", name=suite), "testcase", name=name)
    if failure:
        ElementTree.SubElement(case, "failure", message=failure)
    if skipped:
        ElementTree.SubElement(case, "skipped", message=skipped)
    report.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(report, encoding="utf-8", xml_declaration=True)


def _read(report: Path) -> Totals:
    try:
        cases = ElementTree.parse(report).iter("testcase")
    except ElementTree.ParseError:
        return Totals(failed=1)
    return sum(map(_verdict, cases), Totals())


def _verdict(case: ElementTree.Element) -> Totals:
    marks = {child.tag for child in case}
    if marks & {"failure", "error"}:
        return Totals(failed=1)
    return Totals(skipped=1) if "skipped" in marks else Totals(passed=1)
