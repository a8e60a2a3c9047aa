# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_check costs on a real kernel: the round trips of the cheapest task. Seconds are in tests/benchmarks."""

from __future__ import annotations

import pytest
from playbook import task


@pytest.mark.core
def test_patch_check_takes_the_round_trips_of_a_ping(playbooks, guest, patches):
    connect = {"name": "connect", "ansible.builtin.ping": None}
    ping = playbooks.run([connect, {"name": "ping", "ansible.builtin.ping": None}], guest.name)
    check = playbooks.run([connect, task("check", "patch_check", src=patches["cmdline_v1"])], guest.name)
    assert (ping.code, check.code) == (0, 0), ping.output + check.output
    assert check.results["check"]["compatible"] is True
    assert check.trips == ping.trips == ["ssh", "ssh"]
