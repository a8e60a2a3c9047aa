# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The waves of a rollout."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.shard import in_order
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    bad_option,
    format_value,
    parse_share,
    parse_whole,
    to_plain,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

NAME = "waves"
DEFAULT = ("canary", "10%", "50%", "100%")
CANARY = "canary"
ALL = "all"  # in livepatch_approve and livepatch_approved
_RIGHT = (
    "give canary, numbers of hosts from 1, growing shares up to 100%, and names of inventory groups, with commas "
    "between them")
_HOSTS = re.compile(r"0*([1-9][0-9]{0,8})(?: hosts?)?")
_PART = re.compile(r"(.+?) part 0*([1-9][0-9]{0,8})(?: of [0-9]+)?")
_MOST_NAMED = 5  # hosts in a message


class Entry(t.NamedTuple):
    """One entry of `livepatch_waves`; its `kind` says which of `hosts`, `share` and `group` it has."""

    kind: t.Literal["canary", "hosts", "share", "group"]
    text: str
    hosts: int = 0
    share: Fraction = Fraction(0)
    group: str = ""

    @property
    def title(self) -> str:
        if self.kind == "hosts":
            return number_of(self.hosts, "host")
        return {"canary": CANARY, "share": f"up to {self.text}", "group": f"group {self.group}"}[self.kind]


class Wave(t.NamedTuple):
    """A wave of a plan; `number` counts from 1, and `entry` is its entry in the plan.

    A wave that is cut is several waves: `part` of them counts from 1.
    """

    number: int
    hosts: list[str]
    entry: Entry
    part: int = 1
    parts: int = 1

    @property
    def title(self) -> str:
        return self.entry.title if self.parts == 1 else f"{self.entry.title} part {self.part} of {self.parts}"


def parse_waves(texts: Sequence[str]) -> tuple[Entry, ...]:
    """The entries out of their texts; a title is a text too, and `group canary` the only way to name such a group.

    Raises TaskError `bad-option`.
    """
    entries = tuple(_entry(text) for text in texts or DEFAULT)
    once = [(entry.kind, entry.group) for entry in entries if entry.kind in ("canary", "group")]
    for kind, group in once:
        if once.count((kind, group)) > 1:
            raise bad_option(
                NAME, f"has {group or CANARY} more than once", "give it once, since it adds all of its hosts")
    shares = [entry for entry in entries if entry.kind == "share"]
    for former, latter in pairwise(shares):
        if latter.share <= former.share:
            raise bad_option(
                NAME, f"has {latter.text} after {former.text}",
                "let the shares grow: each is a share of all hosts with a build and counts the earlier waves")
    return entries


def _entry(text: str) -> Entry:
    share = parse_share(text.removeprefix("up to "))
    if share and share[1] > 0:
        return Entry("share", share[0], share=share[1])
    number = _HOSTS.fullmatch(text)
    if number:
        return Entry("hosts", number[1], hosts=int(number[1]))
    if text == CANARY:
        return Entry("canary", CANARY)
    group = text.removeprefix("group ").strip()
    named = text.startswith("group ") and group
    if not named and (text[0] in "+-.0123456789" or any(letter.isspace() or letter == "%" for letter in text)):
        raise bad_option(NAME, f"has {format_value(text)} in it", _RIGHT)
    return Entry("group", f"group {group}" if named else text, group=group)


