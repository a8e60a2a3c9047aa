# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches on a simulated kernel with replace sets, as they are proposed for Linux."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_check import check_host
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    accept,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)

FIRST = SimulatedPatch("cumul_first", build_id="11" * 20, objects={"vmlinux": ["one"]}, replace_set=1)
SECOND = SimulatedPatch(
    "cumul_second", build_id="22" * 20, objects={"vmlinux": ["one", "function_1"]}, replace_set=1)
HOTFIX = SimulatedPatch("hotfix", build_id="33" * 20, objects={"vmlinux": ["other"]}, replace_set=2)
CONFLICT = SimulatedPatch("conflict", build_id="44" * 20, objects={"vmlinux": ["one"]}, replace_set=2)


@pytest.fixture
def host(host):
    host.replace_sets = True
    return host


def disabled(host):
    """The patches that were disabled by a write to sysfs."""
    return [path.split("/")[-2] for path, text in host.writes if path.endswith("/enabled") and text == "0"]


def check(host, patch):
    return check_host(host, patch.offer(), None, report_only=True)


def codes(result):
    return [found["code"] for found in result["findings"]]


def test_a_patch_replaces_those_of_its_set_only(host, interface, apply):
    apply(FIRST)
    apply(HOTFIX)
    assert stack(host, interface) == ["cumul_first", "hotfix"]
    assert apply(SECOND)["patch"]["replaces"] == ["cumul_first"]
    assert stack(host, interface) == ["hotfix", "cumul_second"]
    assert host.names("/sys/module") == ["cumul_second", "hotfix"]
    assert [(patch["name"], patch["replace"], patch["replace_set"]) for patch in host_inventory(host)["patches"]] == [
        ("hotfix", None, 2), ("cumul_second", None, 1)]


def test_what_a_file_replaces_is_unknown_until_a_kernel_has_shown_its_set(host, apply):
    apply(FIRST)
    apply(HOTFIX)
    result = check(host, SECOND)
    assert result["forecast"]["replaces"] == []
    unknown = [found for found in result["findings"] if found["code"] == "replace-unknown"]
    assert "replaces the enabled cumul_first, hotfix" in unknown[0]["message"]
    apply(SECOND)
    roll_back(host, "previous", 3, "reverse")
    result = check(host, SECOND)
    assert result["forecast"]["replaces"] == ["cumul_first"]
    assert "rollback-gap" not in [reason["code"] for reason in result["forecast"]["rollback"]["reasons"]]
    assert "replace-unknown" not in codes(result)
    assert apply(SECOND, check_mode=True)["diff"]["after"].count(": enabled") == 2


def test_the_functions_that_a_later_patch_of_the_set_lacks_are_told(host, apply):
    apply(FIRST)
    apply(SECOND)
    apply(FIRST)
    apply(SECOND)
    apply(HOTFIX)
    dropped = [found for found in check(host, FIRST)["findings"] if found["code"] == "functions-dropped"]
    assert [found["subject"] for found in dropped] == ["cumul_second"]


def test_a_rollback_replaces_in_turn_and_leaves_the_other_sets_alone(host, interface, apply):
    apply(FIRST)
    apply(HOTFIX)
    apply(SECOND)
    host.writes.clear()
    result = roll_back(host, "previous", 3, "reverse")
    assert [done["name"] for done in result["restored"]] == ["cumul_first"]
    assert [done["name"] for done in result["removed"]] == ["cumul_second"]
    assert disabled(host) == []
    assert sorted(stack(host, interface)) == ["cumul_first", "hotfix"]
    assert host.loads.count(("hotfix", "")) == 1


def test_a_rollback_of_another_set_removes_that_patch_alone(host, interface, apply):
    apply(FIRST)
    apply(HOTFIX)
    host.writes.clear()
    roll_back(host, "previous", 3, "reverse")
    assert disabled(host) == ["hotfix"]
    assert stack(host, interface) == ["cumul_first"]


def test_a_trial_s_end_restores_the_set(host, interface, apply):
    apply(FIRST)
    apply(HOTFIX)
    apply(SECOND, trial=60)
    assert "reverted to cumul_first, hotfix." in end_trial(host)
    assert sorted(stack(host, interface)) == ["cumul_first", "hotfix"]
    assert disabled(host) == []


def test_one_patch_of_each_set_is_accepted_and_loaded_at_boot(host, systemd, interface, apply):
    for patch in (FIRST, HOTFIX, SECOND):
        accept(apply, patch)
    assert accepted(host) == ["hotfix", "cumul_second"]
    reboot(host)
    boot(host)
    assert sorted(stack(host, interface)) == ["cumul_second", "hotfix"]


def test_a_patch_of_another_set_stays_accepted_while_it_does_not_run(host, systemd, interface, apply):
    accept(apply, FIRST)
    accept(apply, HOTFIX)
    unload(host, interface, "hotfix")
    unload(host, interface, "cumul_first")
    accept(apply, SECOND)
    assert accepted(host) == ["hotfix", "cumul_second"]


def test_the_kernel_refuses_a_patch_with_a_function_of_another_set(host, interface, apply):
    apply(FIRST)
    error = failure(apply, CONFLICT)
    assert error.code == "load-refused"
    assert stack(host, interface) == ["cumul_first"]
