# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host is in which wave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import (
    in_order,
    parse_waves,
    plan_notes,
    plan_waves,
    wave_names,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError

OLD, NEW = Cohort("6.1.0-56-amd64", "x86_64"), Cohort("6.12.57+deb13-amd64", "x86_64")
FORTY = {f"web{number}": OLD if number < 30 else NEW for number in range(40)}
FIVE = {f"web{number}": OLD for number in range(5)}
GROUPS = {"staging": ["web3", "web4", "web38", "away"], "empty": [], "away": ["away"], "canary": ["web7"]}


def plan(waves, hosts, groups=None):
    groups = GROUPS if groups is None else groups
    return plan_waves(parse_waves(waves), hosts, groups.get, groups)


def sizes(waves, hosts):
    return [(wave.title, len(wave.hosts)) for wave in plan(waves, hosts)]


@pytest.mark.parametrize(("waves", "hosts", "planned"), [
    ([], FORTY, [("canary", 2), ("up to 10%", 2), ("up to 50%", 16), ("up to 100%", 20)]),
    (["canary", "5"], FORTY, [("canary", 2), *[("5 hosts", 5)] * 7, ("5 hosts", 3)]),
    (["1", "15 hosts", "100%"], FORTY, [("1 host", 1), ("15 hosts", 15), ("up to 100%", 24)]),
    (["staging", "canary", "up to 100%"], FORTY, [("group staging", 3), ("canary", 2), ("up to 100%", 35)]),
    (["group canary", "100%"], FORTY, [("group canary", 1), ("up to 100%", 39)]),
    (["12.5%", "100%"], FORTY, [("up to 12.5%", 5), ("up to 100%", 35)]),
    (["empty", "away", "100%"], FORTY, [("up to 100%", 40)]),
    # A share that is not reached adds a host; one that is reached adds none.
    ([], FIVE, [("canary", 1), ("up to 50%", 1), ("up to 100%", 3)]),
    (["10%", "20%", "30%", "100%"], FIVE, [("up to 10%", 1), ("up to 30%", 1), ("up to 100%", 3)]),
    ([], {"web0": OLD}, [("canary", 1)]),
    ([], {}, []),
])
def test_entries_make_waves(waves, hosts, planned):
    assert sizes(waves, hosts) == planned


def test_waves_are_counted_from_1_without_those_that_have_no_host():
    assert [wave.number for wave in plan(["empty", "canary", "10%", "100%"], FORTY)] == [1, 2, 3]


def test_the_canary_of_a_cohort_is_its_first_host_that_is_left():
    order = in_order(FORTY)
    first = {cohort: next(host for host in order if FORTY[host] == cohort) for cohort in (OLD, NEW)}
    assert sorted(plan([], FORTY)[0].hosts) == sorted(first.values())
    _first, canaries, _rest = plan(["1", "canary", "100%"], FORTY)
    left = order[1:]
    assert sorted(canaries.hosts) == sorted(
        next(host for host in left if FORTY[host] == cohort) for cohort in (OLD, NEW))


def test_neighbours_in_name_are_no_neighbours_in_order():
    order = in_order(f"web{number}" for number in range(10))
    # Pinned: hosts keep their places also from one release of the collection to the next.
    assert order == ["web2", "web6", "web0", "web1", "web7", "web3", "web8", "web9", "web4", "web5"]


@pytest.mark.parametrize("waves", [["canary"], ["canary", "50%"], ["5", "staging"], ["99.9%"]])
def test_no_host_is_left_over(waves):
    sentence = r"leaves \d+ of 40 hosts without a wave \((web\d+, )*web\d+( and \d+ more)?\)\. End the list with"
    with pytest.raises(TaskError, match=sentence) as caught:
        plan(waves, FORTY)
    assert caught.value.code == "hosts-without-wave"


@pytest.mark.parametrize(("waves", "sentence"), [
    (["stagin", "100%"], "'stagin' in it, .*. Did you mean staging?"),
    (["cannary", "100%"], "'cannary' in it, .*. Did you mean canary?"),
    (["100%", "production"], "'production' in it, .*. Correct it, or add the group to the inventory"),
])
def test_a_group_has_to_be_there(waves, sentence):
    with pytest.raises(TaskError, match=sentence) as caught:
        plan(waves, FORTY)
    assert caught.value.code == "unknown-wave"


@pytest.mark.parametrize(("waves", "sentence"), [
    (["0"], "'0' in it. Give canary, numbers of hosts from 1"), (["-5"], "'-5' in it"), (["+5"], "'\\+5' in it"),
    (["0%"], "'0%' in it"), (["101%"], "'101%' in it"), (["-10%"], "'-10%' in it"), (["1e3%"], "'1e3%' in it"),
    (["5s"], "'5s' in it"), (["canary 10% 50%"], "'canary 10% 50%' in it. .* with commas"), (["group "], "'group '"),
    (["٣"], None),  # a digit elsewhere, and so a group's name
    (["50%", "canary", "50%"], "50% after 50%. Let the shares grow"), (["50%", "10%"], "10% after 50%"),
    (["canary", "5", "canary"], "canary more than once"), (["staging", "group staging"], "staging more than once"),
])
def test_what_makes_no_sense_is_refused(waves, sentence):
    if sentence is None:
        assert parse_waves(waves)[0].kind == "group"
        return
    with pytest.raises(TaskError, match=sentence) as caught:
        parse_waves(waves)
    assert caught.value.code == "bad-option"
    assert caught.value.message.startswith("livepatch_waves has ")


