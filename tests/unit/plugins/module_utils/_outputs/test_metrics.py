# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics and the facts of a simulated host."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import (
    FAMILIES,
    host_metrics,
    metrics_text,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.states import host_facts
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V1,
    accept,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

NOW = 1000000000
IDENTITY_OF_ONE = {"name": "one", "version": "", "build_id": "33" * 20}


@pytest.fixture
def host(kernel, apply):
    """A host with an accepted patch, and one on trial."""
    kernel.put("/proc/sys/kernel/random/boot_id", "boot-1\n")
    SimulatedSystemd(kernel)
    accept(apply, V1)
    apply(ONE, trial=600)
    return kernel


def samples(inventory, name):
    return [(sample["labels"], sample["value"]) for sample in host_metrics(inventory, NOW)
            if sample["name"] == f"kernel_livepatch_{name}"]


def test_each_patch_has_its_state_its_functions_and_its_transition(host):
    inventory = host_inventory(host)
    states = [(labels["name"], labels["state"]) for labels, _value in samples(inventory, "patch_state")]
    assert states == [("v1", "accepted"), ("one", "on_trial")]
    assert samples(inventory, "patch_functions")[1] == (IDENTITY_OF_ONE, 1)
    assert samples(inventory, "trial_end_timestamp_seconds") == [(IDENTITY_OF_ONE, NOW + 600)]
    assert [value > 0 for _labels, value in samples(inventory, "patch_transition_seconds")] == [True, True]
    assert samples(inventory, "updated_timestamp_seconds") == [({}, NOW)]


def test_a_patch_in_transition_has_no_function_in_effect(host):
    inventory = host_inventory(host)
    inventory["patches"][1]["state"] = "disabling"
    assert samples(inventory, "patch_functions")[1][1] == 0
    assert samples(inventory, "patch_state")[1][0]["state"] == "disabling"


@pytest.mark.parametrize("state, counted", [("enabled", [1, 2]), ("enabling", [1, 0]), ("disabled", [2, 0])])
def test_a_function_that_a_later_patch_overrides_is_not_in_effect(host, state, counted):
    inventory = host_inventory(host)
    early, late = inventory["patches"]
    functions = [{"name": name, "sympos": 1} for name in ("first", "second", "third")]
    early.update(objects=[{"name": "vmlinux", "patched": True, "functions": functions[:2]}])
    late.update(state=state, objects=[{"name": "vmlinux", "patched": True, "functions": functions[1:]}])
    assert [value for _labels, value in samples(inventory, "patch_functions")] == counted


@pytest.mark.parametrize("expires, value", [
    ("2026-11-30", 1796083200), ("2026-02-30", None), ("soon", None), (None, None)])
def test_the_expiry_is_the_end_of_its_day(host, expires, value):
    inventory = host_inventory(host)
    inventory["patches"][0]["metadata"] = {"expires": expires}
    found = [value for _labels, value in samples(inventory, "patch_expiry_timestamp_seconds")]
    assert found == ([] if value is None else [value])


def test_a_disabled_patch_has_no_expiry(host):
    inventory = host_inventory(host)
    inventory["patches"][0].update(metadata={"expires": "2026-11-30"}, state="disabled")
    assert samples(inventory, "patch_expiry_timestamp_seconds") == []


def test_a_crash_on_trial_is_a_build_in_quarantine(host):
    reboot(host, clean=False)
    inventory = host_inventory(host)
    assert samples(inventory, "patch_quarantined") == [(dict(IDENTITY_OF_ONE, why="crashed-on-trial"), 1)]
    assert samples(inventory, "drift_findings")[0][0] == {"level": "warning"}
    assert samples(inventory, "drift_findings")[0][1] == len(
        [found for found in inventory["drift"] if found["level"] == "warning"]) > 0


def test_two_builds_that_labels_do_not_tell_apart_are_one_sample(host):
    """A reader refuses a text with one series twice, and then has no metrics of the host at all."""
    inventory = host_inventory(host)
    inventory["quarantined"] = [
        {"name": "fix", "build_id": None, "sha256": digest * 32, "why": "crashed-on-trial"} for digest in ("aa", "bb")]
    lines = metrics_text(host_metrics(inventory, NOW)).splitlines()
    assert len([line for line in lines if line.startswith("kernel_livepatch_patch_quarantined{")]) == 1
    assert len(lines) == len(set(lines))


def test_what_is_not_known_is_left_out(host):
    inventory = dict(host_inventory(host), drift=None, quarantined=None, journal=None)
    assert samples(inventory, "drift_findings") == samples(inventory, "patch_transition_seconds") == []
    facts = host_facts(inventory)
    assert (facts["drift"], facts["quarantined"]) == (None, None)


def test_the_text_has_one_header_for_each_family_and_escapes_values():
    text = metrics_text([
        {"name": "kernel_livepatch_patch_state", "labels": {"name": 'a"\\\n'}, "value": 1},
        {"name": "kernel_livepatch_patch_state", "labels": {"name": "b"}, "value": 1},
        {"name": "kernel_livepatch_updated_timestamp_seconds", "labels": {}, "value": 5}])
    assert text.splitlines() == [
        f"# HELP kernel_livepatch_patch_state {FAMILIES['kernel_livepatch_patch_state']}",
        "# TYPE kernel_livepatch_patch_state gauge", r'kernel_livepatch_patch_state{name="a\"\\\n"} 1',
        'kernel_livepatch_patch_state{name="b"} 1',
        f"# HELP kernel_livepatch_updated_timestamp_seconds {FAMILIES['kernel_livepatch_updated_timestamp_seconds']}",
        "# TYPE kernel_livepatch_updated_timestamp_seconds gauge", "kernel_livepatch_updated_timestamp_seconds 5",
        "# EOF"]


def test_the_facts_are_small_and_have_the_least_stable_state(host):
    assert host_facts(host_inventory(host)) == {
        "state": "on_trial", "kernel": "6.1.0-56-amd64", "trial": "one", "quarantined": [], "drift": [],
        "patches": [
            {"name": "v1", "version": None, "build_id": "11" * 20, "state": "accepted"},
            {"name": "one", "version": None, "build_id": "33" * 20, "state": "on_trial"}]}


def test_the_state_of_a_host_follows_its_patches(kernel, apply):
    def state():
        return host_facts(host_inventory(kernel))["state"]

    assert state() == "unpatched"
    apply(SimulatedPatch())
    assert state() == "enabled"
    inventory = host_inventory(kernel)
    inventory["patches"][0]["state"] = "enabling"
    assert host_facts(inventory)["state"] == "in_transition"
    assert host_facts(dict(inventory, interface="none"))["state"] == "unsupported"
