# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenVEX document of a status, read by a library for it: nothing is stated beyond what was verified."""

from __future__ import annotations

import json

import pytest
from vexipy import Document

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.openvex import openvex
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.cves import MOST_CLOSED
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import fleet_status as fleet

HOST = "urn:kernel-livepatch:host:"


def stated(answers=None, **more):
    """The document, after the library has read it, and {(host, CVE): (status, notes, action)}."""
    made = openvex(fleet.record(answers, **more))
    read = Document.from_json(json.dumps(made))
    found = {}
    for one in read.statements:
        for product in one.products:
            key = (product.id.removeprefix(HOST), one.vulnerability.name)
            assert key not in found  # nothing is stated twice of a host
            found[key] = (one.status.value, one.status_notes, one.action_statement)
    assert made["statements"] and len({json.dumps(one) for one in made["statements"]}) == len(made["statements"])
    return made, found


def test_only_what_is_verified_in_effect_is_fixed():
    _made, found = stated()
    assert {key: status for key, (status, _notes, _action) in found.items()} == {
        ("ours", "CVE-2026-1111"): "fixed", ("ours", "CVE-2026-2222"): "fixed", ("ours", "CVE-2026-3333"): "affected",
        ("other", "CVE-2026-1111"): "fixed", ("other", "CVE-2026-2222"): "under_investigation",
        ("other", "CVE-2026-3333"): "affected",
        ("trying", "CVE-2026-1111"): "under_investigation", ("trying", "CVE-2026-2222"): "under_investigation",
        ("trying", "CVE-2026-3333"): "affected",
        ("broken", "CVE-2026-1111"): "under_investigation", ("broken", "CVE-2026-2222"): "under_investigation",
        ("broken", "CVE-2026-3333"): "affected",
        ("bare", "CVE-2026-1111"): "affected", ("bare", "CVE-2026-2222"): "affected",
        ("untold", "CVE-2026-1111"): "under_investigation", ("untold", "CVE-2026-2222"): "under_investigation",
        ("gone", "CVE-2026-1111"): "under_investigation", ("gone", "CVE-2026-2222"): "under_investigation"}


def test_two_builds_of_one_name_are_told_apart():
    _made, found = stated()
    words = "fix (version {}, build-id {}, sha256 {}) is enabled, and each of its functions is in effect."
    assert found["ours", "CVE-2026-1111"][1] == words.format("1.10", *fleet.OURS)
    assert found["other", "CVE-2026-1111"][1] == words.format("1.9", *fleet.OTHER)


def test_what_is_affected_says_what_to_do():
    _made, found = stated()
    assert found["ours", "CVE-2026-3333"][1:] == (
        f"No live patch closes it: {fleet.REASON}.", "Reboot into a kernel with the fix.")
    assert found["bare", "CVE-2026-1111"][2] == "Load fix with the playbook kernel.livepatch.rollout."
    assert "function-not-hooked" in found["broken", "CVE-2026-1111"][1]
    assert all(action for status, _notes, action in found.values() if status == "affected")


def test_without_a_bundle_only_the_words_of_the_hosts_count():
    _made, found = stated(builds=None)
    assert {host for host, _cve in found} == {"ours", "other", "trying", "broken"}


def test_a_host_without_a_build_for_its_kernel_is_not_known():
    elsewhere = dict(fleet.BUILD, release="6.1.0-57-amd64")
    _made, found = stated({"bare": fleet.FLEET["bare"]}, builds=[elsewhere])
    assert {(status, notes) for status, notes, _action in found.values()} == {
        ("under_investigation", "There is no build of fix for the kernel of the host.")}


def test_the_bundle_of_this_controller_counts_for_a_verified_build_that_a_host_has_no_entry_of():
    answers = {"a": fleet.info(fleet.patch(metadata=None), told=fleet.NOTHING),
               "b": fleet.info(fleet.patch(metadata=None, verified=None), told=fleet.NOTHING)}
    _made, found = stated(answers)
    assert {host: status for (host, _cve), (status, _notes, _action) in found.items()} == {
        "a": "fixed", "b": "under_investigation"}


