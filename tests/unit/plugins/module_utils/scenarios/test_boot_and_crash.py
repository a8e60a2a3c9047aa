# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted, rebooted, crashed: what a simulated host does by itself at its next boot."""

import contextlib

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change import safeguards
from ansible_collections.kernel.livepatch.plugins.module_utils._engine.steps import StepRunner
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    empty_ledger,
    read_ledger,
    same_build,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot, confirm_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    V1,
    V2,
    accept,
    failure,
    reboot,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.ledger_states import unload
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    SimulatedPatch,
)


@pytest.fixture
def host(kernel):
    """A simulated host with systemd, as far as a directory and commands that succeed are one."""
    kernel.put(BOOT_ID, "boot-1\n")
    kernel.put("/run/systemd/system/x", "")
    kernel.answer = lambda argv: (0, {"ready": "ready", "kernel-livepatch.service": "ActiveState=active"}.get(
        argv[-1], "ActiveState=active" if "show" in argv and not argv[-1].endswith(".timer") else ""))
    return kernel


def names(entries):
    return [entry["name"] for entry in entries]


def test_accepting_takes_a_second_call_over_a_new_connection(host, apply):
    first = apply(V1, state="accepted")
    assert (first["patch"]["state"], first["request"]) == ("enabled", {"fresh": "v1"})
    assert read_ledger(host)["trial"]["seconds"] == 300
    second = apply(V1, state="accepted", fresh=True)
    assert (second["changed"], second["patch"]["state"], second["patch"]["previous_state"]) == (
        True, "accepted", "enabled")
    assert "request" not in second
    ledger = read_ledger(host)
    assert (ledger["trial"], names(ledger["accepted"])) == (None, ["v1"])
    assert [entry["action"] for entry in history(host)["journal"]] == ["accept", "patch"]
    again = apply(V1, state="accepted")
    assert (again["changed"], again["patch"]["previous_state"]) == (False, "accepted")
    assert "request" not in again


@pytest.mark.parametrize("wanted", ["accepted", "enabled"])
def test_what_is_accepted_and_gone_is_loaded_again_without_a_trial(host, interface, apply, wanted):
    accept(apply, V1)
    reboot(host)
    result = apply(V1, state=wanted, trial=60)
    assert (result["changed"], result["patch"]["previous_state"], result["patch"]["state"]) == (
        True, "absent", "accepted")
    assert ("request" in result, read_ledger(host)["trial"], interface.state("v1")) == (False, None, "enabled")


def test_starting_the_unit_arms_no_trial(host, apply, monkeypatch):
    seen = []
    monkeypatch.setattr(
        safeguards, "install_boot_service", lambda *_argv: seen.append(read_ledger(host)["trial"]) or True)
    apply(V1, trial=60)
    assert seen == [None]


def test_enabled_is_content_with_accepted(host, apply):
    accept(apply, V1)
    result = apply(V1, trial=60)
    assert (result["changed"], result["patch"]["state"], result["findings"]) == (False, "accepted", [])


def test_what_is_enabled_can_be_accepted_by_its_name(host, apply):
    apply(V1)
    assert apply(name="v1", state="accepted", check_mode=True)["changed"] is True
    assert apply(name="v1", state="accepted")["request"] == {"fresh": "v1"}
    assert apply(name="v1", state="accepted", fresh=True)["patch"]["state"] == "accepted"
    assert failure(apply, name="other", state="accepted").code == "file-unknown"


def test_a_trial_that_ended_before_the_new_connection_is_told(host, interface, apply):
    apply(V1, state="accepted")
    apply(name="v1", state="absent")
    assert failure(apply, V1, state="accepted", fresh=True).code == "trial-over"
    assert interface.state("v1") == "absent"


def test_what_does_not_verify_is_not_accepted(host, apply):
    apply(V1, state="accepted")
    host.put("/proc/1/task/1/patch_state", "0")
    error = failure(apply, V1, state="accepted", fresh=True)
    assert error.code == "task-left-behind"
    assert (read_ledger(host)["accepted"], read_ledger(host)["trial"]["name"]) == ([], "v1")
    assert history(host)["journal"][0]["code"] == "task-left-behind"


