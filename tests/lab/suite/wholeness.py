# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a host whatever was done to it: nothing is half done, and everything that was done is told."""

from __future__ import annotations

from guest import RUN, STORE


def assert_settled(guest, play):
    """No change goes on, no transition runs, and what patch_info says, which is returned, is what the kernel says."""
    livepatch = play("patch_info").result["livepatch"]
    assert livepatch["transition"] is None, livepatch["transition"]
    assert livepatch["changing"] is None, livepatch["changing"]
    assert livepatch["journal_unreadable"] == 0
    assert set(guest.run("cat /sys/kernel/livepatch/*/transition 2>/dev/null || true").split()) <= {"0"}
    assert sorted(patch["name"] for patch in livepatch["patches"]) == guest.live_patches()
    assert guest.run(
        f"find {STORE} {RUN} ! '(' -type d -perm 700 -o -type f -perm 600 ')' 2>/dev/null || true") == ""
    return livepatch


def assert_whole(guest, play, *told):
    """The host is settled, and its journal tells these changes, newest first, as "action outcome"."""
    livepatch = assert_settled(guest, play)
    assert changes(livepatch) == list(told)
    return livepatch


def changes(livepatch):
    """What the journal tells, newest first, as "action outcome"."""
    return [f"{entry['action']} {entry['outcome']}" for entry in livepatch["journal"]]


def states(livepatch):
    """The patches with their states."""
    return {patch["name"]: patch["state"] for patch in livepatch["patches"]}


def codes(findings):
    return {found["code"] for found in findings}
