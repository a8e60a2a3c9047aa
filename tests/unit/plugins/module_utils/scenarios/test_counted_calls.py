# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trial with min_calls: whether the new code was ever run, on a simulated kernel with kprobe events."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.trial_watch import TrialWatch
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.call_probes import GROUP
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import watched_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    accepted,
    failure,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kprobes import (
    EVENTS,
    PROFILE,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_patch import (
    FUNCTION,
    SimulatedPatch,
)

OBJECTS = {"vmlinux": [FUNCTION, "meminfo_proc_show"], "target": ["three"]}  # target is not loaded
FIX = SimulatedPatch("fix", objects=OBJECTS)
COUNTED = {"min_calls": 3}


@pytest.fixture
def host(kernel):
    kernel.put(BOOT_ID, "boot-1\n")
    return kernel


def load(host, apply, watch="COUNTED", patch=FIX):
    result = apply(patch, trial=6000, watch=COUNTED if watch == "COUNTED" else watch)
    host.sleep(5)
    return result


def accept(apply, patch=FIX):
    return apply(patch, state="accepted", fresh=True)


def counts(verdict):
    return {(one["object"], one["name"], one["sympos"]): one["calls"] for one in verdict["calls"]}


def call_all(host, times=3):
    for function in (FUNCTION, "meminfo_proc_show"):
        host.kprobes.call(f"fix:{function}", times)


def test_a_patch_whose_functions_were_called_is_accepted_with_their_counts(host, apply):
    load(host, apply)
    call_all(host)
    host.kprobes.call(f"fix:{FUNCTION}", 4)
    verdict = accept(apply)["watch"]
    assert counts(verdict) == {
        ("vmlinux", FUNCTION, 1): 7, ("vmlinux", "meminfo_proc_show", 1): 3, ("target", "three", 1): 0}
    host.sleep(15)  # the process of the trial ends when it next reads the ledger
    assert (accepted(host), host.kprobes.defined()) == (["fix"], [])


def test_the_counts_are_shown_during_the_trial(host, apply):
    load(host, apply)
    call_all(host, 5)
    host.sleep(20)
    watch = host_inventory(host)["trial"]["watch"]
    assert counts(watch)["vmlinux", FUNCTION, 1] == 5


@pytest.mark.parametrize("called, words", [
    ((), f"{FUNCTION} was called 0 times during the trial, and min_calls is 3 (1 more in watch.calls)"),
    (((FUNCTION, 2), ("meminfo_proc_show", 9)), f"{FUNCTION} was called 2 times"),
    (((FUNCTION, 3), ("meminfo_proc_show", 1)), "meminfo_proc_show was called 1 time during"),
])
def test_a_patch_whose_functions_were_called_too_seldom_is_refused(host, apply, called, words):
    load(host, apply)
    for function, times in called:
        host.kprobes.call(f"fix:{function}", times)
    error = failure(accept, apply)
    assert (error.code, words in error.message) == ("too-few-calls", True), error.message
    assert (accepted(host), bool(read_ledger(host)["trial"])) == ([], True)
    assert counts(error.details["watch"])["vmlinux", FUNCTION, 1] == dict(called).get(FUNCTION, 0)


def test_an_acceptance_waits_a_little_for_calls(host, apply):
    load(host, apply)
    host.at(host.now() + 4, lambda: call_all(host))
    assert accept(apply)["patch"]["state"] == "accepted"


def test_a_function_of_a_loaded_module_must_be_called_too(host, apply):
    host.plain_module("target")
    load(host, apply)
    call_all(host)
    error = failure(accept, apply)
    assert (error.code, "three was called 0 times" in error.message) == ("too-few-calls", True)


def test_the_probe_is_on_the_new_code_and_no_conflict_for_another_patch(host, apply):
    patch = SimulatedPatch("fix")
    patch.description["objects"][0]["functions"][0]["new_symbol"] = "livepatch_cmdline_proc_show"
    load(host, apply, patch=patch)
    assert host.kprobes.armed() == ["fix:livepatch_cmdline_proc_show"]
    # As the kernel lists it: an ftrace-based kprobe in the patch's module.
    host.put("/sys/kernel/debug/kprobes/list", "ffffffffc0a00000  k  livepatch_cmdline_proc_show+0x0  fix [FTRACE]\n")
    host.kprobes.call("fix:livepatch_cmdline_proc_show", 3)
    assert accept(apply, patch)["watch"]["calls"][0]["calls"] == 3
    assert [found["code"] for found in apply(SimulatedPatch("next", replace=True), check_mode=True)["findings"]] == []


def test_without_min_calls_nothing_is_probed(host, apply):
    load(host, apply, watch={})
    assert (host.kprobes.defined(), accept(apply)["watch"]["calls"]) == ([], [])


# Where nothing can be counted

@pytest.mark.parametrize("path, content, words", [
    ("/sys/kernel/security/lockdown", "none integrity [confidentiality]", "locked down"),
    ("/sys/kernel/debug/kprobes/enabled", "0", "kprobes are switched off"),
    (EVENTS, None, "no kprobe events"),
    (PROFILE, None, "does not show its counts"),
    ("/proc/sys/kernel/perf_event_paranoid", None, "no perf events"),
])
def test_a_kernel_that_cannot_count_refuses_the_load(host, apply, path, content, words):
    if content is None:
        os.unlink(host.path(path))
    else:
        host.put(path, f"{content}\n")
    error = failure(load, host, apply)
    known = [found["message"] for found in error.details["findings"] if found["code"] == "calls-not-countable"]
    assert (len(known), words in known[0], host.loads) == (1, True, [])


@pytest.mark.parametrize("change, words", [
    (lambda described: described.update(opaque=True), "does not show its functions"),
    (lambda described: described["objects"][0]["functions"][0].update(new_symbol=None), "does not show the symbol of"),
    (lambda described: described["objects"][0]["functions"][0].update(new_symbol="a\n-:b"), "does not show the symbol"),
    (lambda described: described["objects"][0].update(
        functions=[{"name": f"f{number}", "sympos": 0} for number in range(501)]), "at most 500 can be counted"),
])
def test_a_file_that_does_not_show_its_code_is_refused(host, apply, change, words):
    patch = SimulatedPatch("fix")
    change(patch.description)
    error = failure(apply, patch, trial=600, watch=COUNTED, ignore_findings=[])
    known = [found for found in error.details["findings"] if found["code"] == "calls-not-countable"]
    assert (len(known), words in known[0]["message"], host.loads) == (1, True, [])


def test_a_trial_is_not_renewed_with_min_calls_where_nothing_can_be_counted(host, apply):
    load(host, apply, watch={})
    host.put("/sys/kernel/debug/kprobes/enabled", "0\n")
    assert failure(load, host, apply).code == "calls-not-countable"
    assert read_ledger(host)["trial"]["watch"]["min_calls"] == 0


def test_a_probe_that_the_kernel_refuses_is_told_and_nothing_is_accepted(host, apply):
    host.kprobes.refused = ("meminfo_proc_show",)
    load(host, apply)
    call_all(host)
    error = failure(accept, apply)
    assert error.code == "calls-not-counted"
    assert "the kernel refuses a probe: Invalid argument" in error.message
    assert counts(error.details["watch"]) == {
        ("vmlinux", FUNCTION, 1): 3, ("vmlinux", "meminfo_proc_show", 1): None, ("target", "three", 1): 0}


MANY = [f"f{number}" for number in range(110)]


@pytest.mark.parametrize("what, code", [
    (lambda host: watched_trial.answers(host, 1), "health-check-failed"),
    (lambda host: host.say(watched_trial.WARNING, priority=4), "kernel-warning"),
    (lambda host: host.put(watched_trial.TAINTED, "4224\n"), "new-taint"),
])
def test_a_host_reverts_however_many_functions_have_no_count(host, apply, what, code):
    patch = SimulatedPatch("fix", objects={"vmlinux": [FUNCTION], "later": MANY})
    host.kprobes.refused = MANY
    host.guard_looks = False
    host.put(watched_trial.TAINTED, "4096\n")
    watched_trial.answers(host, 0)
    apply(patch, trial=600, watch=dict(COUNTED, **watched_trial.CHECKED))
    began = host.now()
    host.at(began + 30, lambda: what(host))
    assert end_trial(host).startswith("The watch of fix failed, so this host reverts. ")
    findings = read_ledger(host)["failed_watch"]["findings"]
    assert (findings[0]["code"], findings[1]["code"], host.now() - began < 60) == (code, "calls-not-counted", True)


# Nothing of it stays

def test_a_patch_that_is_removed_leaves_no_probe(host, apply):
    load(host, apply)
    assert len(host.kprobes.defined()) == 3
    apply(name="fix", state="absent")
    host.sleep(30)
    assert (host.kprobes.defined(), host.kprobes.armed()) == ([], [])


def test_the_probes_are_gone_before_a_trial_s_end_disables_the_patch(host, apply, monkeypatch):
    host.guard_looks = False
    apply(FIX, trial=60, watch=COUNTED)
    seen = []
    real = host._write_enabled
    monkeypatch.setattr(host, "_write_enabled", lambda *told: seen.append(host.kprobes.defined()) or real(*told))
    host.at(host.now() + 30, lambda: seen.append(len(host.kprobes.armed())))
    end_trial(host)
    assert seen == [3, []]


def leave_events(host):
    """A killed process has left an event of this collection, and somebody else has one too."""
    host.kprobes.write(f"p:{GROUP}/klp_old_0 fix:old")
    host.kprobes.write("p:kprobes/mine fix:mine")


def test_what_a_killed_process_has_left_goes_with_the_trial(host, apply):
    host.guard_looks = False
    load(host, apply)
    leave_events(host)
    apply(name="fix", state="absent")
    assert host.kprobes.defined() == ["kprobes/mine"]


def test_what_a_killed_process_has_left_is_removed_before_the_next_trial(host, apply):
    host.plain_module("fix")
    leave_events(host)
    host.delete_module("fix")
    load(host, apply, watch={})
    assert host.kprobes.defined() == ["kprobes/mine"]


def test_a_process_that_is_started_again_goes_on_counting(host, apply):
    host.guard_looks = False
    load(host, apply)
    for _process in range(2):
        watch = TrialWatch(host)
        watch.follow(read_ledger(host)["trial"])
        watch.wait(20)
        assert len(host.kprobes.armed()) == 3
        call_all(host, 4)
        host.kprobes.kill_holder()
        assert host.kprobes.armed() == []
    watch.wait(20)
    assert counts(watch.verdict())["vmlinux", FUNCTION, 1] == 8


def test_a_trial_of_an_older_version_counts_nothing(host, apply):
    load(host, apply, watch={})
    ledger = read_ledger(host)
    older = {key: value for key, value in ledger["trial"]["watch"].items() if key not in ("min_calls", "functions")}
    write_ledger(host, dict(ledger, trial=dict(ledger["trial"], watch=older)))
    assert accept(apply)["watch"]["calls"] == []
