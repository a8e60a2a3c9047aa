# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task costs on a real kernel, in a machine of the lab."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

TIMES = 7


def check_to_ping() -> float:
    """The median over pairs of tasks in turn; the checked file is the lab's `cmdline_v1`."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab" / "suite"))
    from playbook import Playbooks, task

    from tests.lab import Lab

    with Lab(kernel="6.1") as lab, tempfile.TemporaryDirectory() as directory:
        machine, = lab.machines(1)
        tasks = [{"name": "connect", "ansible.builtin.ping": None}]
        for number in range(TIMES):
            tasks += [
                {"name": f"ping {number}", "ansible.builtin.ping": None},
                task(f"check {number}", "patch_check", src=lab.patches["cmdline_v1"])]
        outcome = Playbooks(Path(directory), lab.write_inventory([machine])).run(tasks, machine.name)
    return statistics.median(
        outcome.seconds[f"check {number}"] / outcome.seconds[f"ping {number}"] for number in range(TIMES))
