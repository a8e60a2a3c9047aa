# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a host that was patched, on a simulated kernel."""

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.baseline import baseline
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    V1,
    V2,
    accept,
    failure,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import load

TAINTED = "/proc/sys/kernel/tainted"


@pytest.fixture
def host(kernel):
    """A simulated kernel that has an out-of-tree module."""
    kernel.put(BOOT_ID, "boot-1\n")
    kernel.put(TAINTED, f"{1 << 12}\n")
    return kernel


@pytest.fixture
def watch(host):
    """watch(name, baseline, checks): what patch_watch finds with report_only; no health check asks an address."""
    return lambda name="v1", earlier=None, checks=(): watch_host(host, name, earlier, list(checks), None, True)


def codes(result):
    return [found["code"] for found in result["findings"]]


def taint(kernel, *bits):
    kernel.put(TAINTED, f"{sum(1 << bit for bit in bits)}\n")


def test_a_host_that_is_well(host, apply, watch):
    known = apply(V1, trial=60)["baseline"]
    assert known == {"boot_id": "boot-1", "taints": 4096, "uptime": 0, "kernel_log": None}
    taint(host, 12, 13, 15)
    host.sleep(9.5)
    result = watch(earlier=known, checks=[{"command": "true"}])
    functions, seen = result.pop("functions"), result.pop("watch")
    assert (seen["looks"], seen["findings"]) == (1, [])
    health, = result.pop("health")
    assert result == {
        "changed": False, "well": True, "state": "enabled", "verified": True, "blockers": [], "boot_id": "boot-1",
        "taints": 1 << 12 | 1 << 13 | 1 << 15, "kernel_log": [], "trial": {"seconds_left": 50}, "findings": []}
    assert [(one["name"], one["ftrace"]) for one in functions] == [("cmdline_proc_show", True)]
    assert (health["name"], health["ok"]) == ("true", True)


def test_a_patch_that_is_accepted(host, apply, watch):
    accept(apply, V1)
    result = watch()
    assert (result["state"], result["trial"], result["well"]) == ("accepted", None, True)


def test_an_accepted_build_that_is_on_trial_again_is_not_called_accepted(host, apply, watch):
    accept(apply, V1, params={"count": 3})
    reboot(host)
    apply(V1, trial=60, params={"count": 9})
    assert watch()["state"] == "enabled"


def test_a_patch_that_somebody_else_has_loaded_is_looked_at_without_its_file(host, watch):
    load(host, V1)
    result = watch()
    assert (codes(result), result["well"], result["verified"]) == (["file-not-kept"], True, None)
    assert [one["name"] for one in result["functions"]] == ["cmdline_proc_show"]
    host.put("/sys/kernel/tracing/enabled_functions", "")
    result = watch()
    assert codes(result) == ["file-not-kept", "function-not-hooked"]
    assert (result["well"], result["verified"]) == (False, False)


def test_a_trial_of_another_patch_is_not_this_ones(host, apply, watch):
    apply(V1)
    apply(V2, trial=60)
    assert watch("v2")["trial"] == {"seconds_left": 60}
    assert watch("v1")["trial"] is None


def test_a_reboot(host, apply, watch):
    known = apply(V1, trial=60)["baseline"]
    host.say("BUG: of an earlier boot", priority=3)
    reboot(host)
    taint(host, 0, 9)
    result = watch(earlier=known)
    assert codes(result) == ["host-rebooted", "patch-not-running"]  # what the new boot has is compared with nothing
    assert ", now boot-2)" in result["findings"][0]["message"]
    assert (result["well"], result["state"], result["verified"], result["boot_id"]) == (
        False, "absent", False, "boot-2")


def test_a_patch_that_came_back_with_a_reboot_is_no_proof_of_health(host, apply, watch):
    apply(V1)
    assert codes(watch(earlier=dict(baseline(host), boot_id="boot-0"))) == ["host-rebooted"]


@pytest.mark.parametrize("state", ["absent", "disabled"])
def test_a_patch_that_does_not_run(host, apply, watch, state):
    apply(V1)
    apply(V1, state=state)
    result = watch()
    assert codes(result) == ["patch-not-running"]
    assert (result["state"], result["well"]) == (state, False)
    assert failure(watch_host, host, "v1", None, [], None).code == "patch-not-running"


def test_a_kernel_without_live_patching_has_no_patch(host, watch):
    host.is_dir = lambda path: False
    assert codes(watch()) == ["patch-not-running"]


@pytest.mark.parametrize("direction, codes_then", [
    ("enabling", ["transition-unfinished"]), ("disabling", ["patch-not-running", "transition-unfinished"])])
