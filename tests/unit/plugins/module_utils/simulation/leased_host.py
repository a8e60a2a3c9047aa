# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs and a person who change a simulated host, and the lease that it has then."""

import json
import os

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEASE
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    V1,
    accept,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

ALICE = {"user": "alice", "node": "control1", "run": "20261121T091500Z-aaaaaa"}
BOB = {"user": "bob", "node": "control2", "run": "20261121T091600Z-bbbbbb"}
BY_HAND = {"user": "carol", "node": "laptop"}
TRIAL = 600


def host_with_v1(kernel, apply):
    """A simulated kernel with systemd, on which V1 is accepted."""
    kernel.put(BOOT_ID, "boot-1\n")
    SimulatedSystemd(kernel)
    accept(apply, V1)
    return kernel


def taking(controller):
    """The same controller, when it takes a lease over."""
    return dict(controller, take_lease=True)


def lease_of(host):
    return host_inventory(host)["lease"]


def run_of(host):
    lease = lease_of(host)
    return lease and lease["run"]


def roll_back_by(host, controller, to="previous", check_mode=False):
    return roll_back(host, to, 3, "reverse", check_mode=check_mode, controller=controller)


def put_lease(host, content):
    """Write the file of a lease: a dict, or bytes."""
    os.makedirs(os.path.dirname(host.path(LEASE)), mode=0o700, exist_ok=True)
    host.put(LEASE, content if isinstance(content, bytes) else json.dumps(content))
    os.chmod(host.path(LEASE), 0o600)


def accept_by(host, apply, who):
    """v2, accepted by someone who takes the host over."""
    apply(name="v2", state="accepted", fresh=True, controller=taking(who))
