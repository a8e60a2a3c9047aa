# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of a status: what it says of each host and patch, and that no cell is a formula."""

from __future__ import annotations

import csv
import io
import random

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.table import COLUMNS, csv_text
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status as fleet


def rows(answers=None, **more):
    return list(csv.DictReader(io.StringIO(csv_text(fleet.record(answers, **more)), newline="")))


def test_each_host_and_patch_has_a_row_with_its_build_and_its_cves():
    found = {row["host"]: row for row in rows()}
    assert sorted(found) == sorted(fleet.FLEET) and len(rows()) == len(fleet.FLEET)
    assert found["ours"] == {
        "host": "ours", "verdict": "accepted", "problem": "", "kernel": fleet.KERNEL, "arch": "x86_64",
        "kernel_build_id": "0a" * 20, "patch": "fix", "version": "1.10", "state": "accepted",
        "build_id": fleet.OURS[0], "sha256": fleet.OURS[1], "verified": "yes",
        "cves_closed": "CVE-2026-1111 CVE-2026-2222", "cves_on_trial": "", "cves_unverified": "",
        "cves_open": "CVE-2026-3333", "expires": "2027-01-31", "expired": "no", "effective_kernel": "",
        "reboot": "Reboot into a fixed kernel."}
    build = ("version", "build_id", "sha256", "cves_closed")
    assert [found["other"][key] for key in build] == ["1.9", *fleet.OTHER, "CVE-2026-1111"]
    assert (found["trying"]["cves_closed"], found["trying"]["cves_on_trial"]) == ("", "CVE-2026-1111 CVE-2026-2222")
    assert (found["broken"]["verified"], found["broken"]["cves_closed"], found["broken"]["cves_unverified"]) == (
        "no", "", "CVE-2026-1111 CVE-2026-2222")
    assert (found["bare"]["verdict"], found["bare"]["patch"]) == ("unpatched", "")
    assert (found["untold"]["verified"], found["untold"]["cves_closed"], found["untold"]["sha256"]) == ("", "", "")
    assert (found["gone"]["verdict"], found["gone"]["kernel"]) == ("unreachable", "")


def test_the_order_of_the_answers_changes_nothing():
    names = list(fleet.FLEET)
    random.Random(7).shuffle(names)
    assert csv_text(fleet.record({name: fleet.FLEET[name] for name in names})) == csv_text(fleet.record())


@pytest.mark.parametrize("text", [
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", " =1+1", "\t=1+1", "\r\n=1+1", "\uff1d1+1", "|calc", "%0a"])
def test_no_cell_is_a_formula(text):
    patch = fleet.patch(version=text, name=text, build_id=text)
    for row in (*rows({text: fleet.info(patch, told=fleet.NOTHING)}), *rows({text: {"unreachable": True}})):
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "|", "%", "\uff1d")) for cell in row.values())
        assert all(cell.isprintable() for cell in row.values())


def test_quotes_commas_and_lines_of_a_host_stay_in_their_cell():
    hostile = 'x",y\r\n"z'
    (row,) = rows({"a": fleet.info(fleet.patch(version=hostile), told=fleet.NOTHING)})
    assert set(row) == set(COLUMNS) and row["version"] == 'x",y??"z'


def test_a_patch_in_quarantine_has_a_row_of_its_own():
    answers = {"a": fleet.info(fleet.patch(fleet.OTHER), told=fleet.NOTHING, quarantined=[
        {"name": "fix", "build_id": fleet.OURS[0], "sha256": fleet.OURS[1]}])}
    assert [(row["state"], row["build_id"]) for row in rows(answers)] == [
        ("accepted", fleet.OTHER[0]), ("quarantined", fleet.OURS[0])]
