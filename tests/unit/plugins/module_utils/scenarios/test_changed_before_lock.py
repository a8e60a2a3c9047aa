# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another run, or a person, has changed by the time that this one has the host's lock."""


import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs import patch
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    TWO,
    V1,
    V2,
    accept,
    accepted,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)


@pytest.fixture
def host(kernel):
    kernel.put(BOOT_ID, "boot-1\n")
    SimulatedSystemd(kernel)
    return kernel


def test_what_has_gone_meanwhile_is_not_accepted_any_more_either(host, interface, apply, before_the_lock):
    accept(apply, V1)
    before_the_lock(patch, lambda: unload(host, interface, "v1"))
    told = apply(name="v1", state="absent")
    assert (told["patch"]["state"], told["changed"], accepted(host)) == ("absent", True, [])


def test_what_was_replaced_meanwhile_is_not_brought_back_by_the_trials_end(host, interface, apply, before_the_lock):
    accept(apply, V1)
    before_the_lock(patch, lambda: (apply(V2, trial=60), host.sleep(1)))
    assert apply(name="v1", state="absent")["patch"]["state"] == "absent"
    end_trial(host)
    assert stack(host, interface) == []


def test_what_is_replaced_while_it_is_waited_for_is_not_accepted_any_more_either(host, apply):
    accept(apply, V1)
    host.hold(7)
    assert apply(V2, trial=600, timeout=1, on_stall="wait")["patch"]["state"] == "enabling"
    host.at(host.now() + 4, lambda: host.let_go(7))
    assert apply(name="v1", state="disabled", timeout=30)["patch"]["state"] == "disabled"
    assert (accepted(host), read_ledger(host)["trial"]["back_to"]) == ([], [])


def test_a_trial_that_is_not_begun_because_somebody_else_was_sooner_is_told(host, apply, before_the_lock):
    before_the_lock(patch, lambda: apply(ONE))
    result = apply(ONE, trial=600)
    assert read_ledger(host)["trial"] is None
    assert [found["code"] for found in result["findings"]] == ["trial-not-begun"]


def test_forgetting_a_patch_leaves_the_trial_of_another_alone(host, interface, apply, before_the_lock):
    apply(ONE, trial=600)
    unload(host, interface, "one")  # by hand: its trial is still in the ledger
    before_the_lock(patch, lambda: apply(TWO, trial=600))
    apply(name="one", state="absent")
    assert (stack(host, interface), read_ledger(host)["trial"]["name"]) == (["two"], "two")


def test_what_somebody_has_loaded_meanwhile_is_taken_out_and_not_only_forgotten(
        host, interface, apply, monkeypatch, before_the_lock):
    accept(apply, ONE)
    unload(host, interface, "one")
    monkeypatch.setattr(patch, "forget_unloaded", lambda *_rest: None)  # it has the lock, too
    before_the_lock(patch, lambda: apply(ONE))
    told = apply(name="one", state="absent")
    assert (told["patch"]["state"], interface.state("one"), accepted(host)) == ("absent", "absent", [])
