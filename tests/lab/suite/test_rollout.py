# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollout over a fleet of machines of two kernel releases, where something goes wrong or nothing does.

How each host ended is its own word: /proc/cmdline, sysfs, its ledger and its journal.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from fleet import ENABLED, NEW, NO_FTRACE, OLD, SMALL_WAVES, UNWELL
from fleet_runs import SHORT, assert_ends, failures, kill, states_of_waves
from guest import HOLD, RELEASE

PATCH = "cmdline_v1"
HELD = "holder_fix"
# Whether the check has failed once or twice by the end of the soak.
UNWELL_CODES = ("watch-failed", "watch-undecided")


def seconds_between(first, last):
    """The seconds from one time of a record to another."""
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def test_a_clean_rollout(fleet, runs, bundle, seen):
    src = bundle(PATCH)
    done = runs.rollout(src)
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    assert {told.version for told in fleet.tell().values()} == {"v1"}
    record = done.record
    assert (record["outcome"], record["ok"], record["failures"], record["breach"]) == ("complete", True, 0, None)
    assert [sorted(wave["hosts"]) for wave in record["waves"]] == [sorted(wave) for wave in fleet.waves()]
    for wave in record["waves"]:
        assert wave["state"] == "passed"
        assert seconds_between(wave["opened"], wave["loaded"]) >= 0
        # The hosts watch themselves: the controller looks at the acceptance only.
        assert [(look["well"], look["failed"]) for look in wave["looks"]] == [(len(wave["hosts"]), 0)]
        assert seconds_between(wave["loaded"], wave["closed"]) >= record["options"]["soak"]
    for name, host in record["hosts"].items():
        assert [(one["name"], one["state"]) for one in host["functions"]] == [("cmdline_proc_show", "patched")], name
        assert host["transition_seconds"] is not None and host["trial_ends"] is None
        assert [check["ok"] for check in host["health"]] == [True]
        assert host["watch"]["looks"] >= 1, name
    assert fleet.each(lambda guest: guest.guards()) == {name: [] for name in fleet.names}
    assert done.artifacts["livepatch_rollout"]["ok"] is True
    seen(f"rollout over {len(fleet.names)} hosts in 3 waves", "accepted everywhere; exit code 0", fleet.kernels)

    before = fleet.tell()
    again = runs.rollout(src)
    assert again.code == 0, again.output
    assert fleet.tell() == before  # the journals have no line more
    seen("the same rollout again", "changes nothing; exit code 0", fleet.kernels)


@pytest.mark.core
def test_a_canary_fails(fleet, runs, bundle, seen):
    first, second, last = fleet.waves()
    fleet.run(f"echo 1 >{UNWELL}", first[:1])
    ended = runs.rollout(bundle(PATCH))
    assert ended.code == 2, ended.output
    assert_ends(fleet, ended, PATCH, back=first, untouched=[*second, *last])
    (name, (code, step)), = failures(ended).items()
    assert (name, code in UNWELL_CODES, step) == (first[0], True, "accept"), ended.output
    assert (ended.record["outcome"], ended.record["breach"]["wave"]) == ("stopped", 1)
    assert states_of_waves(ended) == ["failed", "skipped", "skipped"]
    assert all(wave["opened"] is None and wave["looks"] == [] for wave in ended.record["waves"][1:])
    seen("the health check fails on a canary",
         "both canaries rolled back, no other host touched; exit code 2", fleet.kernels)