def test_a_transition_that_goes_on(host, apply, watch, direction, codes_then):
    if direction == "disabling":
        apply(V1)
    host.hold(7, directions=(direction,))
    apply(V1, state={"enabling": "enabled", "disabling": "absent"}[direction], on_stall="wait")
    result = watch()
    assert codes(result) == codes_then
    assert result["findings"][-1]["message"] == (
        "The transition of v1 continues. It is held by worker (pid 7) asleep in cmdline_proc_show.")
    assert (result["state"], result["well"], result["verified"]) == (direction, direction == "enabling", None)
    assert (result["functions"], [one["comm"] for one in result["blockers"]]) == ([], ["worker"])


def test_a_function_that_is_not_redirected_any_more(host, apply, watch):
    apply(V1)
    host.put("/sys/kernel/tracing/enabled_functions", "")
    result = watch()
    assert (codes(result), result["verified"]) == (["function-not-hooked"], False)
    assert failure(watch_host, host, "v1", None, [], None).details["functions"][0]["ftrace"] is False


def test_a_user_who_is_not_shown_the_tasks_proves_nothing(host, apply, watch):
    apply(V1)
    host.forbidden = ("/proc/1/task/1/patch_state",)
    result = watch()
    assert (codes(result), result["verified"]) == (["tasks-unreadable"], False)


@pytest.mark.parametrize("brought, bits, letters", [
    ("OEK", (12, 13, 15), []),
    ("OEK", (9, 12, 15), ["W"]),
    ("OEK", (0, 7, 9, 12), ["P", "D", "W"]),
    ("POEK", (0, 12), []),  # the patch's own
    ("OEK", (12, 25), ["?"]),
    ("OEKN", (12, 13, 15, 31), []),  # SUSE's N, of a module without its support, is not the N of an in-kernel test
    ("OEK", (12, 13, 15, 31), ["?"]),
    ("OEKN", (12, 13, 15, 25, 31), ["?", "?"]),
    ("OEKN", (9, 12, 13, 15, 31), ["W"]),
])
def test_new_taints(host, apply, watch, brought, bits, letters):
    known = apply(V1)["baseline"]
    host.put("/sys/module/v1/taint", f"{brought}\n")
    taint(host, *bits)
    result = watch(earlier=known)
    assert [(found["code"], found["subject"]) for found in result["findings"]] == [
        ("new-taint", letter) for letter in letters]


def test_old_taints_do_not_count(host, apply, watch):
    taint(host, 0, 9, 12)
    known = apply(V1)["baseline"]
    assert codes(watch(earlier=known)) == []


def test_a_kernel_warning(host, apply, watch):
    host.say("WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2", priority=4)
    known = apply(V1)["baseline"]
    assert codes(watch(earlier=known)) == []
    host.say("WARNING: CPU: 1 PID: 2 at kernel/x.c:1 f+0x1/0x2", priority=4)
    host.say("Modules linked in: v1(OEK)", priority=4)
    result = watch(earlier=known)
    assert codes(result) == ["kernel-warning"]
    assert result["kernel_log"] == [
        "WARNING: CPU: 1 PID: 2 at kernel/x.c:1 f+0x1/0x2", "Modules linked in: v1(OEK)"]
    assert watch()["kernel_log"] == []  # without a baseline there is nothing to compare with


def test_a_warning_that_a_health_check_brings_about_is_seen(host, apply, watch):
    known = apply(V1)["baseline"]
    host.answer = lambda words: host.say("BUG: sleeping function called from invalid context", priority=3) or (0, "")
    assert codes(watch(earlier=known, checks=[{"command": "true"}])) == ["kernel-warning"]


def test_each_failed_health_check_is_a_finding(host, apply, watch):
    apply(V1)
    host.answer = lambda words: (int(words[0] != "a"), "said")
    result = watch(checks=[{"command": "a"}, {"command": "b"}, {"command": "c", "name": "third"}])
    assert [(found["subject"], found["message"]) for found in result["findings"]] == [
        ("b", "The health check b failed. Its message: It ended with status 1: said"),
        ("third", "The health check third failed. Its message: It ended with status 1: said")]
    assert [one["ok"] for one in result["health"]] == [True, False, False]


def test_the_first_blocker_decides_and_everything_is_told_with_it(host, apply):
    known = apply(V1)["baseline"]
    taint(host, 9)
    host.answer = lambda words: (1, "")
    error = failure(watch_host, host, "v1", known, [{"command": "x"}], None)
    assert error.code == "new-taint"
    assert error.message.endswith("(1 more in findings.)")
    assert sorted(error.details) == [
        "blockers", "boot_id", "changed", "findings", "functions", "health", "kernel_log", "state", "taints", "trial",
        "verified", "watch", "well"]


def test_nothing_is_done_where_an_option_makes_no_sense(host):
    assert failure(watch_host, host, "v1", None, [{"command": "a"}, {}], None).code == "bad-option"
    assert failure(watch_host, host, "a b", None, [{"command": "a"}], None).code == "bad-name"
    assert host.commands == []


def test_nothing_is_written(host, apply, watch):
    known = apply(V1)["baseline"]
    host.writes.clear()
    watch(earlier=known)
    assert host.writes == []
