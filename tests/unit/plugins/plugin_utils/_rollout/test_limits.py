# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No wave has more hosts of a domain than its limit, and waves are cut into no more parts than that takes."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout import limits as module
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.limits import (
    Domain,
    Domains,
    Limit,
    cut_hosts,
    domains_of,
    parse_limits,
    reasons_for_parts,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.waves import (
    in_order,
    parse_waves,
    plan_notes,
    plan_waves,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import Values

RACK, ZONE = Limit("rack", "1", 1), Limit("zone", "25%", share=Fraction(1, 4))
KERNEL = Cohort("6.1.0-56-amd64", "x86_64")


def read(value):
    return parse_limits(Values({"livepatch_limits": value}))


@pytest.mark.parametrize("given", [
    {"rack": 1, "zone": "25%"}, {"rack": "1", " zone ": "25 %"}, {"rack": 1.0, "zone": "025%"},
    '{"rack": 1, "zone": "25%"}', "rack: 1, zone: 25%", "rack:1,zone:25%,", " rack: 1\r\nzone: 25%\n"])
def test_limits_are_a_dict_or_its_text(given):
    assert read(given) == (RACK, ZONE)


@pytest.mark.parametrize("given", [None, "", {}, "{}", " "])
def test_no_limits(given):
    assert read(given) == ()


@pytest.mark.parametrize(("given", "sentence"), [
    ({"rack": 0}, "has 0 for rack. Give each variable a number of hosts from 1, or a share above 0% and up to"),
    ({"rack": "0%"}, "has '0%' for rack"), ({"rack": "101%"}, "has '101%' for rack"), ({"rack": 0.5}, "has 0.5 for"),
    ({"rack": None}, "has None for rack"), ({"rack": [1]}, "has [1] for rack"), ({"rack": True}, "has True for rack"),
    ({" ": 1}, "has the variable ''"), ({"a\x1b": 1}, "has the variable 'a\\x1b'"), ({1: 1}, "is {1: 1}. Give a dict"),
    (["rack"], "is ['rack']. Give a dict"), (3, "is 3. Give a dict"), ("rack", "is 'rack'. Give a dict"),
    ("rack: 1, rack: 2", "is 'rack: 1, rack: 2'. Give a dict"), (": 1", "is ': 1'"), ("rack:", "is 'rack:'"),
    ("{rack: 1}", "begins with { and is no JSON"),
])
def test_what_is_no_limit_is_refused(given, sentence):
    with pytest.raises(TaskError) as caught:
        read(given)
    assert caught.value.code == "bad-option" and f"livepatch_limits {sentence}" in caught.value.message


@pytest.mark.parametrize(("value", "domains"), [
    ("r1", ["r1"]), (" r1 ", ["r1"]), (7, ["7"]), ("7", ["7"]), (1.5, ["1.5"]), (True, ["true"]),
    (["a", "b", "a"], ["a", "b"]), ([7, None, ""], ["7"]), ("x" * 300, ["x" * 197 + "..."]), ("a\x1b", ["a?"])])
def test_a_value_is_a_text_a_number_or_a_list_of_them(value, domains):
    found = domains_of([RACK], ["web1"], {"web1": {"rack": value}}, "refuse")
    assert found.of_host == {"web1": tuple(Domain("rack", one) for one in domains)}


def test_a_domain_can_be_a_fact_and_a_part_of_a_dict():
    variables = {"place": {"rack": "r1"}, "ansible_facts": {"virtualization_role": "guest"}}
    limits = [Limit("place.rack", "1", 1), Limit("ansible_virtualization_role", "1", 1)]
    assert [domain.value for domain in domains_of(limits, ["a"], {"a": variables}, "refuse").of_host["a"]] == [
        "r1", "guest"]


@pytest.mark.parametrize("value", [{"a": 1}, ["a", {"b": 1}], [["a"]]])
def test_what_cannot_be_a_domain_is_refused_by_the_name_of_its_host(value):
    with pytest.raises(TaskError, match=r"rack of web1 is .*, which cannot be a domain. Give it a") as caught:
        domains_of([RACK], ["web1"], {"web1": {"rack": value}}, "one_domain")
    assert caught.value.code == "bad-domain"


@pytest.mark.parametrize("value", [None, "", " ", [], [None]])
def test_hosts_without_the_variable_are_refused_or_one_domain(value):
    hostvars = {"web1": {"rack": "r1"}, "web2": {"rack": value}, "web3": {}}
    with pytest.raises(TaskError) as caught:
        domains_of([RACK], [*hostvars, "web4"], hostvars, "refuse")
    assert (caught.value.code, caught.value.message) == (
        "no-domain",
        "livepatch_limits has rack, and 3 of 4 hosts have no such variable (web2, web3, web4). Set it on each of them, "
        "or set livepatch_without_domain to one_domain to count them as one domain.")
    found = domains_of([RACK], hostvars, hostvars, "one_domain")
    assert found.of_host["web2"] == found.of_host["web3"] == (Domain("rack", None),)
    assert str(Domain("rack", None)) == "without rack"


@pytest.mark.parametrize(("text", "hosts", "most"), [
    ("25%", 40, 10), ("25%", 7, 1), ("25%", 3, 1), ("25%", 1, 1), ("100%", 9, 9), ("29%", 100, 29)])
def test_a_share_is_of_the_hosts_of_that_value_and_at_least_one(text, hosts, most):
    names = [f"web{number}" for number in range(hosts)]
    hostvars = {**{name: {"zone": "a"} for name in names}, "other": {"zone": "b"}}
    assert domains_of(read({"zone": text}), [*names, "other"], hostvars, "refuse").most == {
        Domain("zone", "a"): most, Domain("zone", "b"): 1}


def fleet(seed):
    """A random fleet: its limits, its domains, its waves and the most hosts of a wave."""
    chance = random.Random(seed)
    hosts = [f"host{number}" for number in range(chance.randint(1, 120))]
    names = ["rack", "zone", "cluster"][:chance.randint(0, 3)]
    hostvars = {}
    for host in hosts:
        hostvars[host] = {name: f"v{int(chance.paretovariate(0.7)) % 30}" for name in names if chance.random() < 0.9}
        if "cluster" in hostvars[host] and chance.random() < 0.3:
            hostvars[host]["cluster"] = [f"v{chance.randint(0, 5)}" for _time in range(chance.randint(1, 3))]
    limits = read({name: chance.choice([1, 2, 5, "10%", "50%", "100%"]) for name in names})
    groups = {"some": chance.sample(hosts, chance.randint(0, len(hosts)))}
    entries = parse_waves(chance.choice([
        [], ["canary", "5"], ["some", "canary", "100%"], ["1", "20%", "some", "100%"], ["100%"], ["7"]]))
    cohorts = {host: KERNEL._replace(arch=chance.choice("abc")) for host in hosts}
    largest = chance.choice([None, 1, 3, 10, 1000])
    return limits, domains_of(limits, hosts, hostvars, "one_domain"), cohorts, entries, groups, largest


def counted(hosts, domains):
    return Counter(domain for host in hosts for domain in domains.of_host[host])


@pytest.mark.parametrize("seed", range(300))
def test_of_every_fleet(seed):
    limits, domains, cohorts, entries, groups, largest = fleet(seed)
    whole = plan_waves(entries, cohorts, groups.get)
    waves = plan_waves(entries, cohorts, groups.get, (), lambda hosts: cut_hosts(hosts, domains, largest))
    assert sorted(host for wave in waves for host in wave.hosts) == sorted(cohorts)
    for wave in waves:
        assert wave.hosts and len(wave.hosts) <= (largest or len(cohorts))
        assert all(count <= domains.most[domain] for domain, count in counted(wave.hosts, domains).items())
    assert [wave.number for wave in waves] == list(range(1, len(waves) + 1))
    left = list(waves)
    for uncut in whole:
        parts, left = left[:left[0].parts], left[left[0].parts:]
        assert {wave.entry for wave in parts} == {uncut.entry}
        assert [wave.part for wave in parts] == list(range(1, len(parts) + 1))
        assert sorted(host for wave in parts for host in wave.hosts) == sorted(uncut.hosts)
        bound_parts(uncut.hosts, len(parts), domains, largest)
        assert bool(reasons_for_parts(uncut.hosts, domains, limits, largest)) == (len(parts) > 1)
    assert left == []
    assert plan_notes(entries, waves, groups.get) == plan_notes(entries, whole, groups.get)
    again = plan_waves(entries, dict(reversed(cohorts.items())), groups.get, (), lambda hosts: cut_hosts(
        hosts, domains, largest))
    assert [wave.hosts for wave in again] == [wave.hosts for wave in waves]


def bound_parts(hosts, parts, domains, largest):
    """At least as many parts as the tightest limit takes, and at most as many as all limits one after the other."""
    counts = counted(hosts, domains)
    needs = [-(-count // domains.most[domain]) for domain, count in counts.items()]
    needs += [-(-len(hosts) // largest)] if largest else []
    assert parts >= max(needs, default=1)
    variables = {domain.variable for domain in counts}
    single = all(len(domains.of_host[host]) <= 1 for host in hosts)
    if single and len(variables) + bool(largest) <= 1:
        assert parts == max(needs, default=1)
    most = max((sum((counts[domain] - 1) // domains.most[domain] for domain in domains.of_host[host])
                for host in hosts), default=0)
    assert parts <= 1 + most + ((len(hosts) - 1) // largest if largest else 0)


def test_a_host_keeps_its_place_when_a_later_one_goes():
    hosts = in_order(f"web{number}" for number in range(60))
    domains = Domains({host: (Domain("rack", str(int(host[3:]) % 7)),) for host in hosts}, dict.fromkeys(
        (Domain("rack", str(number)) for number in range(7)), 2))
    places = {host: place for place, part in enumerate(cut_hosts(hosts, domains)) for host in part}
    assert places == {**places, **{
        host: place for place, part in enumerate(cut_hosts(hosts[:40], domains)) for host in part}}


@pytest.mark.parametrize("largest", [None, 50])
def test_the_steps_grow_as_the_fleet(monkeypatch, largest):
    """A rack with a limit of 1 and 2,000 hosts is 2,000 parts: no host is tried in each of them."""
    steps = Counter()

    class Counted(dict):
        def __contains__(self, part):
            steps["seen"] += 1
            return super().__contains__(part)

    class Rooms(module._Rooms):
        def __init__(self, most):
            super().__init__(most)
            self._after = Counted()
    monkeypatch.setattr(module, "_Rooms", Rooms)
    domain, hosts = Domain("rack", "r1"), [f"web{number}" for number in range(2000)]
    assert len(cut_hosts(hosts, Domains(dict.fromkeys(hosts, (domain,)), {domain: 1}), largest)) == 2000
    assert 0 < steps["seen"] <= 12 * len(hosts)


def test_the_reasons_name_the_limits_that_cut_and_the_fullest_domains():
    racks = {f"web{number}": (Domain("rack", f"r{min(number // 4, 3)}"), Domain("zone", "a")) for number in range(20)}
    most = {Domain("zone", "a"): 30, **{Domain("rack", f"r{number}"): 1 for number in range(4)}}
    limits = [RACK, Limit("zone", "30", 30)]
    assert reasons_for_parts(racks, Domains(racks, most), limits, 5) == (
        "1 of each rack at once (rack r3 has 8 hosts, rack r0 has 4 hosts and 2 more), 5 hosts at once, for the "
        "longest trial")
    assert reasons_for_parts(list(racks)[::4][:3], Domains(racks, most), limits, 5) == ""
