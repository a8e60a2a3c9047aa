# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards of one rollout: one plan, one canary wave, shares of one budget. Hosts, controllers and time are simulated."""

from __future__ import annotations

import errno
import json
import os
import random

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import Shard, in_order, parse_shard
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import shard_steps
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import shards as files
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation import (
    rollout_in_shards as simulation,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.rollout_of_simulated_hosts import (
    Rollout,
    checked,
)

TWELVE = [f"web{number}" for number in range(1, 13)]
ORDER = in_order(TWELVE)
WAVES = {"livepatch_waves": "canary, 50%, 100%"}
# In waves of 1, 5 and 6: the hosts of the second and of the third wave.
SECOND, THIRD = ORDER[1:6], ORDER[6:]


@pytest.fixture(autouse=True)
def _pause(monkeypatch):
    """Each look at the other shards hands over to another thread here."""
    monkeypatch.setattr(shard_steps, "PAUSE", 20)


@pytest.fixture
def patch(build_module):
    return build_module("source_simple", '-DNAME="fix"')


@pytest.fixture
def fleet(patch, tmp_path):
    """fleet({host: how it behaves}, of): a rollout in so many shards, that has not begun."""
    def begin(hosts=None, of=3, **more):
        hosts = hosts if hosts is not None and set(TWELVE) - set(hosts) == set(TWELVE) else {
            **{name: {} for name in TWELVE}, **(hosts or {})}
        return simulation.Fleet(hosts, of, tmp_path, patch, **{**WAVES, **more})
    return begin


def waves_of(record):
    return {name: host["wave"] for name, host in record["hosts"].items()}


def all_waves(records):
    return {name: wave for record in records.values() for name, wave in waves_of(record).items()}


def failed_controllers(records):
    return [number for number, record in records.items() if not record or not record["ok"]]


@pytest.mark.parametrize("of", [1, 2, 3, 5, 12])
def test_the_shards_have_the_waves_of_one_rollout_and_each_host_once(fleet, patch, tmp_path, of):
    run = fleet(of=of)
    records = run.run()
    (tmp_path / "alone").mkdir()
    alone = Rollout({name: {} for name in TWELVE}, tmp_path / "alone", patch, **WAVES).run()
    assert run.errors() == {} and failed_controllers(records) == []
    assert all_waves(records) == waves_of(alone)
    assert sorted(run.on("load")) == sorted(TWELVE) == sorted(run.on("check"))
    assert run.states() == dict.fromkeys(TWELVE, "accepted")
    assert [sum(len(record["waves"][place]["hosts"]) for record in records.values()) for place in range(3)] == [1, 5, 6]


def test_no_wave_starts_before_every_shard_has_passed_the_wave_before(fleet):
    run = fleet(of=4)
    run.run()
    changes = [host for step, host in run.log if step in ("load", "keep")]
    # Each wave is loaded and accepted as a whole before a host of the next one is loaded.
    assert [set(changes[:2]), set(changes[2:12]), set(changes[12:])] == [{ORDER[0]}, set(SECOND), set(THIRD)]


def test_the_plan_of_a_shard_says_what_is_its_share(fleet):
    run = fleet(of=4)
    run.run()
    said = {number: " ".join(shard.said) for number, shard in run.shards.items()}
    assert "Shard 2 of 4: 3 of 12 hosts with a build. Waves are those of all shards." in said[2]
    assert "wave 1 (canary), 0 hosts, its hosts are all in other shards" in said[2]
    assert f"wave 1 (canary), 1 host: {ORDER[0]}" in said[1]
    assert "shard 2 of 4 waits for shard 1 to end wave 1" in said[2]


def test_shards_start_at_different_times(fleet):
    run = fleet(of=3, late={2: 500.0, 3: 3000.0})
    assert failed_controllers(run.run()) == []
    assert run.clock.now >= simulation.BEGIN + 3000


@pytest.mark.parametrize(("action", "left"), [
    ("rollback_wave", [ORDER[0]]), ("rollback_all", []),
    ("hold", [ORDER[0], *(host for host in SECOND if host != SECOND[1])])])
def test_a_breach_in_one_shard_stops_all_in_the_same_way(fleet, action, left):
    run = fleet({SECOND[1]: {"load": "failed"}}, livepatch_on_breach=action)
    records = run.run()
    assert failed_controllers(records) == [1, 2, 3] and not set(run.on("load")) & set(THIRD)
    kept = [name for name, state in run.states().items() if state == "accepted"]
    breached = next(number for number, shard in run.shards.items() if SECOND[1] in shard.hosts)
    # With hold, hosts on trial in the shard itself are neither accepted nor rolled back.
    assert set(kept) <= set(left) and set(left) - set(kept) <= set(run.shards[breached].hosts)
    assert set(run.on("back")) == {
        "rollback_wave": set(SECOND) - {SECOND[1]}, "rollback_all": {ORDER[0], *SECOND} - {SECOND[1]},
        "hold": set()}[action]
    other = next(number for number in records if number != breached)
    assert f"Shard {breached} of 3 has stopped: Failure budget exceeded" in run.verdicts()[other]
    assert "in wave 2" in run.verdicts()[other]


def test_a_breach_in_the_last_wave_rolls_back_hosts_of_shards_that_have_nothing_left_to_do(fleet):
    run = fleet({THIRD[-1]: {"keep": "failed"}}, livepatch_soak=600)
    records = run.run()
    assert failed_controllers(records) == [1, 2, 3]
    assert set(run.on("back")) == set(THIRD)
    assert {run.states()[host] for host in THIRD} == {"rolled_back"}
    assert {run.states()[host] for host in [ORDER[0], *SECOND]} == {"accepted"}


def test_a_failure_before_the_first_wave_stops_all_before_it(fleet):
    run = fleet({ORDER[7]: {"check": "unreachable"}})
    assert failed_controllers(run.run()) == [1, 2, 3] and run.on("load") == []
    assert all("before it began" in verdict for verdict in run.verdicts().values())


def test_each_shard_has_its_share_of_the_budget(fleet):
    failing = {SECOND[0]: {"load": "failed"}, SECOND[1]: {"load": "failed"}, SECOND[2]: {"load": "failed"}}
    run = fleet(failing, livepatch_failure_budget=3)
    records = run.run()
    assert [record["options"]["budget"]["hosts"] for record in records.values()] == [1, 1, 1]
    assert sorted(run.on("load")) == sorted(TWELVE)  # one failure in each shard
    assert not any(record["breach"] for record in records.values())


@pytest.mark.parametrize(("allowed", "of"), [(0, 3), (1, 8), (7, 8), (8, 8), (100, 7), (12345, 1000)])
def test_the_shares_of_a_budget_add_up(allowed, of):
    shares = [files.share_of_budget(allowed, Shard(number, of)) for number in range(1, of + 1)]
    assert sum(shares) == allowed and max(shares) - min(shares) <= 1


def test_a_share_as_a_budget_counts_the_whole_fleet(fleet):
    records = fleet(livepatch_failure_budget="50%").run()
    assert [record["options"]["budget"] for record in records.values()] == [{"asked": "50%", "hosts": 2}] * 3


def test_a_missing_shard_stops_all_others_with_nothing_changed(fleet):
    run = fleet(absent=[2], livepatch_shard_timeout=50)
    run.run()
    assert {number: error.code for number, error in run.errors().items()} == dict.fromkeys([1, 3], "shard-missing")
    # The first one to give up says so to the other.
    assert "Shard 2 of 3 did not check the hosts in 50 s" in run.errors()[1].message
    assert run.on("load") == []


def test_without_a_timeout_of_its_own_a_shard_waits_an_hour(fleet):
    run = fleet(absent=[2])
    run.run()
    assert "in 3600 s" in run.errors()[1].message and run.clock.now < simulation.BEGIN + 3700


@pytest.mark.parametrize("step", ["load", "keep"])
def test_a_shard_that_dies_in_a_wave_lets_the_others_end_before_the_next_one(fleet, step):
    run = fleet(livepatch_shard_timeout=5000)
    dead = next(number for number, shard in run.shards.items() if SECOND[0] in shard.hosts and (
        ORDER[0] not in shard.hosts))
    run.shards[dead].dies_before = step
    records = run.run()
    others = [number for number in records if number != dead]
    assert all(records[number]["waves"][2]["waits_for"] == "shards" for number in others)
    assert f"Shard {dead} of 3 did not end wave 2 in 5000 s. Start all shards again" in run.verdicts()[others[0]]
    assert not set(run.on("load")) & set(THIRD) and run.on("back") == []
    assert failed_controllers(records) == [1, 2, 3]


def test_after_the_death_of_a_shard_a_new_run_goes_on(fleet, tmp_path):
    run = fleet(livepatch_shard_timeout=5000)
    run.shards[2].dies_before = "keep"
    run.run()
    done = {name: {"check": "accepted"} for name, state in run.states().items() if state == "accepted"}
    assert done
    again = fleet(done, livepatch_shard_dir=str(tmp_path / "again"))
    assert failed_controllers(again.run()) == [] and not set(again.on("load")) & set(done)


@pytest.mark.parametrize(("variables", "why"), [
    ({"livepatch_approve": "2"}, "waits for approval: no person is asked for one of several shards"),
    ({"livepatch_window": "hours: 14:00-14:14"}, "waits: livepatch_window is closed")])
def test_what_holds_up_one_shard_holds_up_all(fleet, variables, why):
    run = fleet(**variables)
    records = run.run()
    assert failed_controllers(records) == [1, 2, 3] and not set(run.on("load")) & {*SECOND, *THIRD}
    assert any(why in verdict for verdict in run.verdicts().values())


def test_a_shard_that_ends_says_so_and_the_others_do_not_wait_for_their_timeout(fleet):
    closed = {"livepatch_window": "hours: 14:00-14:14"}
    run = fleet(of=3, own=dict.fromkeys((1, 2, 3), closed))
    run.run()
    assert run.clock.now < simulation.BEGIN + 1000


def test_a_halt_file_stops_all_shards(fleet, tmp_path):
    halt = tmp_path / "halt"
    run = fleet(livepatch_halt_file=str(halt))
    ask = run.shards[1]._ask

    def halted(host, step):
        if step == "keep":
            halt.write_text("not today")
        ask(host, step)
    for shard in run.shards.values():
        shard._ask = halted if shard is run.shards[1] else shard._ask
    records = run.run()
    assert failed_controllers(records) == [1, 2, 3] and run.on("load") == [ORDER[0]]
    assert run.states()[ORDER[0]] == "accepted"
    assert all("not today" in verdict or "has ended" in verdict for verdict in run.verdicts().values())


def test_an_approved_wave_starts_in_all_shards(fleet):
    assert failed_controllers(fleet(livepatch_approve="2", livepatch_approved="2").run()) == []


def test_hosts_of_one_rack_are_never_on_trial_at_once_whatever_shard_they_are_in(fleet):
    racks = {name: {"variables": {"rack": f"r{number % 4}"}} for number, name in enumerate(TWELVE)}
    run = fleet(racks, livepatch_limits="rack: 1")
    assert failed_controllers(run.run()) == []
    on_trial, most = set(), 0
    for step, host in run.log:
        on_trial = on_trial | {host} if step == "load" else on_trial - {host} if step == "keep" else on_trial
        most = max(most, *(sum(racks[one]["variables"]["rack"] == f"r{rack}" for one in on_trial) for rack in range(4)))
    assert most == 1


def test_a_lost_host_of_another_shard_counts_against_the_limit(fleet):
    """Its trial goes on: the next wave of its rack waits, also in other shards."""
    racks = {name: {"variables": {"rack": "r1"}} for name in TWELVE}
    racks[ORDER[0]] = {**racks[ORDER[0]], "keep": "unreachable", "back": "unreachable"}
    run = fleet(racks, of=2, livepatch_limits="rack: 1", livepatch_failure_budget=2)
    records = run.run()
    assert sorted(run.on("load")) == sorted(TWELVE) and not any(record["breach"] for record in records.values())
    assert any(f"{ORDER[0]} of rack r1 may still be on trial" in line for line in run.shards[2].said)


def test_waves_are_cut_for_the_forks_of_each_shard(fleet):
    hosts = {f"host{number}": {} for number in range(40)}
    records = fleet(hosts, of=2, livepatch_waves="100%", livepatch_longest_trial=700).run()
    of_wave = [[len(record["waves"][place]["hosts"]) for record in records.values()]
               for place in range(len(records[1]["waves"]))]
    assert failed_controllers(records) == [] and len(of_wave) > 1
    assert all(max(sizes) <= 10 and abs(sizes[0] - sizes[1]) <= 1 for sizes in of_wave)


@pytest.mark.parametrize(("own", "what"), [
    ({"livepatch_failure_budget": "2"}, "livepatch_failure_budget is '2' in shard"),
    ({"livepatch_waves": "100%"}, "livepatch_waves is"), ({"livepatch_soak": 7}, "livepatch_soak is"),
    ({"fleet": {name: {} for name in [*TWELVE, "web13"]}}, "Start each shard with the same inventory"),
    ({"fleet": {name: {} for name in TWELVE[:11]}}, "web"),
    ({"fleet": {"db1": {}, "db2": {}, "db3": {}}}, "do not fit")])
def test_shards_of_different_runs_refuse_each_other(fleet, own, what):
    run = fleet(own={3: own})
    run.run()
    assert run.on("load") == [] and sorted(run.errors()) == [1, 2, 3]
    assert {error.code for error in run.errors().values()} <= {"shards-differ", "shard-missing"}
    assert any(what in error.message for error in run.errors().values())


def test_shards_with_other_patch_files_refuse_each_other(fleet, build_module):
    run = fleet(own={2: {"src": build_module("source_simple", '-DNAME="fix"', '-DVERMAGIC="6.1.0-9 SMP"')}})
    run.run()
    assert run.on("load") == [] and any("livepatch_src has other files" in str(one) for one in run.errors().values())


def test_shards_with_other_variables_of_hosts_refuse_each_other(fleet):
    racks = {name: {"variables": {"rack": f"r{number % 2}"}} for number, name in enumerate(TWELVE)}
    run = fleet(racks, livepatch_limits="rack: 1", own={2: {"fleet": {
        **racks, ORDER[5]: {"variables": {"rack": "r7"}}}}})
    run.run()
    assert run.on("load") == []
    assert any("has planned other waves" in str(error) for error in run.errors().values())


def test_a_directory_is_for_one_run(fleet):
    assert failed_controllers(fleet().run()) == []
    again = fleet()
    again.run()
    assert {error.code for error in again.errors().values()} == {"shard-dir-used"} and again.log == []


def test_a_refused_run_does_not_use_its_directory_up(fleet):
    wrong = fleet(livepatch_waves="nothing, 100%")
    wrong.run()
    assert {error.code for error in wrong.errors().values()} == {"unknown-wave"}
    assert failed_controllers(fleet().run()) == []


@pytest.mark.parametrize("make", [
    lambda path: (path.mkdir(), path.chmod(0o777)), lambda path: path.write_text("x"),
    lambda path: path.symlink_to(path.parent)])
def test_a_directory_of_others_is_refused(fleet, tmp_path, make):
    make(tmp_path / "shared")
    run = fleet()
    run.run()
    assert {error.code for error in run.errors().values()} == {"shard-dir-unusable"} and run.log == []


@pytest.mark.parametrize("content", [
    b"{", b"[]", b"null", b'{"schema": 2}', b"\xff", b"[" * 10000, b'{"schema": 1, "passed": "x"}',
    json.dumps({**files.NEW, "breach": {"wave": 1}}).encode()])
def test_a_damaged_file_of_a_shard_is_refused(fleet, tmp_path, content):
    (tmp_path / "shared").mkdir(mode=0o700)
    run = fleet(absent=[2])
    (tmp_path / "shared" / "shard-2-of-3.json").write_bytes(content)
    run.run()
    assert {error.code for error in run.errors().values()} == {"shard-file-damaged"} and run.on("load") == []


def test_a_file_of_a_shard_that_is_a_link_or_a_fifo_is_refused(fleet, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "shared" / "shard-2-of-3.json")
    run = fleet(absent=[2])
    run.run()
    assert {error.code for error in run.errors().values()} == {"shard-dir-unusable"}


def stale_reads(monkeypatch, fails):
    """Let reads of files of shards fail as on NFS, where another controller has replaced the opened file."""
    real, looks = files.read_regular, {}

    def read(path, most):
        looks[path] = looks.get(path, 0) + 1
        if fails(looks[path]):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return real(path, most)
    monkeypatch.setattr(files, "read_regular", read)


@pytest.mark.parametrize("fails", [lambda look: look % 2, lambda look: look % 10])
def test_a_file_that_is_replaced_while_it_is_read_is_read_again(fleet, monkeypatch, fails):
    stale_reads(monkeypatch, fails)
    run = fleet()
    assert failed_controllers(run.run()) == [] and run.states() == dict.fromkeys(TWELVE, "accepted")


def test_a_file_that_stays_stale_ends_the_shard(fleet, monkeypatch):
    stale_reads(monkeypatch, lambda look: True)
    run = fleet()
    run.run()
    assert "shard-dir-unusable" in {error.code for error in run.errors().values()} and run.on("load") == []


def test_texts_of_other_shards_are_shown_printable(fleet, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o700)
    (tmp_path / "shared" / "shard-2-of-3.json").write_text(json.dumps({**files.NEW, "ended": "\x1b[31mred"}))
    run = fleet(absent=[2])
    run.run()
    assert run.errors() and all(error.message.isprintable() for error in run.errors().values())


def test_files_of_shards_are_for_this_user_alone(fleet, tmp_path):
    fleet().run()
    shared = tmp_path / "shared"
    assert len(list(shared.iterdir())) == 6
    assert {oct(file.stat().st_mode & 0o777) for file in shared.iterdir()} == {"0o600"}
    assert oct(shared.stat().st_mode & 0o777) == "0o700"


def test_a_plan_in_check_mode_is_agreed_on_too_and_changes_nothing(fleet):
    run = fleet(check_mode=True)
    records = run.run()
    assert {record["outcome"] for record in records.values()} == {"planned"} and run.on("load") == []
    assert failed_controllers(records) == []


@pytest.mark.parametrize("given", ["0/8", "9/8", "2", "2/", "/8", "a/b", "1/1001", 2, ["2/8"], "-1/8", "1/8/1"])
def test_what_is_no_shard_is_refused(given):
    with pytest.raises(TaskError) as caught:
        parse_shard(Values({"livepatch_shard": given}))
    assert caught.value.code == "bad-option" and "livepatch_shard is" in caught.value.message


@pytest.mark.parametrize("given", [
    {"livepatch_shard": "1/2", "livepatch_shard_dir": ""}, {"livepatch_shard": "", "livepatch_shard_dir": "x"}])
def test_a_shard_and_its_directory_belong_together(fleet, given):
    run = fleet(of=2, own={1: given, 2: given})
    run.run()
    assert {error.code for error in run.errors().values()} == {"bad-option"}


@pytest.mark.parametrize("seed", range(6))
def test_any_fleet_has_the_waves_of_one_rollout(fleet, patch, tmp_path, seed):
    chance = random.Random(seed)
    answers = ["ok", "ok", "ok", "accepted", "no_build", checked(kernel_build_id="b7"), checked(kernel_build_id="b8")]
    hosts = {
        f"host{number}": {
            "check": chance.choice(answers), "kernel": chance.choice(["6.1.0-1-amd64", "6.12.1"]),
            "variables": {"rack": f"r{chance.randint(0, 3)}", "zone": chance.choice("ab")}}
        for number in range(chance.randint(8, 40))}
    options = {
        "livepatch_waves": chance.choice(["canary, 10%, 100%", "3", "canary, 25%, 5", "1, 50%, 100%"]),
        "livepatch_limits": chance.choice(["", "rack: 2", "zone: 50%, rack: 1"]),
        "livepatch_cohort_by": chance.choice(["", "zone"])}
    records = fleet(hosts, of=chance.randint(2, 5), **options).run()
    (tmp_path / "alone").mkdir()
    alone = Rollout(hosts, tmp_path / "alone", patch, **options).run()
    assert failed_controllers(records) == [] and alone["ok"]
    assert all_waves(records) == waves_of(alone)
