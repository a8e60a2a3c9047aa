# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An acceptance asks the host: on a simulated kernel, whose simulated trial process looks at it."""

import os

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._change import acceptance, trial_renewal
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import KEPT
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import HUNG_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger, write_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import WATCH
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    V1,
    accept,
    accepted,
    failure,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_child import Hang
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_guard import (
    SimulatedGuard,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import PID
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

WARNING = "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2"
CHECKED = {"health_checks": [{"command": "check", "name": "web", "timeout": 5}]}


@pytest.fixture
def host(kernel):
    kernel.put(BOOT_ID, "boot-1\n")
    return kernel


def keep(apply, **options):
    return apply(V1, state="accepted", fresh=True, **options)


def refusal(host, apply):
    """The code and the message of a refused acceptance; nothing is accepted, and the trial goes on."""
    error = failure(keep, apply)
    assert (accepted(host), bool(read_ledger(host)["trial"])) == ([], True)
    return error.code, error.message


def test_an_acceptance_returns_what_the_host_has_seen(host, apply):
    host.answer = lambda argv: (0, "ready" if argv[-1] == "ready" else "fine")
    assert apply(V1, trial=600, watch=CHECKED)["watch"] is None
    host.sleep(31)
    host.sleep(10)
    watch = keep(apply)["watch"]
    assert (watch["looks"] >= 2, watch["findings"]) == (True, [])
    assert "2026-11-21T09:16:53Z" < watch["first"] < watch["last"]
    assert [(one["name"], one["ok"] >= 2, one["failed"], one["message"]) for one in watch["health"]] == [
        ("web", True, 0, "It ended with status 0: fine")]


def test_an_acceptance_straight_after_the_load_waits_for_the_first_look(host, apply):
    loaded = apply(V1, trial=600)
    began = host.now()
    watch = keep(apply)["watch"]
    assert (watch["looks"], loaded["patch"]["state"], host.now() - began < 5) == (1, "enabled", True)


def test_from_absent_to_accepted_takes_few_seconds(host, apply):
    result = accept(apply, V1)
    assert (result["patch"]["state"], result["watch"]["looks"], host.now() < 5) == ("accepted", 1, True)


@pytest.mark.parametrize("state", ["accepted", "enabled"])
@pytest.mark.parametrize("first", ["the same call", "a person"])
def test_a_controller_that_asks_again_gets_the_same_verdict(host, apply, state, first):
    """The answer of its first call was lost, or a person at the console was quicker."""
    apply(V1, trial=600, watch=CHECKED)
    host.sleep(31)
    host.sleep(10)
    before = apply(V1 if first == "the same call" else None, name="v1", state=state, fresh=True)["watch"]
    again = apply(V1, state=state, fresh=True)
    assert (again["changed"], again["patch"]["state"], again["patch"]["previous_state"]) == (False, state, state)
    assert (before["looks"] > 1, again["watch"]) == (True, before)


def test_an_acceptance_that_only_repairs_returns_the_verdict_too(host, apply):
    SimulatedSystemd(host)
    apply(V1, trial=600)
    before = keep(apply)["watch"]
    os.unlink(host.path(KEPT))
    again = keep(apply)
    assert (again["changed"], again["watch"]) == (True, before)


def test_the_verdict_on_another_trial_is_not_returned(host, apply):
    apply(V1, trial=600)
    keep(apply)
    apply(name="v1", state="absent")
    apply(V1)  # without a trial
    assert [keep(apply)["watch"], keep(apply)["watch"]] == [None, None]


def test_without_a_trial_there_is_no_watch(host, apply):
    apply(V1)
    assert keep(apply)["watch"] is None


def test_a_trial_of_an_older_version_has_no_watch(host, apply):
    host.guard_looks = False
    apply(V1, trial=600)
    ledger = read_ledger(host)
    write_ledger(host, dict(ledger, trial={
        key: value for key, value in ledger["trial"].items() if key not in ("watch", "baseline")}))
    assert keep(apply)["watch"] is None
    assert accepted(host) == ["v1"]


def test_a_patch_that_nobody_has_looked_at_is_not_accepted(host, apply):
    host.guard_looks = False
    apply(V1, trial=600)
    code, message = refusal(host, apply)
    assert (code, "nothing was looked at since the load" in message) == ("watch-not-run", True)


@pytest.mark.parametrize("state, words", [
    ("T", "is stopped. Continue it with kill -CONT"), ("Z", "is missing. Renew the trial with state enabled")])
def test_a_patch_whose_process_is_stopped_or_killed_is_not_accepted(host, apply, state, words):
    apply(V1, trial=6000)
    host.sleep(20)
    for name in host.names("/proc"):
        if name.isdigit() and int(name) > 5000:
            stat = f"/proc/{name}/stat"
            host.put(stat, host.read(stat).replace(") S 1 0", f") {state} 1 0"))
    began = host.now()
    code, message = refusal(host, apply)
    assert (code, words in message) == ("watch-not-run", True)
    assert host.now() == began  # there is nothing to wait for


def test_a_process_that_systemd_starts_again_is_waited_for(host, apply):
    SimulatedSystemd(host)
    apply(V1, trial=6000)
    host.sleep(20)
    alive, stat = host.read(f"/proc/{PID}/stat"), f"/proc/{PID}/stat"
    host.put(stat, "")
    again = host.now() + 6
    host.at(again, lambda: host.put(stat, alive) or SimulatedGuard(host, PID).begin())
    keep(apply)
    assert (accepted(host), host.now() >= again) == (["v1"], True)


def test_a_patch_whose_process_hangs_is_not_accepted(host, apply):
    apply(V1, trial=6000)
    host.sleep(20)
    host._events.clear()  # it looks no more
    host.sleep(60)
    assert refusal(host, apply)[0] == "watch-not-run"
    host.sleep(HUNG_SECONDS)
    assert "is hung" in refusal(host, apply)[1]


def test_a_damaged_record_is_no_look_and_the_next_look_is_one(host, apply):
    apply(V1, trial=600)
    host.sleep(5)
    host.put(WATCH, "{")
    assert keep(apply)["watch"]["looks"] == 2


def test_a_warning_since_the_last_look_is_seen_by_the_acceptance_itself(host, apply, monkeypatch):
    apply(V1, trial=600)
    host.sleep(2)
    real = acceptance.open_transaction

    def late(*argv, **options):
        host.say(WARNING, priority=4)
        return real(*argv, **options)
    monkeypatch.setattr(acceptance, "open_transaction", late)
    error = failure(keep, apply)
    assert (error.code, accepted(host)) == ("watch-failed", [])
    assert error.details["watch"]["findings"][0]["code"] == "kernel-warning"
    assert "this host reverts. The kernel has logged warnings" in error.message


def test_a_taint_since_the_last_look_is_seen_by_the_acceptance_itself(host, apply, monkeypatch):
    host.put("/proc/sys/kernel/tainted", "0\n")
    apply(V1, trial=600)
    host.sleep(2)
    real = acceptance.open_transaction

    def late(*argv, **options):
        host.put("/proc/sys/kernel/tainted", "128\n")
        return real(*argv, **options)
    monkeypatch.setattr(acceptance, "open_transaction", late)
    error = failure(keep, apply)
    assert (error.code, accepted(host), error.details["watch"]["findings"][0]["code"]) == (
        "watch-failed", [], "new-taint")


def end_trial(apply, fresh=True):
    """End the trial with the patch enabled, as a rollout with livepatch_state=enabled does."""
    return apply(V1, state="enabled", fresh=fresh)


def test_a_rollout_that_ends_a_trial_asks_the_watch_too(host, apply):
    apply(V1, trial=600)
    result = end_trial(apply)
    assert (result["watch"]["looks"], result["patch"]["state"], read_ledger(host)["trial"]) == (1, "enabled", None)


def test_a_rollout_does_not_end_a_trial_whose_watch_did_not_run(host, apply):
    host.guard_looks = False
    apply(V1, trial=600)
    error = failure(end_trial, apply)
    assert (error.code, bool(read_ledger(host)["trial"])) == ("watch-not-run", True)
    end_trial(apply, fresh=False)  # a person decides
    assert read_ledger(host)["trial"] is None


def test_a_rollout_does_not_end_a_trial_with_a_warning_since_the_last_look(host, apply, monkeypatch):
    apply(V1, trial=600)
    host.sleep(2)
    real = trial_renewal.open_transaction

    def late(*argv, **options):
        host.say(WARNING, priority=4)
        return real(*argv, **options)
    monkeypatch.setattr(trial_renewal, "open_transaction", late)
    error = failure(end_trial, apply)
    assert (error.code, bool(read_ledger(host)["trial"])) == ("watch-failed", True)


def test_a_failed_watch_is_not_accepted_while_the_host_reverts(host, apply):
    host.answer = lambda argv: (int(argv[0] == "check"), "ready" if argv[-1] == "ready" else "bad")
    apply(V1, trial=600, watch=dict(CHECKED, failures=1))
    host.sleep(2)
    host.sleep(2)
    assert refusal(host, apply)[0] == "watch-failed"


def test_a_last_result_that_is_a_failure_is_waited_for(host, apply):
    results = [0, 1, 0]
    host.answer = lambda argv: (
        results.pop(0) if argv[0] == "check" and len(results) > 1 else 0, "ready" if argv[-1] == "ready" else "x")
    apply(V1, trial=600, watch=dict(CHECKED, failures=5))
    while len(results) > 1:
        host.sleep(1)
    watch = keep(apply)["watch"]
    assert (watch["health"][0]["failed"], watch["health"][0]["in_a_row"]) == (1, 0)


def test_a_check_that_fails_and_is_not_decided_is_not_accepted(host, apply):
    host.answer = lambda argv: (int(argv[0] == "check"), "ready" if argv[-1] == "ready" else "bad")
    apply(V1, trial=600, watch=dict(CHECKED, failures=100))
    code, message = refusal(host, apply)
    assert (code, message.endswith("It ended with status 1: bad")) == ("watch-undecided", True)


def test_a_check_without_a_result_is_waited_for_and_then_refused(host, apply):
    def answer(argv):
        if argv[0] == "check":
            raise Hang()
        return 0, "ready" if argv[-1] == "ready" else ""
    host.answer = answer
    apply(V1, trial=6000, watch={"health_checks": [{"command": "check", "timeout": 300}], "interval": 300})
    began = host.now()
    code = refusal(host, apply)[0]
    assert (code in ("watch-not-run", "watch-undecided"), host.now() - began >= 300) == (True, True)


def test_patch_info_and_patch_watch_tell_what_was_seen(host, apply):
    apply(V1, trial=600)
    assert host_inventory(host)["trial"]["watch"] is None
    host.sleep(2)
    assert host_inventory(host)["trial"]["watch"]["looks"] == 1
    host.say(WARNING, priority=4)
    host.sleep(11)
    told = watch_host(host, "v1", None, [], None, report_only=True)
    assert [found["code"] for found in told["findings"]] == ["kernel-warning"]
    assert told["watch"]["findings"] == told["findings"]


def test_a_record_of_another_trial_is_none(host, apply):
    apply(V1, trial=600)
    host.sleep(2)
    content = host.read(WATCH)
    apply(V1, state="absent")
    host.sleep(5)
    host.guard_looks = False
    apply(V1, trial=600)
    assert not os.path.exists(host.path(WATCH))
    host.put(WATCH, content)
    assert host_inventory(host)["trial"]["watch"] is None
    assert refusal(host, apply)[0] == "watch-not-run"
