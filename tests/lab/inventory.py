# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a run's machines, as YAML."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from .keys import Keys
from .machine import Machine

PYTHON = "/usr/bin/python3"


def inventory_text(machines: list[Machine], group: str, keys: Keys) -> str:
    """Return the inventory: the machines in the group of their kernel, with all that a connection as root needs."""
    lines = ["all:", "  vars:"]
    shared = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(keys.user_private),
        "ansible_ssh_common_args": shlex.join(machines[0].ssh_options()),
        "ansible_python_interpreter": PYTHON,
    }
    # A JSON text is a YAML text too.
    lines += [f"    {name}: {json.dumps(value)}" for name, value in shared.items()]
    lines += ["  children:", f"    {group}:", "      hosts:"]
    for machine in machines:
        address = {"ansible_host": "127.0.0.1", "ansible_port": machine.ssh_port}
        lines += [f"        {machine.name}: {json.dumps(address)}"]
    return "\n".join(lines) + "\n"


def write_inventory(machines: list[Machine], group: str, keys: Keys, path: Path) -> Path:
    """Write the inventory and return its path."""
    path.write_text(inventory_text(machines, group, keys))
    return path