def test_what_was_replaced_after_a_transition_was_left_going_goes_when_it_is_accepted(host, apply):
    apply(V1)
    host.hold(7)
    apply(V2, timeout=1, on_stall="wait")
    host.let_go(7)
    host.sleep(2)
    host.sleep(1)  # by now the simulated kernel has let go of the first
    assert host.names("/sys/module") == ["v1", "v2"]
    accept(apply, V2)
    assert host.names("/sys/module") == ["v2"]


def test_an_accepted_patch_is_loaded_at_boot_with_its_parameters(host, interface, apply):
    apply(ONE, state="accepted", params={"count": 3})
    apply(ONE, state="accepted", fresh=True)
    reboot(host)
    boot(host)
    assert interface.state("one") == "enabled"
    assert host.loads[-1] == ("one", "count=3")
    entry = history(host)["journal"][0]
    assert (entry["action"], entry["outcome"], names(entry["after"])) == ("boot", "done", ["one"])
    assert read_ledger(host)["booted"]["confirmed"] is False
    assert any(argv[-1] == "confirm-boot" for argv in host.commands)
    boot(host)  # nothing is loaded twice
    assert len(host.loads) == 2
    confirm_boot(host)
    assert read_ledger(host)["booted"]["confirmed"] is True


def test_an_enabled_patch_is_not_loaded_at_boot_and_in_no_quarantine_after_a_clean_shutdown(host, interface, apply):
    apply(V1)
    reboot(host)
    boot(host)
    assert (interface.state("v1"), read_ledger(host)) == ("absent", empty_ledger())
    assert not host.exists(LEDGER)


def test_the_boot_switch(host, interface, apply):
    accept(apply, V1)
    reboot(host)
    host.put("/proc/cmdline", "quiet kernel_livepatch=off\n")
    boot(host)
    assert interface.state("v1") == "absent"


def test_another_kernel_loads_nothing(host, interface, apply):
    accept(apply, V1)
    reboot(host, release="6.1.0-57-amd64")
    boot(host)
    assert (host.loads, names(read_ledger(host)["accepted"])) == ([("v1", "")], ["v1"])


def test_a_patch_on_trial_at_a_crash_is_quarantined(host, interface, apply):
    accept(apply, V1)
    apply(V2, trial=60)
    reboot(host, clean=False)
    boot(host)
    assert (interface.state("v1"), interface.state("v2")) == ("enabled", "absent")
    ledger = read_ledger(host)
    assert [(one["name"], one["why"]) for one in ledger["quarantined"]] == [("v2", "crashed-on-trial")]
    error = failure(apply, V2)
    assert (error.code, host.loads[-1]) == ("quarantined", ("v1", ""))
    assert "it was loaded and not accepted" in error.message
    apply(V2, state="accepted", ignore_findings=["quarantined"])
    apply(V2, state="accepted", fresh=True)
    assert (read_ledger(host)["quarantined"], names(read_ledger(host)["accepted"])) == ([], ["v2"])


def test_a_crash_soon_after_boot_is_blamed_on_what_was_loaded_then(host, interface, apply):
    accept(apply, V1)
    reboot(host)
    boot(host)
    reboot(host, "boot-3", clean=False)
    boot(host)
    ledger = read_ledger(host)
    assert interface.state("v1") == "absent"
    assert (ledger["accepted"], [one["why"] for one in ledger["quarantined"]]) == ([], ["crashed-after-boot"])


def test_a_crash_in_a_load_at_boot_is_not_blamed_on_what_was_not_loaded_yet(host, apply, monkeypatch):
    accept(apply, V1)
    accept(apply, ONE)
    reboot(host)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(StepRunner, "load", lambda _change: 1 / 0)  # stands for the host's end
        boot(host)
    reboot(host, "boot-3", clean=False)
    boot(host)
    assert (names(read_ledger(host)["quarantined"]), names(read_ledger(host)["accepted"])) == (["v1"], ["one"])


