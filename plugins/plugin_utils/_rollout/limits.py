# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The limits of a rollout: how many hosts of one domain are on trial at once, and how waves are cut for that."""

from __future__ import annotations

import math
import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import LONGEST_VALUE, find_variable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
    parse_share,
    parse_whole,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts, number_of

NAME = "limits"
WITHOUT_DOMAIN = ("refuse", "one_domain")  # the first is the default
_RIGHT = "give each variable a number of hosts from 1, or a share above 0% and up to 100%, as in rack: 1, zone: 25%"
_MOST_DOMAINS = 2  # in a message


class Domain(t.NamedTuple):
    """Hosts with one value of a variable; the value is None for hosts without the variable."""

    variable: str
    value: str | None

    def __str__(self) -> str:
        return f"without {self.variable}" if self.value is None else f"{self.variable} {self.value}"


# Stands for the size of a wave: every host is in it.
WHOLE_WAVE = Domain("", None)


class Limit(t.NamedTuple):
    """How many hosts of each value of a variable can be on trial at once: a number, or a share of those in waves."""

    variable: str
    text: str
    hosts: int = 0
    share: Fraction | None = None

    def most(self, hosts: int) -> int:
        """The limit for a domain with this number of hosts: at least one, else they could never be patched."""
        return self.hosts if self.share is None else max(1, math.floor(self.share * hosts))


class Domains(t.NamedTuple):
    """The domains of each host, and how many hosts of each domain can be on trial at once."""

    of_host: dict[str, tuple[Domain, ...]]
    most: dict[Domain, int]


def parse_limits(values: Values) -> tuple[Limit, ...]:
    """The limits in a dict such as {rack: 1, zone: 25%}, or in its text. Raises TaskError `bad-option`."""
    return tuple(_limit(variable.strip(), value) for variable, value in values.pairs(NAME, ",").items())


def _limit(variable: str, value: t.Any) -> Limit:
    number, share = parse_whole(value), parse_share(value)
    if not variable or not variable.isprintable():
        raise bad_option(NAME, f"has the variable {format_value(variable)}", _RIGHT)
    if number is not None and number > 0:
        return Limit(variable, str(number), number)
    if share and share[1] > 0:
        return Limit(variable, share[0], share=share[1])
    raise bad_option(NAME, f"has {format_value(value)} for {variable}", _RIGHT)


def domains_of(
        limits: Sequence[Limit], hosts: Iterable[str], hostvars: Mapping[str, t.Any], without: str) -> Domains:
    """The domains of the hosts with a build. `without`: what to do with hosts without a variable, WITHOUT_DOMAIN.

    Raises TaskError `bad-domain` for a value that cannot be a domain, and `no-domain` for hosts without a variable.
    """
    of_host: dict[str, tuple[Domain, ...]] = dict.fromkeys(hosts, ())
    most: dict[Domain, int] = {}
    # Each host is read once: that is the slow part of a large fleet.
    read = {host: _values(limits, host, hostvars) for host in of_host} if limits else {}
    for place, limit in enumerate(limits):
        values = {host: found[place] for host, found in read.items()}
        absent = [host for host, found in values.items() if not found]
        if absent and without == "refuse":
            raise TaskError(
                "no-domain",
                f"livepatch_limits has {limit.variable}, and {len(absent)} of {number_of(len(values), 'host')} have no "
                f"such variable ({join_hosts(absent)}). Set it on each of them, or set livepatch_without_domain to "
                "one_domain to count them as one domain.")
        counts: Counter[Domain] = Counter()
        for host, found in values.items():
            domains = tuple(Domain(limit.variable, value) for value in found or (None,))
            of_host[host] += domains
            counts.update(domains)
        most.update({domain: limit.most(count) for domain, count in counts.items()})
    return Domains(of_host, most)