def wave_names(variable: str, names: Iterable[str], entries: Sequence[Entry]) -> tuple[str, ...]:
    """The waves that a user named: each `all`, a wave's number, the title of an entry, or that and `part 2`.

    An entry is named as in `livepatch_waves` or by its title; a bare number is that of a wave, not one of hosts.
    Raises TaskError `bad-option` for any other name: a misspelled name would start a wave without approval.
    """
    known = {
        text.lower(): entry.title for entry in entries for text in (entry.text, entry.title) if not text.isdecimal()}
    known[ALL] = ALL  # also if a wave is the group `all`, because both mean every host
    found = []
    for name in names:
        number = parse_whole(name)
        part = _PART.fullmatch(name.lower())
        if number is not None and number > 0:
            found.append(str(number))
        elif name.lower() in known:
            found.append(known[name.lower()])
        elif part and part[1] in known and known[part[1]] != ALL:
            found.append(f"{known[part[1]]} part {part[2]}")
        else:
            raise bad_option(
                variable, f"has {format_value(name)} in it, which names no wave",
                f"give numbers of waves from 1, or some of: {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def plan_waves(
        entries: Sequence[Entry], hosts: Mapping[str, Cohort], members: Callable[[str], Iterable[str] | None],
        groups: Collection[str] = (),
        cut: Callable[[list[str]], list[list[str]]] = lambda chosen: [chosen]) -> list[Wave]:
    """Every host with a build in exactly one wave; an entry without hosts makes no wave, see `plan_notes`.

    `hosts`: the hosts with a build and their cohorts. `members`: the hosts of a group, None for an unknown group.
    `groups`: the names of all groups, for the message. `cut`: the parts of the hosts of a wave, see `cut_hosts`.
    Raises TaskError `unknown-wave`, and `hosts-without-wave` when hosts are left after the last entry.
    """
    _check_groups(entries, members, groups)
    left = in_order(to_plain(host) for host in hosts)
    waves: list[Wave] = []
    for entry in entries:
        left = _add(waves, entry, cut, _choose_hosts(entry, left, hosts, members), left)
    if entries[-1].kind == "hosts":
        for start in range(0, len(left), entries[-1].hosts):
            _add(waves, entries[-1], cut, left[start:start + entries[-1].hosts], [])
        left = []
    if left:
        raise TaskError(
            "hosts-without-wave",
            f"livepatch_waves leaves {len(left)} of {number_of(len(hosts), 'host')} without a wave "
            f"({join_limited(left, _MOST_NAMED)}). End the list with 100%, or with a number, which is repeated.")
    return waves


def _check_groups(
        entries: Sequence[Entry], members: Callable[[str], Iterable[str] | None], groups: Collection[str]) -> None:
    for entry in entries:
        if entry.kind == "group" and members(entry.group) is None:
            near = difflib.get_close_matches(entry.group, dict.fromkeys([CANARY, *groups]))
            hint = f"Did you mean {' or '.join(near)}?" if near else "Correct it, or add the group to the inventory."
            raise TaskError(
                "unknown-wave",
                f"livepatch_waves has {format_value(entry.text)} in it, which is neither {CANARY} nor a number, a "
                f"share such as 10% or a group of the inventory. {hint}")


def _choose_hosts(
        entry: Entry, left: Sequence[str], hosts: Mapping[str, Cohort],
        members: Callable[[str], Iterable[str] | None]) -> list[str]:
    """The remaining hosts that an entry adds."""
    if entry.kind == "hosts":
        return list(left[:entry.hosts])
    if entry.kind == "share":
        placed, share = len(hosts) - len(left), entry.share * len(hosts)
        # Rounded down, but at least one host: else a small fleet would skip waves.
        return list(left[:max(int(share) - placed, 1)]) if placed < share else []
    if entry.kind == "group":
        wanted = set(members(entry.group) or ())
        return [host for host in left if host in wanted]
    firsts: dict[Cohort, str] = {}
    for host in left:
        firsts.setdefault(hosts[host], host)
    return list(firsts.values())


def _add(
        waves: list[Wave], entry: Entry, cut: Callable[[list[str]], list[list[str]]], chosen: list[str],
        left: list[str]) -> list[str]:
    """Make a wave of these hosts, or one of each part, if there are any; returns the remaining hosts."""
    if not chosen:
        return left
    parts = cut(chosen)
    waves += [Wave(len(waves) + part, hosts, entry, part, len(parts)) for part, hosts in enumerate(parts, 1)]
    if chosen == left[:len(chosen)]:
        return left[len(chosen):]
    placed = set(chosen)
    return [host for host in left if host not in placed]


def plan_notes(
        entries: Sequence[Entry], waves: Sequence[Wave],
        members: Callable[[str], Iterable[str] | None] = lambda _group: None) -> list[str]:
    """Notes about a plan: the entries without a wave, and why."""
    notes, late, made = [], [], 0
    for entry in entries:
        if made < len(waves) and waves[made].entry == entry:
            made += waves[made].parts
        elif made == len(waves):
            late.append(entry.title)
        elif entry.kind == "share":
            notes.append(f"No wave {entry.title}: the waves before it have as many hosts already.")
        else:
            notes.append(f"No wave {entry.title}: each of its hosts with a build already has a wave.")
    if late and waves:
        notes.append(f"No wave {', '.join(late)}: the waves before have all hosts already.")
    if any(entry.kind == "canary" for entry in entries) and members(CANARY) is not None:
        notes.append(
            f"The wave {CANARY} is one host of each cohort: to have the inventory's group of that name as a wave, "
            f"write 'group {CANARY}'.")
    return notes
