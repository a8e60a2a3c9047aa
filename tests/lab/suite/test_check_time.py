# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_check costs on a real kernel, beside the cheapest task there is."""

from __future__ import annotations

import statistics
import sys

from playbook import task

TIMES = 7


def test_patch_check_adds_less_than_a_ping(playbooks, guest, patches, capsys):
    """The median over pairs of tasks in turn, for the speed of the machine changes from time to time."""
    tasks = [{"name": "connect", "ansible.builtin.ping": None}]
    for number in range(TIMES):
        tasks += [
            {"name": f"ping {number}", "ansible.builtin.ping": None},
            task(f"check {number}", "patch_check", src=patches["cmdline_v1"])]
    outcome = playbooks.run(tasks, guest.name)
    assert outcome.code == 0, outcome.output
    pairs = [(outcome.seconds[f"ping {number}"], outcome.seconds[f"check {number}"]) for number in range(TIMES)]
    times = statistics.median(check / ping for ping, check in pairs)
    with capsys.disabled():
        # A worker of pytest-xdist has no other output.
        shown = ", ".join(f"{ping:.1f} and {check:.1f}" for ping, check in pairs)
        print(f"\npatch_check takes {times:.2f} times as long as ping; seconds of both: {shown}", file=sys.stderr)
    assert times < 2
