# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that rolls back late: others have changed the host meanwhile. On a simulated kernel."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    V2,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.leased_host import (
    ALICE,
    BOB,
    BY_HAND,
    TRIAL,
    accept_by,
    host_with_v1,
    lease_of,
    roll_back_by,
    run_of,
    taking,
)


@pytest.fixture
def host(kernel, apply):
    return host_with_v1(kernel, apply)


def accept_after_a_load_by(host, apply, who):
    apply(V2, trial=TRIAL, controller=taking(who))
    apply(V2, state="accepted", fresh=True, controller=who)


def load_another_after_a_rollback_by(host, apply, who):
    roll_back_by(host, taking(who), "original")
    apply(V2, controller=who)


def load_after_a_revert_by(host, apply, who):
    apply(V2, trial=TRIAL, controller=taking(who))
    host.sleep(TRIAL)
    assert end_trial(host)
    apply(V2, controller=BY_HAND)


@pytest.mark.parametrize("who", [BOB, BY_HAND], ids=["a run", "a person"])
@pytest.mark.parametrize("take", [
    accept_by, accept_after_a_load_by, load_another_after_a_rollback_by, load_after_a_revert_by])
def test_a_run_that_has_lost_a_host_does_not_undo_what_its_successor_has_left(host, interface, apply, take, who):
    begun = apply(V2, trial=TRIAL, controller=ALICE)["transaction"]
    take(host, apply, who)
    assert (stack(host, interface), lease_of(host)) == (["v2"], None)
    for mode in (False, True):
        error = failure(roll_back_by, host, ALICE, begun, check_mode=mode)
        assert (error.code, "so this run does not change it any more" in error.message) == ("host-leased", True)
    assert stack(host, interface) == ["v2"]
    roll_back_by(host, taking(ALICE), begun)
    assert stack(host, interface) == ["v1"]


@pytest.mark.parametrize("who", [BOB, BY_HAND], ids=["a run", "a person"])
def test_a_run_whose_lease_has_ended_undoes_no_later_change_of_others(host, interface, apply, who):
    begun = apply(V2, trial=TRIAL, controller=ALICE)["transaction"]
    apply(V2, state="accepted", fresh=True, controller=ALICE)
    failure(apply, V1, name="absent", controller=who)  # a change that failed is none
    later = apply(ONE, controller=who)["transaction"]
    for mode in (False, True):
        error = failure(roll_back_by, host, ALICE, begun, check_mode=mode)
        assert (error.code, later in error.message, f"to: {begun}" in error.message) == ("changed-since", True, True)
    assert stack(host, interface) == ["v2", "one"]
    roll_back_by(host, who, begun)
    assert stack(host, interface) == ["v1"]


def test_a_run_undoes_all_of_its_own_changes_and_those_of_the_host_itself(host, interface, apply):
    begun = apply(V2, trial=TRIAL, controller=ALICE)["transaction"]
    host.sleep(TRIAL)
    assert end_trial(host)
    apply(V2, controller=ALICE)
    apply(ONE, controller=ALICE)
    roll_back_by(host, ALICE, begun)
    assert stack(host, interface) == ["v1"]


def test_others_are_not_refused_for_a_lost_host_nor_is_anyone_after_a_reboot(host, interface, apply):
    begun = apply(V2, trial=TRIAL, controller=ALICE)["transaction"]
    accept_by(host, apply, BY_HAND)
    assert "host-leased" not in [found["code"] for found in check_host(host, V2.offer(), None)["findings"]]
    roll_back_by(host, BOB, begun)
    assert stack(host, interface) == ["v1"]
    reboot(host)
    boot(host)
    apply(V2, trial=TRIAL, controller=ALICE)
    assert run_of(host) == ALICE["run"]
