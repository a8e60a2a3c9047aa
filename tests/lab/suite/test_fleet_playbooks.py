# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks status and rollback over a fleet whose hosts have come to different patches in different ways."""

from __future__ import annotations

import csv
import json
import typing as t

import pytest
from fleet import ENABLED, NEW, OLD
from playbook import task

pytestmark = [pytest.mark.exhaustive, pytest.mark.one_kernel]

C1, C2 = "cmdline_cumulative_1", "cmdline_cumulative_2"


class Parts(t.NamedTuple):
    """Who has what: C2 accepted over C1, C1 on trial, C1 loaded by hand, nothing; and C1 accepted, but no network."""

    upgraded: list[str]
    trying: list[str]
    by_hand: str
    never: list[str]
    lost: str

    @property
    def reachable(self) -> list[str]:
        return [*self.upgraded, *self.trying, self.by_hand, *self.never]


@pytest.fixture
def parts(fleet, runs, bundle):
    """The fleet's eight hosts, of both kernels by turns."""
    if len(fleet.names) < 8:
        pytest.skip("needs eight machines")
    names = [name for pair in zip(fleet.of(OLD), fleet.of(NEW), strict=True) for name in pair]
    found = Parts(names[0:2], names[2:4], names[4], names[5:7], names[7])
    first = bundle(C1)
    runs.tasks([task("First", "patch", src=first, state="accepted")], [*found.upgraded, found.lost])
    runs.tasks([task("Second", "patch", src=bundle(C2), state="accepted")], found.upgraded)
    runs.tasks([task("Try", "patch", src=first, trial=3600)], found.trying)
    fleet.load_by_hand(C1, found.by_hand)
    fleet[found.lost].machine.unplug()
    return found


def verdicts(ended, artifact):
    """The verdicts of the hosts, in an artifact."""
    return {name: host["verdict"] for name, host in ended.artifacts[artifact]["hosts"].items()}


def test_status_tells_what_runs_where(fleet, parts, runs, bundle, seen):
    before = fleet.tell(parts.reachable)
    told = runs.playbook("status", src=str(bundle("cmdline_v1", [OLD])))
    assert told.code == 2, told.output
    assert verdicts(told, "livepatch_status") == {
        **dict.fromkeys(parts.upgraded, "accepted"), **dict.fromkeys(parts.trying, "on_trial"),
        parts.by_hand: "enabled", **dict.fromkeys(parts.never, "unpatched"), parts.lost: "unreachable"}
    hosts = told.artifacts["livepatch_status"]["hosts"]
    assert {name: hosts[name]["covered"] for name in parts.reachable} == {
        name: name in fleet.of(OLD) for name in parts.reachable}
    assert [host["drift"] for name, host in hosts.items() if name == parts.by_hand] == [["loaded-by-hand"]]
    assert list(told.artifacts["livepatch_status"]["problems"]) == [parts.lost]
    assert runs.playbook("status", "--limit", f"all:!{parts.lost}").code == 0
    drift = runs.playbook("status", "--limit", f"all:!{parts.lost}", fail_on_drift=True)
    assert (drift.code, list(drift.artifacts["livepatch_status"]["problems"])) == (2, [parts.by_hand]), drift.output
    assert fleet.tell(parts.reachable) == before
    seen("status: accepted, on trial, by hand, nothing, one without a network",
         "each reported in its state, nothing changed; exit code 2 for the unreachable one", fleet.kernels)


