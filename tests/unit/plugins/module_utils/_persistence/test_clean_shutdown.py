# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a clean shutdown: who leaves it, and for which boot."""

import os
import stat

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import (
    MOST_BOOTS,
    record_clean_shutdown,
    reserve_space,
    was_clean,
    withdraw_clean_shutdown,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import CLEAN_SHUTDOWN, STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import shut_down
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

BOOT = "8f3c6a5e-0d1b-4b57-9a53-2f6c1de0a7b4"


def test_a_boot_that_left_no_mark_is_not_known_to_have_ended_well(kernel):
    assert not was_clean(kernel, BOOT)
    assert not was_clean(kernel, None)


def test_the_mark_is_for_one_boot(kernel):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    record_clean_shutdown(kernel)
    assert was_clean(kernel, BOOT)
    assert not was_clean(kernel, BOOT.replace("8f3c", "0000"))
    assert stat.S_IMODE(os.stat(kernel.path(CLEAN_SHUTDOWN)).st_mode) == 0o600


def test_the_mark_is_taken_back_in_its_own_boot_alone(kernel):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    withdraw_clean_shutdown(kernel)
    record_clean_shutdown(kernel)
    kernel.put(BOOT_ID, f"{BOOT.replace('8f3c', '0000')}\n")
    withdraw_clean_shutdown(kernel)
    assert was_clean(kernel, BOOT)
    kernel.put(BOOT_ID, f"{BOOT}\n")
    withdraw_clean_shutdown(kernel)
    assert not was_clean(kernel, BOOT)


def test_a_service_that_is_stopped_on_a_host_that_runs_on_leaves_no_mark(kernel):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    systemd = SimulatedSystemd(kernel)
    for state in ("running", "degraded", "starting", ""):
        systemd.state = state
        shut_down(kernel)
        assert not was_clean(kernel, BOOT)
    systemd.state = "stopping"
    shut_down(kernel)
    assert was_clean(kernel, BOOT)


def test_a_host_that_goes_down_before_its_boot_is_complete_leaves_the_mark(kernel):
    kernel.put(BOOT_ID, f"{BOOT}\n")
    systemd = SimulatedSystemd(kernel)
    systemd.state = "starting"  # what systemd before version 246 says then
    systemd.jobs = "292 multi-user.target start waiting\n"
    shut_down(kernel)
    assert not was_clean(kernel, BOOT)
    systemd.jobs += "293 shutdown.target start waiting\n"
    shut_down(kernel)
    assert was_clean(kernel, BOOT)


def test_a_mark_takes_no_more_room_than_there_is_since_the_boot(kernel):
    """In a file that is neither made nor gets longer, so that a full disk is no reason for it to be missing."""
    kernel.put(BOOT_ID, f"{BOOT}\n")
    reserve_space(kernel)  # there is no directory, and nothing to remember
    assert not os.path.exists(kernel.path(CLEAN_SHUTDOWN))
    os.makedirs(kernel.path(STATE_DIRECTORY), mode=0o700)
    reserve_space(kernel)
    before = os.stat(kernel.path(CLEAN_SHUTDOWN))
    for number in range(MOST_BOOTS + 1):
        kernel.put(BOOT_ID, f"{BOOT[:-2]}{number:02}\n")
        record_clean_shutdown(kernel)
        reserve_space(kernel)
        now = os.stat(kernel.path(CLEAN_SHUTDOWN))
        assert (now.st_ino, now.st_size) == (before.st_ino, before.st_size)


def test_an_earlier_boot_ended_well_though_a_later_one_did_too(kernel):
    boots = [BOOT.replace("8f3c", f"{number:04}") for number in range(MOST_BOOTS + 1)]
    for boot in boots:
        kernel.put(BOOT_ID, f"{boot}\n")
        record_clean_shutdown(kernel)
        record_clean_shutdown(kernel)
    assert [was_clean(kernel, boot) for boot in boots] == [False] + [True] * MOST_BOOTS
    withdraw_clean_shutdown(kernel)
    assert [was_clean(kernel, boot) for boot in boots] == [False] + [True] * (MOST_BOOTS - 1) + [False]