def test_one_patch_that_cannot_be_loaded_at_boot_keeps_no_other_out(host, interface, apply):
    accept(apply, ONE)
    accept(apply, SimulatedPatch("other", build_id="44" * 20, objects={"vmlinux": ["other"]}))
    reboot(host)
    host.put(f"/var/lib/kernel-livepatch/patches/{ONE.sha256}.ko", "damaged")
    assert failure(boot, host).code == "kept-file-damaged"
    assert (interface.state("one"), interface.state("other")) == ("absent", "enabled")


@pytest.mark.parametrize("confirmed, clean", [(True, False), (False, True)])
def test_what_was_confirmed_or_was_shut_down_cleanly_is_not_blamed(host, interface, apply, confirmed, clean):
    accept(apply, V1)
    reboot(host)
    boot(host)
    if confirmed:
        confirm_boot(host)
    reboot(host, "boot-3", clean=clean)
    boot(host)
    assert (interface.state("v1"), read_ledger(host)["quarantined"]) == ("enabled", [])


def test_the_one_on_trial_is_blamed_and_not_what_was_loaded_at_boot(host, apply):
    accept(apply, V1)
    reboot(host)
    boot(host)
    apply(ONE, trial=60)
    reboot(host, "boot-3", clean=False)
    boot(host)
    ledger = read_ledger(host)
    assert (names(ledger["quarantined"]), names(ledger["accepted"])) == (["one"], ["v1"])


@pytest.mark.parametrize("up, times", [("failed", 1), ("active", 0)])
def test_a_soft_reboot_arms_a_trial_again_that_nobody_waits_for(host, apply, up, times):
    apply(V1, trial=60)
    host.commands.clear()
    host.answer = lambda argv: (0, f"ActiveState={up}")
    with contextlib.suppress(LivepatchError):
        boot(host)
    assert [argv[-1] for argv in host.commands].count("end-trial") == times


def test_where_nobody_watches_any_more_nobody_is_blamed(kernel, apply):
    kernel.put(BOOT_ID, "boot-1\n")
    apply(V1, trial=60)
    assert read_ledger(kernel)["watched"] is True
    apply(V1, state="accepted", fresh=True)
    assert read_ledger(kernel)["watched"] is False


def test_where_nobody_watched_nobody_is_blamed(kernel, apply):
    kernel.put(BOOT_ID, "boot-1\n")
    apply(V1)
    reboot(kernel, clean=False)
    assert ledger_for_this_boot(kernel, read_ledger(kernel), "now")["quarantined"] == []


def test_a_patch_that_the_kernel_refuses_at_boot_is_told(host, interface, apply):
    accept(apply, V1)
    reboot(host)
    host.put("/proc/sys/kernel/ftrace_enabled", "0\n")
    error = failure(boot, host)
    assert error.code == "ftrace-disabled"
    entry = history(host)["journal"][0]
    assert (entry["action"], entry["outcome"], entry["code"]) == ("boot", "failed", "ftrace-disabled")
    assert names(read_ledger(host)["accepted"]) == ["v1"]


def test_absent_is_absent_at_the_next_boot_too(host, apply):
    accept(apply, V1)
    reboot(host, release="6.1.0-57-amd64")
    result = apply(name="v1", state="absent")
    assert (result["changed"], read_ledger(host)["accepted"]) == (True, [])
    assert apply(name="v1", state="absent")["changed"] is False


@pytest.mark.parametrize("take_out", [
    lambda _host, apply: apply(name="v1", state="absent"),
    lambda host, _bring: roll_back(host, "original", 3, "reverse")])
def test_a_removal_that_was_turned_round_leaves_the_patch_accepted(host, interface, apply, take_out):
    accept(apply, V1)
    host.hold(7, directions=("disabling",))
    assert failure(take_out, host, apply).code == "transition-stalled"
    assert (interface.state("v1"), names(read_ledger(host)["accepted"])) == ("enabled", ["v1"])
    host.let_go(7)
    take_out(host, apply)
    assert read_ledger(host)["accepted"] == []