def test_a_host_that_contradicts_itself_is_not_believed():
    claims = fleet.coverage("CVE-2026-9999")
    for patches in ((), (fleet.patch(verified=False),), (fleet.patch(state="disabled", verified=None),)):
        _made, found = stated({"a": fleet.info(*patches, told=claims)}, builds=None)
        assert found["a", "CVE-2026-9999"][0] == "under_investigation"


def test_nothing_to_state_is_no_document():
    assert openvex(fleet.record({"a": fleet.info(told=fleet.NOTHING)}, builds=None)) is None
    assert openvex(fleet.record({}, builds=None)) is None


def test_the_same_record_gives_the_same_document():
    record = fleet.record()
    shuffled = dict(record, hosts=dict(reversed(record["hosts"].items())))
    assert json.dumps(openvex(shuffled)) == json.dumps(openvex(record))
    assert openvex(record)["@id"] != openvex(dict(record, ended="2026-11-22T16:02:11Z"))["@id"]


@pytest.mark.parametrize("name", [
    "web 1", "=cmd|' /C calc'!A0", "a\x1b[2Jb", "h\u00f6st", "\udcff", '"><script>', "../x"])
def test_the_name_of_a_host_is_an_identifier(name):
    made, found = stated({name: fleet.FLEET["ours"]})
    text = json.dumps(made, ensure_ascii=False)
    assert text.isprintable() and len(found) == 3


def test_hostile_texts_stay_texts():
    odd = "CVE-1\x1b[2J\"}]"
    told = fleet.coverage(odd, not_covered=[{"cve": odd + "2", "reason": "\x07"}])
    made, _found = stated({"a": fleet.info(fleet.patch(cves=[odd], version="\x1b"), told=told)}, builds=None)
    assert json.dumps(made, ensure_ascii=False).isprintable()


@pytest.mark.parametrize("state", ["accepted", "enabled"])
def test_of_very_many_cves_none_is_said_to_be_unverified(state):
    many = [f"CVE-2026-{number}" for number in range(10000, 13000)]
    # As in bundle.yml, in any order; the host sorts what it tells.
    patches = [fleet.patch(cves=many[::-1], state=state), {**fleet.patch(cves=many), "name": "older"}]
    _made, found = stated({"a": fleet.info(*patches, told=fleet.coverage(*many, not_covered=[]))}, builds=None)
    assert {status for status, _notes, _action in found.values()} == {"fixed"} and len(found) == MOST_CLOSED


def test_of_very_many_cves_an_accepted_patch_comes_before_one_on_trial():
    many = [f"CVE-2026-{number}" for number in range(10000, 10900)]
    trying = {**fleet.patch(cves=many, state="enabled"), "name": "trying"}
    answer = fleet.info(trying, fleet.patch(cves=many), told=fleet.coverage(*many, not_covered=[]),
                        trial={"name": "trying", "seconds_left": 60})
    _made, found = stated({"a": answer}, builds=None)
    assert {status for status, _notes, _action in found.values()} == {"fixed"} and len(found) == len(many)


@pytest.mark.parametrize(("state", "more", "status"), [
    ("accepted", {}, "under_investigation"), ("disabled", {}, "affected"),
    ("enabled", {"trial": {"name": "fix2", "seconds_left": 60}}, "under_investigation")])
def test_an_older_version_is_not_to_be_loaded_over_a_later_one(state, more, status):
    builds = [
        {**fleet.BUILD, "name": "fix1", "series": {"stem": "fix", "rank": 0}, "build_id": "d4" * 20,
         "sha256": "7c" * 32, "metadata": {"cves": ["CVE-2026-4444"]}},
        {**fleet.BUILD, "name": "fix2", "series": {"stem": "fix", "rank": 1}}]
    told = fleet.coverage("CVE-2026-1111", "CVE-2026-2222", not_covered=[]) if state != "disabled" else fleet.NOTHING
    patch = {**fleet.patch(state=state), "name": "fix2"}
    _made, found = stated({"a": fleet.info(patch, told=told, **more)}, builds=builds)
    assert found["a", "CVE-2026-4444"][0] == status
    assert ("Load fix1" in str(found["a", "CVE-2026-4444"][2])) is (status == "affected")
