# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that watches itself: when it is damaged too, after a restart, in a new trial, and for whoever asks next."""

import os
from functools import partial

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._health.trial_watch import TrialWatch
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_info import host_inventory
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_watch import watch_host
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.history import history
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER, TRIAL_PROCESS, WATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import read_watch
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.last_resort import MARGIN_SECONDS
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils._persistence.test_lock import Holder
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation import damages
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    ONE,
    V2,
    accepted,
    failure,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.watched_trial import (
    CHANGE,
    CHECKED,
    TRIAL,
    WARNING,
    answers,
    assert_reverted,
    failed,
    prepare,
    run_trial,
    seconds,
)


@pytest.fixture
def host(host, apply):
    return prepare(host, apply)


@pytest.fixture
def trial(host, apply):
    """trial(at, event, watch): see run_trial."""
    return partial(run_trial, host, apply)


# When a rollback comes while the host reverts

def see_a_warning(host):
    """The watch fails, and its process is about to revert the host."""
    host.say(WARNING, priority=4)
    watch = TrialWatch(host)
    watch.follow(read_ledger(host)["trial"])
    watch.wait(5)
    watch.stop()
    assert read_watch(host, read_ledger(host)["trial"])["findings"]


STARTS = {"watch failed": see_a_warning, "time over": lambda host: host.sleep(TRIAL + 100)}


@pytest.mark.parametrize("start", STARTS)
def test_a_rollback_waits_for_a_host_that_reverts(host, interface, apply, start):
    loaded = apply(V2, trial=TRIAL)
    STARTS[start](host)
    host.at(host.now() + 20, lambda: end_trial(host))
    result = roll_back(host, loaded["transaction"], 90, "reverse")
    assert (result["changed"], result["removed"], result["target"]) == (False, [], ["v1"])
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["v1"], None)
    assert [one["action"] for one in history(host)["journal"][:2]] == ["trial", "patch"]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("damage", "least", "most"), [
    (lambda host: None, 90, 100), (lambda host: host.put(TRIAL_PROCESS, ""), 0, 10),
    (lambda host: host.put(LEDGER, "damaged"), 0, 10)])
def test_a_rollback_does_not_wait_for_ever(host, interface, apply, start, damage, least, most):
    loaded = apply(V2, trial=TRIAL)
    STARTS[start](host)
    host.at(host.now() + 2, lambda: damage(host))
    began = host.now()
    assert roll_back(host, loaded["transaction"], 90, "reverse")["changed"]
    assert stack(host, interface) == ["v1"] and least <= host.now() - began < most


def test_a_rollback_does_not_wait_for_a_host_that_is_well(host, interface, apply):
    loaded = apply(V2, trial=TRIAL, watch=CHECKED)
    began = host.now()
    assert roll_back(host, loaded["transaction"], 90, "reverse")["changed"]
    assert (stack(host, interface), host.now() - began < 10) == (["v1"], True)


# When the host is damaged too

def test_a_full_disk_keeps_no_host_from_reverting(host, interface, apply, monkeypatch):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    host.at(host.now() + 15, lambda: host.say(WARNING, priority=4))
    damages.full(host, "/var/lib/kernel-livepatch", monkeypatch)
    damages.full(host, "/run/kernel-livepatch", monkeypatch)
    host.at(host.now() + 200, monkeypatch.undo)  # the ledger can only be closed then
    end_trial(host)
    assert stack(host, interface) == ["v1"]
    assert any("The watch of v2 failed" in text for path, text in host.writes if path == "/dev/kmsg")


def test_a_lock_that_is_held_for_ever_keeps_no_host_from_reverting(host, interface, trial):
    """The last resort counts from the failure, not from the end of the trial."""
    holders, states = [], []

    def happens():
        holders.append(Holder(lambda: change_lock(host, CHANGE)))
        host.say(WARNING, priority=4)
        host.at(host.now() + MARGIN_SECONDS - 30, lambda: states.append(interface.state("v2")))
        host.at(host.now() + MARGIN_SECONDS + 60, lambda: states.append(interface.state("v2")))
        host.at(host.now() + MARGIN_SECONDS + 70, lambda: holders.pop().kill())
    trial(15, happens)
    assert states == ["enabled", "absent"]
    assert MARGIN_SECONDS + 100 < TRIAL
    assert (stack(host, interface), read_ledger(host)["trial"]) == (["v1"], None)
    assert len([text for path, text in host.writes if "As a last resort" in text]) == 1


def test_a_ledger_that_was_moved_away_keeps_no_host_from_reverting(host, interface, trial):
    def happens():
        os.unlink(host.path(LEDGER))
        host.say(WARNING, priority=4)
    trial(15, happens)
    assert (stack(host, interface), seconds(host) < 30) == (["v1"], True)
    assert failed(host) == [("kernel-warning", "WARN")]


@pytest.mark.parametrize("damage", [
    damages.empty, damages.garbage, damages.a_list, damages.deep, damages.numbers_for_texts, damages.texts_of_no_file,
    damages.a_directory, damages.a_pipe, damages.a_dangling_link, damages.of_another_user, damages.writable_by_others])
