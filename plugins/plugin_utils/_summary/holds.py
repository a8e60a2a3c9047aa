# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Hosts that are held: by the lease of a run, or by a livepatch_after that is due."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import text_from
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import LONGEST_NAME
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

# The time in each of them: a lease ends by itself, a mark does not.
TIMES = {"lease": "until", "hook": "since"}
TITLES = {"lease": "held by a run", "hook": "livepatch_after is due"}


class Hold(t.NamedTuple):
    """What holds some hosts: the run (None outside of one), who started it, the latest end or begin, and the hosts."""

    run: str | None
    who: str
    at: str
    hosts: Sequence[str]


def actor_of(who: t.Any) -> str:
    """Who changed a host, in words; `who` as modules return it."""
    actor = {key: who.get(key) for key in ("controller_user", "controller_node")} if isinstance(who, Mapping) else {}
    user, node = (
        text_from(actor.get(key) or "", LONGEST_NAME) for key in ("controller_user", "controller_node"))
    return f"{user or 'an unknown user'} on {node}" if node else user or "the host itself"


def read_hold(info: Mapping[str, t.Any], kind: str) -> dict[str, t.Any] | None:
    """The `lease` or the `hook` of a patch_info result: `run`, `who` in words, and the time. No value breaks this."""
    place = info.get(kind)
    if not isinstance(place, Mapping):
        return None
    run, time = place.get("run"), TIMES[kind]
    return {
        "run": None if run is None else text_from(run, LONGEST_NAME), "who": actor_of(place.get("who")),
        time: text_from(place.get(time) or "an unknown time", LONGEST_NAME)}


def holds(kind: str, hosts: Iterable[tuple[str, Mapping[str, t.Any] | None]]) -> list[Hold]:
    """The hosts of each run, given the lease or the hook of each host."""
    found: dict[tuple[str | None, str], list[tuple[str, str]]] = {}
    for host, held in hosts:
        if held:
            found.setdefault((held["run"], held["who"]), []).append((host, held[TIMES[kind]]))
    return [
        Hold(run, who, max(at for _host, at in members), [host for host, _at in members])
        for (run, who), members in found.items()]


def hold_lines(kind: str, entries: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """A line of a summary for each run; `entries` are those of a cohort, each with its host."""
    return [
        f"  {TITLES[kind]}: {join_hosts(hold.hosts)} ({hold.run or 'outside a run'}, by {hold.who}, "
        f"{TIMES[kind]} {hold.at})"
        for hold in holds(kind, ((entry["host"], entry) for entry in entries))]