def test_rollback_restores_the_patches_of_each_host(fleet, parts, runs, seen):
    before = fleet.tell(parts.reachable)
    planned = runs.playbook("rollback", "--check")
    assert planned.code == 2, planned.output
    assert {name: verdicts(planned, "livepatch_rollback")[name] for name in [*parts.upgraded, *parts.trying]} == (
        dict.fromkeys([*parts.upgraded, *parts.trying], "planned"))
    assert fleet.tell(parts.reachable) == before

    back = runs.playbook("rollback")
    assert back.code == 2, back.output
    assert verdicts(back, "livepatch_rollback") == {
        **dict.fromkeys([*parts.upgraded, *parts.trying], "rolled_back"), **dict.fromkeys(parts.never, "unchanged"),
        parts.by_hand: "failed", parts.lost: "unreachable"}
    now = fleet.tell(parts.reachable)
    assert {name for name, told in now.items() if told.patches} == {*parts.upgraded, parts.by_hand}
    assert [(now[name].patches, now[name].accepted, now[name].version) for name in parts.upgraded] == [
        ({C1: ENABLED}, [C1], "c1")] * 2
    assert fleet.each(lambda guest: guest.guards(), parts.trying) == {name: [] for name in parts.trying}
    seen("rollback: C2 over C1, C1 on trial, by hand, nothing, one without a network",
         "C1, nothing, untouched, nothing, unreachable; exit code 2 for the two", fleet.kernels)

    fleet[parts.lost].machine.plug()
    fleet[parts.lost].machine.wait_for_ssh()
    again = runs.playbook("rollback", "--limit", f"all:!{parts.by_hand}")
    assert again.code == 0, again.output
    assert verdicts(again, "livepatch_rollback") == {
        **dict.fromkeys([*parts.upgraded, *parts.trying, *parts.never], "unchanged"), parts.lost: "rolled_back"}
    assert fleet.tell([*parts.upgraded, *parts.trying, *parts.never]) == {
        name: now[name] for name in [*parts.upgraded, *parts.trying, *parts.never]}
    assert fleet.tell([parts.lost])[parts.lost].patches == {}
    seen("the same rollback again, with that network", "one more is rolled back, the others unchanged; exit code 0",
         fleet.kernels)

    original = runs.playbook("rollback", rollback_to="original")
    assert original.code == 0, original.output
    assert {name: (told.patches, told.accepted) for name, told in fleet.tell().items()} == (
        dict.fromkeys(fleet.names, ({}, [])))
    seen("rollback to the original kernels", "no live patch on any host; exit code 0", fleet.kernels)


def test_two_hosts_with_two_builds_of_one_name_are_told_apart(fleet, runs, bundle, seen):
    first, second = fleet.of(OLD)[:2]
    ours, other = bundle("cmdline_v1", [OLD]), bundle("cmdline_v1_rebuilt", [OLD])
    other.joinpath("bundle.yml").unlink()  # the other build has the same name, and no CVE
    for src, host in ((ours, first), (other, second)):
        runs.tasks([task("Patch", "patch", src=src)], [host])
    told = runs.playbook("status", "--limit", f"{first},{second}", src=str(ours))
    assert told.code == 0, told.output
    hosts = told.artifacts["livepatch_status"]["hosts"]
    assert [hosts[name]["coverage"] for name in (first, second)] == ["covered", "other_build"]
    builds = [hosts[name]["patches"][0] for name in (first, second)]
    assert builds[0]["name"] == builds[1]["name"] and builds[0]["build_id"] != builds[1]["build_id"]
    for name, build in zip((first, second), builds, strict=True):
        assert f"cmdline_v1 (build {build['build_id'][:8]}) enabled on {name}" in told.output
        assert f"cmdline_v1 (build {build['build_id'][:8]})" in next(runs.reports.glob("*.html")).read_text()
        assert told.record["hosts"][name]["patches"][0]["sha256"] == build["sha256"]
    with next(runs.reports.glob("*.csv")).open(newline="") as file:
        rows = {row["host"]: row for row in csv.DictReader(file)}
    assert [(rows[name]["build_id"], rows[name]["cves_closed"]) for name in (first, second)] == [
        (builds[0]["build_id"], "CVE-2026-12345"), (builds[1]["build_id"], "")]
    stated = json.loads(next(runs.reports.glob("*.openvex")).read_text())["statements"]
    assert {product["@id"].rpartition(":")[2]: one["status"] for one in stated for product in one["products"]} == {
        first: "fixed", second: "under_investigation"}
    samples = next(runs.reports.glob("*.prom")).read_text().splitlines()
    for name, build in zip((first, second), builds, strict=True):
        assert {one["build_id"] for one in builds if any(
            f'host="{name}"' in line and f'build_id="{one["build_id"]}"' in line for line in samples)} == {
                build["build_id"]}
    seen("two builds of one patch name on two hosts",
         "told apart in summary, artifact, page, JSON, CSV, OpenVEX and metrics",
         fleet.kernels)