def test_a_damaged_record_is_begun_anew_and_forgets_no_warning(host, interface, apply, monkeypatch, damage):
    apply(V2, trial=TRIAL)
    host.say(WARNING, priority=4)
    host.put(WATCH, "{}")
    damage(host, WATCH, monkeypatch)
    host.began = host.now()
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=10)


def test_a_trial_that_is_over_is_watched_no_more(host, interface, apply):
    """The patch does not run any more because the trial has ended, though its transition is held."""
    apply(ONE, trial=60)
    host.hold(7, directions=("disabling",))
    host.at(host.now() + 400, lambda: host.let_go(7))
    end_trial(host)
    assert (stack(host, interface), failed(host), read_ledger(host)["trial"]) == (["v1"], None, None)
    assert [text for path, text in host.writes if path == "/dev/kmsg"] == []


# A process that is started again

class Killed(BaseException):
    """The process was killed."""


def killed(host, at):
    """Run the trial process until it is killed."""
    host.at(host.now() + at, lambda: damages.throw(Killed()))
    with pytest.raises(Killed):
        end_trial(host)


def test_a_process_that_is_started_again_goes_on_with_its_counts(host, interface, apply):
    apply(V2, trial=TRIAL, watch=CHECKED)
    answers(host, 0, 0, 0, 1)
    host.began = host.now()
    killed(host, 35)
    record = read_watch(host, read_ledger(host)["trial"])
    assert (record["looks"], record["health"][0]["ok"], record["health"][0]["in_a_row"]) == (4, 3, 1)
    end_trial(host)
    assert_reverted(host, interface, ("health-check-failed", "web"), before=50)
    known = read_ledger(host)["failed_watch"]
    assert (known["looks"], known["health"][0]["ok"], known["health"][0]["failed"]) == (5, 3, 2)


def test_what_the_kernel_says_while_no_process_runs_is_read_later(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    killed(host, 35)
    host.say(WARNING, priority=4)
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=50)


def test_a_process_that_was_killed_after_the_failure_still_reverts(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    holder = Holder(lambda: change_lock(host, CHANGE))
    host.at(host.now() + 5, lambda: host.say(WARNING, priority=4))
    killed(host, 35)
    holder.kill()
    end_trial(host)
    assert_reverted(host, interface, ("kernel-warning", "WARN"), before=50)


# A trial that begins again

def test_a_renewed_trial_has_a_new_watch(host, interface, apply):
    apply(V2, trial=TRIAL, watch=CHECKED)
    host.began = host.now()
    answers(host, 1)
    host.at(host.now() + 5, lambda: apply(V2, trial=TRIAL, watch={"failures": 1, "health_checks": [
        {"command": "other"}]}))
    host.at(host.now() + 4, lambda: answers(host, 0, 0, 0, 1))
    end_trial(host)
    assert_reverted(host, interface, ("health-check-failed", "other"), before=60)


def test_a_trial_whose_watch_has_failed_is_not_renewed(host, interface, apply):
    apply(V2, trial=TRIAL)
    host.began = host.now()
    errors = []

    def happens():
        host.say(WARNING, priority=4)
        host.sleep(0)
    host.at(host.now() + 5, happens)
    holder = Holder(lambda: change_lock(host, CHANGE))

    def renew():
        holder.kill()
        errors.append(failure(apply, V2, trial=TRIAL))
    host.at(host.now() + 10, renew)
    end_trial(host)
    assert [error.code for error in errors] == ["watch-failed"]
    assert_reverted(host, interface, ("kernel-warning", "WARN"))


# Whoever asks next

def test_a_patch_whose_watch_has_failed_is_not_accepted(host, interface, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    for fresh in (False, True):
        error = failure(apply, V2, state="accepted", fresh=fresh)
        assert (error.code, error.details["watch"]["findings"][0]["code"]) == ("watch-failed", "kernel-warning")
    for state in ("accepted", "enabled"):  # as a rollout asks
        assert failure(apply, V2, name="v2", state=state, fresh=True).code == "watch-failed"
    assert failure(apply, name="v2", state="accepted", fresh=True).code == "watch-failed"
    assert (stack(host, interface), accepted(host)) == (["v1"], ["v1"])
    told = watch_host(host, "v2", None, [], None, report_only=True)
    assert [found["code"] for found in told["findings"]] == ["patch-not-running", "watch-failed"]
    assert told["watch"]["findings"][0]["code"] == "kernel-warning"


def test_the_failure_is_told_after_a_reboot_too(host, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    reboot(host)
    assert host_inventory(host)["failed_watch"]["findings"][0]["code"] == "kernel-warning"
    assert failure(apply, V2, state="accepted").code == "watch-failed"


@pytest.mark.parametrize("state", ["absent", "disabled"])
def test_the_failure_is_forgotten_when_the_operator_says_so(host, apply, trial, state):
    trial(15, lambda: host.say(WARNING, priority=4))
    assert apply(name="v2", state=state)["changed"] is True
    assert (failed(host), host_inventory(host)["failed_watch"]) == (None, None)
    assert apply(name="v2", state=state)["changed"] is False


def test_the_failure_is_forgotten_with_the_next_load(host, apply, trial):
    trial(15, lambda: host.say(WARNING, priority=4))
    host.guard_looks = True
    apply(V2, trial=60)
    assert failed(host) is None
    assert apply(V2, state="accepted", fresh=True)["patch"]["state"] == "accepted"
