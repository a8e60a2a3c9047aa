# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_check costs on a real kernel, beside the cheapest task there is."""

from __future__ import annotations

import sys

from playbook import task

TIMES = 4


def test_patch_check_adds_less_than_a_ping(playbooks, guest, patches, capsys):
    """The shortest of several tasks in turn: what else the machine does can only make one longer."""
    tasks = [{"name": "connect", "ansible.builtin.ping": None}]
    for number in range(TIMES):
        tasks += [
            {"name": f"ping {number}", "ansible.builtin.ping": None},
            task(f"check {number}", "patch_check", src=patches["cmdline_v1"])]
    outcome = playbooks.run(tasks, guest.name)
    assert outcome.code == 0, outcome.output
    ping, check = (
        min(outcome.seconds[f"{kind} {number}"] for number in range(TIMES)) for kind in ("ping", "check"))
    with capsys.disabled():
        # A worker of pytest-xdist has no other output.
        print(f"\nping {ping:.2f} s, patch_check {check:.2f} s, which is {check - ping:.2f} s more", file=sys.stderr)
    assert check - ping < ping
