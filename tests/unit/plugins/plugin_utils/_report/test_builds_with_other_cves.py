# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of one patch name that close different CVEs: a host is free of those of its own build only."""

from __future__ import annotations

import re

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.causes import coverage
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.openvex import openvex
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.oval import oval
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status as fleet

ONE, TWO = fleet.BOTH
NEW_KERNEL = "6.12.0-1-amd64"
OLD = {**fleet.BUILD, "version": "1.10", "metadata": {"cves": [ONE, ONE]}}
NEW = {**fleet.BUILD, "release": NEW_KERNEL, "build_id": "c3" * 20, "sha256": "6d" * 32,
       "metadata": {"cves": [ONE, TWO]}}


def on_new_kernel(*patches, told):
    answer = fleet.info(*patches, told=told)
    answer["livepatch"]["kernel"] = {"release": NEW_KERNEL, "arch": "x86_64", "build_id": "0b" * 20}
    return answer


FLEET = {
    "old": fleet.info(fleet.patch(cves=[ONE]), told=fleet.coverage(ONE, not_covered=[])),
    "new": on_new_kernel(
        fleet.patch(("c3" * 20, "6d" * 32)), told=fleet.coverage(ONE, TWO, not_covered=[])),
    "bare": fleet.info(told=fleet.NOTHING), "bare_new": on_new_kernel(told=fleet.NOTHING),
    "gone": {"unreachable": True, "msg": "Connection refused"},
}


@pytest.fixture(params=[(OLD, NEW), (NEW, OLD)], ids=["old first", "new first"])
def record(request):
    return fleet.record(FLEET, builds=request.param)


def test_openvex_states_of_a_host_only_what_its_own_build_closes(record):
    found = {
        (product["@id"].rpartition(":")[2], one["vulnerability"]["name"]): (one["status"], one["status_notes"])
        for one in openvex(record)["statements"] for product in one["products"]}
    assert {key: status for key, (status, _notes) in found.items()} == {
        ("old", ONE): "fixed", ("old", TWO): "under_investigation",
        ("new", ONE): "fixed", ("new", TWO): "fixed",
        ("bare", ONE): "affected", ("bare", TWO): "under_investigation",
        ("bare_new", ONE): "affected", ("bare_new", TWO): "affected",
        ("gone", ONE): "under_investigation", ("gone", TWO): "under_investigation"}
    assert found["old", TWO][1] == found["bare", TWO][1] == (
        "The build of fix for the kernel of the host does not close it.")


def test_a_scanner_gets_for_each_cve_only_the_builds_that_close_it(record):
    definitions = oval(record).split("<definition ")[1:]
    kernels = {
        re.search(r'ref_id="([^"]+)"', text).group(1): re.findall(r'comment="fix for ([^"]+)"', text)
        for text in definitions}
    assert {cve: sorted(found) for cve, found in kernels.items()} == {
        ONE: sorted([fleet.KERNEL, NEW_KERNEL]), TWO: [NEW_KERNEL]}


def test_the_page_has_a_table_for_each_set_of_cves(record):
    tables = {tuple(one.cves): one for one in coverage(record)}
    assert set(tables) == {(ONE,), (ONE, TWO)}
    assert (tables[ONE,].covered, tables[ONE, TWO].covered) == (["old"], ["new"])
    missing = {cves: {name for _word, names, _planned in one.missing for name in names} for cves, one in tables.items()}
    assert missing == {(ONE,): {"bare", "gone"}, (ONE, TWO): {"bare_new", "gone"}}
    assert not any(one.other_build or one.unproven for one in tables.values())


def test_of_two_versions_for_one_kernel_the_running_one_counts():
    newer = {**OLD, "version": "1.11", "build_id": "d4" * 20, "sha256": "7c" * 32, "metadata": {"cves": [ONE, TWO]}}
    series = [{"stem": "fix", "rank": rank} for rank in (0, 1)]
    builds = [{**build, "series": place} for build, place in zip((OLD, newer), series, strict=True)]
    later = fleet.patch(("d4" * 20, "7c" * 32), "1.11")
    made = fleet.record({"old": FLEET["old"], "new": fleet.info(later, told=fleet.coverage(ONE, TWO))}, builds)
    tables = {tuple(one.cves): one for one in coverage(made)}
    assert tables[ONE, TWO].covered == ["new"] and tables[ONE, TWO].other_build == ["old"]
    assert not any(getattr(tables[ONE,], kind) for kind in ("covered", "other_build", "missing"))
    rollout = dict(made, hosts={
        name: {"kernel": fleet.KERNEL, "arch": "x86_64", "state": "accepted", "patch": "fix", **dict(
            zip(("build_id", "sha256"), build, strict=True))}
        for name, build in (("old", fleet.OURS), ("new", ("d4" * 20, "7c" * 32)))}, kind="rollout")
    assert {tuple(one.cves): one.covered for one in coverage(rollout)} == {(ONE,): ["old"], (ONE, TWO): ["new"]}


def test_a_record_without_the_cves_of_builds_is_read_as_before(record):
    for patch in record["patches"]:
        for build in patch["builds"]:
            assert build.pop("cves")
    assert [one.cves for one in coverage(record)] == [[ONE, TWO]]
    assert oval(record).count("<definition ") == 2
