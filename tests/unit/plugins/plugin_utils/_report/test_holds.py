# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases and due hooks of hosts in a status report."""

from __future__ import annotations

from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.holds import MOST_HOLDS, holds_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.page import render
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.records import status_record

WHO = {"controller_user": "al<b>ice", "controller_node": "control1"}


def status(hosts):
    """The record of a status, given what else patch_info returned on each host."""
    return status_record({
        name: {"livepatch": {
            "kernel": {"release": "6.1.0-56-amd64", "arch": "x86_64"}, "interface": "livepatch", "patches": [],
            "transition": None, "changing": None, "trial": None, "quarantined": [], "drift": [], **more}}
        for name, more in hosts.items()}, None, None, None, {}, 1764000000.0)


def lease(run):
    return {"run": run, "who": WHO, "since": "2026-11-21T09:00:00Z", "until": "2026-11-21T10:00:00Z"}


def test_the_record_has_them_for_each_host_and_the_page_for_each_run():
    made = status({"a": {"lease": lease("run1")}, "b": {"lease": lease("run1"), "hook": lease("run0")}, "c": {}})
    assert made["hosts"]["a"]["lease"] == {
        "run": "run1", "who": "al<b>ice on control1", "until": "2026-11-21T10:00:00Z"}
    assert (made["hosts"]["c"]["lease"], made["hosts"]["b"]["hook"]["run"]) == (None, "run0")
    assert [(why, time, hold.run, hold.hosts) for why, time, hold in holds_of(made)] == [
        ("held by a run", "until", "run1", ["a", "b"]), ("livepatch_after is due", "since", "run0", ["b"])]
    page = render(made)
    assert "Held hosts" in page and "al&lt;b&gt;ice on control1" in page and "al<b>ice" not in page
    assert "Held hosts" not in render(status({"c": {}}))


def test_a_page_has_a_bounded_number_of_them():
    made = status({f"h{number}": {"lease": lease(f"run{number}")} for number in range(300)})
    assert len(holds_of(made)) == MOST_HOLDS