@pytest.mark.exhaustive
def test_a_canary_that_was_patched_by_hand(fleet, runs, bundle, seen):
    canary, _other = fleet.waves()[0]
    fleet.load_by_hand(PATCH, canary)
    done = runs.rollout(bundle(PATCH))
    assert done.code == 0, done.output
    assert_ends(fleet, done, PATCH, accepted=fleet.names)
    assert all(look["failed"] == 0 for wave in done.record["waves"] for look in wave["looks"])
    seen("a canary has the same build already, loaded by hand", "accepted with the others; exit code 0", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
def test_a_host_fails_while_another_is_cut_off_in_the_same_task(fleet, runs, bundle, seen):
    first, (fails, lost, *well), last = fleet.small_waves()
    fleet.cut_off_when_patched(PATCH, [lost])
    going = runs.start_rollout(bundle(PATCH), waves=SMALL_WAVES, trial=SHORT)
    fleet.wait_until_patched(PATCH, first)
    fleet.run(NO_FTRACE, [fails])
    ended = going.result()
    fleet.wait_until_back(PATCH, [lost])
    assert ended.code == 2, ended.output
    assert_ends(fleet, ended, PATCH, accepted=first, refused=[fails], unreachable=[lost], back=well, untouched=last)
    assert failures(ended) == {fails: ("ftrace-disabled", "load"), lost: ("host-unreachable", "load")}
    assert ended.record["breach"]["wave"] == 2 and sorted(ended.record["breach"]["failed"]) == sorted([fails, lost])
    assert states_of_waves(ended) == ["passed", "failed", "skipped"]
    seen("wave 2: a host fails while another is cut off in the same task",
         "the wave is rolled back, the unreachable host reverts; wave 3 not touched; exit code 2", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
def test_all_of_a_wave_is_lost(fleet, runs, bundle, seen):
    first, second, last = fleet.small_waves()
    fleet.cut_off_when_patched(PATCH, second)
    ended = runs.rollout(bundle(PATCH), waves=SMALL_WAVES, trial=SHORT)
    assert ended.code == 2, ended.output
    fleet.wait_until_back(PATCH, second)
    assert_ends(fleet, ended, PATCH, accepted=first, unreachable=second, untouched=last)
    assert failures(ended) == dict.fromkeys(second, ("host-unreachable", "load"))
    assert states_of_waves(ended) == ["passed", "failed", "skipped"]
    seen("wave 2: every host is cut off in the load",
         "each reverts at the end of its trial; wave 3 not touched; exit code 2", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
def test_a_health_check_fails_during_the_soak(fleet, runs, bundle, seen):
    first, second, last = fleet.small_waves()
    fleet.run(f"echo 3 >{UNWELL}", second[:1])
    going = runs.start_rollout(bundle(PATCH), waves=SMALL_WAVES, soak=120, looks=0)
    # By itself, with the second failure in a row, and not at the end of the soak.
    fleet.wait_until_patched(PATCH, second[:1])
    fleet[second[0]].wait_until_back(PATCH)  # over the shared connection: the load goes on over it
    assert not going.done()
    ended = going.result()
    assert ended.code == 2, ended.output
    assert_ends(fleet, ended, PATCH, accepted=first, back=second, untouched=last)
    assert failures(ended) == {second[0]: ("watch-failed", "accept")}
    seen("wave 2: a health check fails at its third run and later",
         "the host reverts by itself at once; then the wave is rolled back, wave 1 stays; exit code 2", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
def test_the_budget_is_breached_in_the_last_wave_and_everything_goes_back(fleet, runs, bundle, seen):
    first, second, last = fleet.small_waves()
    going = runs.start_rollout(bundle(PATCH), waves=SMALL_WAVES, failure_budget=1, on_breach="rollback_all")
    fleet.wait_until_patched(PATCH, first)
    fails = [second[0], last[0]]
    fleet.run(NO_FTRACE, fails)
    ended = going.result()
    assert ended.code == 2, ended.output
    assert_ends(fleet, ended, PATCH, refused=fails, back=set(fleet.names) - set(fails))
    assert failures(ended) == dict.fromkeys(fails, ("ftrace-disabled", "load"))
    breach = ended.record["breach"]
    assert (breach["wave"], breach["budget"], breach["action"]) == (3, 1, "rollback_all")
    assert states_of_waves(ended) == ["passed", "passed", "failed"]
    seen("one failure allowed, the second one in the last wave, rollback_all",
         "every host is rolled back, and the next boot loads nothing; exit code 2", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
@pytest.mark.parametrize("at_once", [pytest.param(False, id="later"), pytest.param(True, id="at once")])
def test_a_killed_controller_and_the_rollout_again_of_a_bundle_for_some_kernels(fleet, runs, bundle, seen, at_once):
    first, second, last = fleet.waves([OLD])
    src = bundle(PATCH, [OLD])
    process = runs.begin_rollout(src, soak=20, trial=SHORT)
    fleet.wait_until_watched(second)
    kill(process)
    killed = fleet.tell()
    assert {name: told.accepted for name, told in killed.items() if told.accepted} == {name: [PATCH] for name in first}
    assert {name: told.patches for name, told in killed.items() if told.patches} == {
        name: {PATCH: ENABLED} for name in [*first, *second]}
    assert {killed[name].changes for name in [*last, *fleet.of(NEW)]} == {0}
    if not at_once:
        fleet.wait_until_back(PATCH, second)
        assert {(told.version, told.accepted != []) for told in fleet.tell(second).values()} == {("", False)}
        seen("controller killed while wave 2 soaks", "wave 2 reverts automatically; wave 3 not touched", fleet.kernels)
    else:
        refused = runs.rollout(src)
        assert (refused.code, failures(refused)) == (2, dict.fromkeys(second, ("host-leased", "check")))
        assert fleet.tell(second) == {name: killed[name] for name in second}
    again = runs.rollout(src, take_lease=at_once)
    assert again.code == 0, again.output
    assert_ends(fleet, again, PATCH, accepted=fleet.of(OLD), no_build=fleet.of(NEW))
    assert fleet.tell(first) == {name: killed[name] for name in first}
    assert [patch["cves"] for patch in again.record["patches"]] == [["CVE-2026-12345"]]
    seen(f"the rollout again, {'at once' if at_once else 'after that'}; the bundle has no build for four hosts",
         "wave 1 is unchanged, the others are accepted, the four without a build not touched; exit code 0",
         fleet.kernels)


@pytest.mark.exhaustive
def test_a_stalled_host(fleet, runs, bundle, seen):
    first, second, last = fleet.small_waves()
    fleet.hold(second[:1])
    ended = runs.rollout(bundle(HELD), waves=SMALL_WAVES, transition_timeout=8)
    assert ended.code == 2, ended.output
    assert_ends(fleet, ended, HELD, accepted=first, refused=second[:1], back=second[1:], untouched=last)
    assert failures(ended) == {second[0]: ("transition-stalled", "load")}
    assert [task["comm"] for task in ended.record["hosts"][second[0]]["blockers"]] == ["lab_holder"]
    fleet.run(HOLD, first)
    fleet.each(lambda guest: guest.wait_for_thread("fixed"), first)
    fleet.run(RELEASE, fleet.names)
    seen("wave 2: a task holds the transition of a host",
         "reversed there, with the task's name; the wave is rolled back; exit code 2", fleet.kernels)


@pytest.mark.exhaustive
def test_a_host_whose_transition_ends_in_the_soak(fleet, runs, bundle, seen):
    _first, (waits, *others), _last = fleet.small_waves()
    fleet.hold([waits])
    going = runs.start_rollout(bundle(HELD), waves=SMALL_WAVES, transition_timeout=8, on_stall="wait", soak=20)
    fleet.wait_until_watched(others)
    fleet.wait_until_stalled([waits])
    assert fleet.tell([waits])[waits].patches == {HELD: "1 1"}
    fleet.run(RELEASE, [waits])
    ended = going.result()
    assert ended.code == 0, ended.output
    assert_ends(fleet, ended, HELD, accepted=fleet.names)
    assert f"1 waiting ({waits} for lab_holder" in ended.output
    seen("wave 2: a transition is held and released in the soak", "accepted everywhere; exit code 0", fleet.kernels)


@pytest.mark.one_kernel
@pytest.mark.exhaustive
def test_check_mode_shows_the_plan_and_changes_nothing(fleet, runs, bundle, seen):
    everything = "cat /proc/modules; find /var/lib /run/ansible /root 2>/dev/null | sort"
    before = fleet.run(everything, fleet.names)
    planned = runs.rollout(bundle(PATCH), "--check")
    assert planned.code == 0, planned.output
    assert fleet.run(everything, fleet.names) == before
    assert_ends(fleet, planned, PATCH, untouched=fleet.names)
    assert (planned.record["outcome"], planned.record["check_mode"]) == ("planned", True)
    assert [sorted(wave["hosts"]) for wave in planned.record["waves"]] == [sorted(wave) for wave in fleet.waves()]
    assert all(name in planned.output for name in fleet.names)
    seen("the rollout in check mode", "the plan; nothing changed on any host; exit code 0", fleet.kernels)


@pytest.mark.exhaustive
def test_a_host_crashes_during_the_soak(fleet, runs, bundle, seen):
    first, (crashes, *others), last = fleet.small_waves()
    boot_id = fleet[crashes].boot_id()
    going = runs.start_rollout(bundle(PATCH), waves=SMALL_WAVES, soak=20)
    fleet.wait_until_watched([crashes, *others])
    fleet[crashes].machine.reset()
    fleet[crashes].wait_for_new_boot(boot_id, 300)
    ended = going.result()
    assert ended.code == 2, ended.output
    told = fleet.tell()
    assert {name for name, one in told.items() if one.patches} == set(first)
    assert {told[name].changes for name in last} == {0}
    assert list(failures(ended)) == [crashes]
    assert ended.record["breach"]["wave"] == 2
    assert "quarantined" in fleet[crashes].read("/var/lib/kernel-livepatch/ledger.json")
    seen("wave 2: a host crashes in the soak",
         "it boots without the patch and quarantines it; the wave is rolled back; exit code 2", fleet.kernels)


def test_a_host_stands_still_during_the_load(fleet, runs, bundle, seen):
    stands, *others = fleet.names
    fleet.hold([stands])
    going = runs.start_rollout(bundle(HELD), waves="100%", failure_budget=1, transition_timeout=30)
    fleet.wait_until_patched(HELD, [stands])
    fleet[stands].machine.pause()  # its transition is held, so the load is not over
    ended = going.result()
    assert ended.code == 2, ended.output
    # Here ssh notices the dead connection (ServerAliveInterval), before the bound of the task is over.
    assert failures(ended) == {stands: ("host-unreachable", "load")}
    fleet[stands].machine.go_on()
    fleet.run(RELEASE, [stands])
    # Its trial would end by itself, but a trial is long where hosts may fail.
    # The rollout has its lease until then.
    back = runs.playbook("rollback", "--limit", stands, rollback_to="original", take_lease=True)
    assert back.code == 0, back.output
    assert_ends(fleet, ended, HELD, accepted=others, unreachable=[stands])
    seen("a machine is paused by its monitor during the load",
         "the others are accepted; it is rolled back after it continues; exit code 2", fleet.kernels)