def test_a_rollback_that_ends_half_way_leaves_accepted_what_still_runs(host, interface, apply):
    accept(apply, ONE)
    accept(apply, SimulatedPatch("other", build_id="44" * 20, objects={"vmlinux": ["other"]}))
    host.at(host.now() + 0.6, lambda: host.hold(7, directions=("disabling",)))
    assert failure(roll_back, host, "original", 3, "reverse").code == "transition-stalled"
    assert (interface.state("one"), interface.state("other")) == ("enabled", "absent")
    assert names(read_ledger(host)["accepted"]) == ["one"]


def test_a_crash_while_an_accepted_patch_is_taken_out_does_not_load_it_again(host, interface, apply, monkeypatch):
    accept(apply, V1)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(StepRunner, "wait_disabled", lambda _change: 1 / 0)  # stands for the host's end
        apply(name="v1", state="absent")
    reboot(host, clean=False)
    boot(host)
    assert (interface.state("v1"), [one["why"] for one in read_ledger(host)["quarantined"]]) == (
        "absent", ["crashed-on-trial"])


@pytest.mark.parametrize("content", [
    "", "{", "[]", '{"schema": 0}', '{"schema": "2"}', '{"schema": true}', '{"schema": 1, "boot_id": 7}'])
def test_a_damaged_ledger_brings_nothing_in_and_lets_everything_out(host, interface, apply, content):
    apply(V1)
    host.put(LEDGER, content)
    assert failure(apply, ONE).code == "ledger-damaged"
    result = apply(name="v1", state="absent")
    assert (result["findings"][0]["code"], interface.state("v1")) == ("ledger-not-read", "absent")


@pytest.mark.parametrize("one, other, same", [
    (("a", "11", "x"), ("a", "22", "x"), True), (("a", "11", "x"), ("a", "11", None), True),
    (("a", "11", "x"), ("a", "11", "y"), True), (("a", None, "x"), ("a", None, "y"), False),
    (("a", None, "x"), ("a", None, None), True), (("a", "11", "x"), ("b", "11", "x"), False),
    (("a", "11", None), ("a", "22", None), False), (("a", None, "x"), ("a", "22", None), False)])
def test_which_builds_are_the_same(one, other, same):
    keys = ("name", "build_id", "sha256")
    assert same_build(dict(zip(keys, one)), dict(zip(keys, other))) is same


def test_a_crash_soon_after_boot_is_not_blamed_on_what_had_been_replaced(host, apply):
    accept(apply, V1)
    reboot(host)
    boot(host)
    accept(apply, V2)
    reboot(host, "boot-3", clean=False)
    boot(host)
    assert names(read_ledger(host)["quarantined"]) == []


def test_a_crash_soon_after_boot_is_not_blamed_on_what_had_been_taken_out(host, apply):
    accept(apply, V1)
    reboot(host)
    boot(host)
    accept(apply, ONE)
    apply(name="v1", state="absent")
    reboot(host, "boot-3", clean=False)
    boot(host)
    assert names(read_ledger(host)["quarantined"]) == []


def test_an_accepted_build_that_was_on_trial_with_other_parameters_is_blamed(host, interface, apply):
    accept(apply, ONE, params={"count": 3})
    unload(host, interface, "one")
    apply(ONE, trial=600, params={"count": 9})
    result = host_inventory(host)
    assert names(result["patches"]) == ["one"] and result["patches"][0]["state"] == "enabled"
    assert "on-trial" in [found["code"] for found in result["drift"]]
    reboot(host, clean=False)
    boot(host)
    ledger = read_ledger(host)
    assert (names(ledger["quarantined"]), names(ledger["accepted"])) == (["one"], [])


def test_a_clock_that_is_behind_at_boot_hides_no_quarantine(host, apply, monkeypatch):
    accept(apply, V1)
    apply(V2, trial=600)
    reboot(host, clean=False)
    with monkeypatch.context() as before_ntp:
        before_ntp.setattr(host, "wall_clock", lambda: 0.0)
        boot(host)
    assert names(read_ledger(host)["quarantined"]) == ["v2"]
    assert "in-quarantine" in [found["code"] for found in host_inventory(host)["drift"]]
    accept(apply, ONE)
    assert "in-quarantine" not in [found["code"] for found in host_inventory(host)["drift"]]