def _values(limits: Sequence[Limit], host: str, hostvars: Mapping[str, t.Any]) -> list[tuple[str, ...]]:
    """The values of each variable of a host; none for a missing one. Raises TaskError `bad-domain`."""
    known = host in hostvars
    variables = hostvars[host] if known else {}
    found = []
    for limit in limits:
        value = find_variable(limit.variable, variables)
        texts = [_text(one) for one in (value if isinstance(value, list) else [value])]
        if None in texts:
            raise TaskError(
                "bad-domain",
                f"{printable(limit.variable)} of {host} is {format_value(value)}, which cannot be a domain. Give it a "
                "text, a number, or a list of them.")
        found.append(tuple(dict.fromkeys(text for text in texts if text)))
    return found


def _text(value: t.Any) -> str | None:
    """A value as text, empty for none; None for what cannot be a domain."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    # "7" of an inventory in INI and 7 of one in YAML are one rack.
    return truncate(printable(str(value).strip()), LONGEST_VALUE) if isinstance(value, (str, int, float)) else None


def cut_hosts(
        hosts: Iterable[str], domains: Domains, largest: int | None = None,
        shard_of: Mapping[str, int] | None = None) -> list[list[str]]:
    """The hosts of a wave in parts in which no domain is over its limit, and with at most `largest` hosts.

    With the shard of each host, that is the most of each shard: the shards load their hosts beside each other.

    Each host is in the first part with room for all of its domains, so a host keeps its place from run to run. One
    limit makes as few parts as possible. Several make at most as many as they would one after the other.
    """
    rooms: dict[Domain, _Rooms] = {}
    parts: list[list[str]] = []
    whole = {number: Domain("", str(number)) for number in set((shard_of or {}).values())}
    for host in hosts:
        of_host = domains.of_host.get(host, ())
        if largest:
            of_host = (whole[shard_of[host]] if shard_of else WHOLE_WAVE, *of_host)
        mine = [rooms.setdefault(domain, _Rooms(domains.most.get(domain, largest or 1))) for domain in of_host]
        part = _first_part(mine)
        for room in mine:
            room.use(part)
        if part == len(parts):
            parts.append([])
        parts[part].append(host)
    return parts


class _Rooms:
    """The room for one domain in each part; full parts are passed over in few steps, however many there are."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: Counter[int] = Counter()
        self._after: dict[int, int] = {}  # for a full part, a later one

    def first(self, part: int) -> int:
        """The first part from this one on with room."""
        passed = []
        while part in self._after:
            passed.append(part)
            part = self._after[part]
        for full in passed:
            self._after[full] = part
        return part

    def use(self, part: int) -> None:
        self._used[part] += 1
        if self._used[part] == self._most:
            self._after[part] = part + 1


def _first_part(rooms: Sequence[_Rooms]) -> int:
    part = 0
    while True:
        later = max((room.first(part) for room in rooms), default=0)
        if later == part:
            return part
        part = later


def reasons_for_parts(hosts: Iterable[str], domains: Domains, limits: Sequence[Limit], largest: int | None) -> str:
    """Why a wave with these hosts is cut, for the plan."""
    hosts = list(hosts)
    counts = Counter(domain for host in hosts for domain in domains.of_host.get(host, ()))
    over = [domain for domain, count in counts.items() if count > domains.most[domain]]
    reasons = []
    for limit in limits:
        # The ones that need the most parts first.
        names = sorted(
            (domain for domain in over if domain.variable == limit.variable),
            key=lambda domain: (-math.ceil(counts[domain] / domains.most[domain]), str(domain)))
        if names:
            texts = [f"{domain} has {number_of(counts[domain], 'host')}" for domain in names]
            reasons.append(f"{limit.text} of each {limit.variable} at once ({join_limited(texts, _MOST_DOMAINS)})")
    if largest and len(hosts) > largest:
        reasons.append(f"{number_of(largest, 'host')} at once, for the longest trial")
    return ", ".join(reasons)