def test_titles_say_the_same_as_entries():
    entries = parse_waves(["canary", "010%", "5", "1", "staging", "group canary", "100 %"])
    assert [entry.text for entry in entries] == ["canary", "10%", "5", "1", "staging", "group canary", "100%"]
    again = parse_waves([entry.title for entry in entries])
    assert [entry._replace(text="") for entry in again] == [entry._replace(text="") for entry in entries]


@pytest.mark.parametrize(("names", "found"), [
    ([], ()), (["all"], ("all",)), (["ALL", "2", "02"], ("all", "2")), (["Canary"], ("canary",)),
    (["10%"], ("up to 10%",)), (["up to 10%", "10%"], ("up to 10%",)), (["staging"], ("group staging",)),
    (["5"], ("5",)), (["5 hosts"], ("5 hosts",)),
])
def test_a_wave_has_a_number_and_names(names, found):
    assert wave_names("approve", names, parse_waves(["canary", "10%", "staging", "5"])) == found


@pytest.mark.parametrize("name", ["canray", "0", "-1", "50%", "yes", "group canary", "2.5"])
def test_a_name_of_no_wave_is_refused(name):
    with pytest.raises(TaskError, match=r"livepatch_approve has .* no wave. Give numbers .* of: canary, ") as caught:
        wave_names("approve", [name], parse_waves(["canary", "10%", "staging", "5"]))
    assert caught.value.code == "bad-option"


def test_all_are_all_waves_also_beside_the_group_all():
    assert wave_names("approve", ["all"], parse_waves(["1", "all"])) == ("all",)


def test_notes_tell_why_an_entry_makes_no_wave():
    groups = dict(GROUPS, all=list(FORTY))
    entries = parse_waves(["20", "10%", "away", "canary", "all", "50%", "5"])
    waves = plan_waves(entries, FORTY, groups.get)
    assert plan_notes(entries, waves, groups.get) == [
        "No wave up to 10%: the waves before it have as many hosts already.",
        "No wave group away: each of its hosts with a build already has a wave.",
        "No wave up to 50%, 5 hosts: the waves before have all hosts already.",
        "The wave canary is one host of each cohort: to have the inventory's group of that name as a wave, write "
        "'group canary'.",
    ]


def test_a_group_that_is_called_canary_matters_only_where_a_wave_is():
    one = {"web0": OLD}
    assert len(plan_notes(parse_waves(["canary"]), plan(["canary"], one), GROUPS.get)) == 1
    assert plan_notes(parse_waves(["1"]), plan(["1"], one), GROUPS.get) == []


def test_a_plan_without_surprises_has_no_notes():
    entries = parse_waves([])
    assert plan_notes(entries, plan_waves(entries, FORTY, {}.get), {}.get) == []
    assert plan_notes(entries, plan_waves(entries, {}, {}.get), {}.get) == []


FLEETS = st.dictionaries(
    st.text("abc0123456789", min_size=1, max_size=6), st.sampled_from([OLD, NEW, Cohort("5.10.0-36-arm64", "aarch64")]),
    max_size=60)
PLANS = st.lists(st.sampled_from(["canary", "1", "7", "10%", "33.3%", "60%", "group"]), max_size=5).map(
    lambda texts: sorted(dict.fromkeys(texts), key=lambda text: float(text.strip("%") if "%" in text else 0)))
ENDS = st.sampled_from(["100%", "1", "4"])


@given(FLEETS, PLANS, ENDS, st.data())
def test_every_host_is_in_one_wave_whatever_order_they_come_in(hosts, texts, end, data):
    group = data.draw(st.lists(st.sampled_from(sorted(hosts))) if hosts else st.just([]))
    entries = parse_waves([*texts, end])
    waves = plan_waves(entries, hosts, {"group": group}.get)
    assert sorted(host for wave in waves for host in wave.hosts) == sorted(hosts)
    assert all(wave.hosts for wave in waves)
    shuffled = {host: hosts[host] for host in data.draw(st.permutations(sorted(hosts)))}
    assert plan_waves(entries, shuffled, {"group": group[::-1]}.get) == waves


@given(FLEETS, PLANS, st.sampled_from([OLD, NEW]))
def test_a_new_host_moves_few_others(hosts, texts, cohort):
    entries = parse_waves([*(text for text in texts if text != "group"), "100%"])

    def places(fleet):
        return {host: wave.entry for wave in plan_waves(entries, fleet, {}.get) for host in wave.hosts}

    before, after = places(hosts), places({**hosts, "new": cohort})
    moved = [host for host in before if before[host] != after[host]]
    # It can take the place of a canary, and each wave can pass one host on to the next, or take one from it.
    assert len(moved) <= len(entries) + 1


@given(FLEETS)
def test_each_cohort_has_its_canary(hosts):
    waves = plan_waves(parse_waves([]), hosts, {}.get)
    assert not hosts or sorted(hosts[host] for host in waves[0].hosts) == sorted(set(hosts.values()))
