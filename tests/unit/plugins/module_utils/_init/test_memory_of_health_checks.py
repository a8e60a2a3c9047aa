# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd does with the service of a trial when a health check is killed for want of memory."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import arm, armed
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import empty_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._init.test_init_system import (
    END,
    ID,
    SERVICE,
    TRIAL,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)


@pytest.fixture
def systemd(kernel):
    write_ledger(kernel, dict(empty_ledger(), boot_id="x", trial=TRIAL))
    return SimulatedSystemd(kernel)


def test_the_end_of_a_health_check_for_want_of_memory_does_not_end_the_watch(kernel, systemd):
    arm(kernel, ID, END)
    assert ("--property=OOMPolicy=continue" in kernel.commands[0], systemd.asked().count("systemd-run")) == (True, 1)


@pytest.mark.parametrize("said", ["Unknown assignment: OOMPolicy=continue", "Unknown assignment OOMPolicy=continue."])
def test_a_systemd_without_a_policy_for_that_is_not_asked_for_one(kernel, systemd, monkeypatch, said):
    start = systemd._systemd_run
    monkeypatch.setattr(
        systemd, "_systemd_run",
        lambda argv: (1, said) if "--property=OOMPolicy=continue" in argv else start(argv))
    arm(kernel, ID, END)
    assert (systemd.units, armed(kernel, ID)) == ({SERVICE: END}, True)
    assert {"--property=Restart=on-failure", "--property=OOMScoreAdjust=-1000"} < set(kernel.commands[1])


def test_any_other_refusal_is_the_last_one(kernel, systemd):
    systemd.broken["systemd-run"] = "Failed to connect to bus"
    with pytest.raises(LivepatchError):
        arm(kernel, ID, END)
    assert systemd.asked().count("systemd-run") == 1
