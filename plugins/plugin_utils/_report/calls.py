# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The part of a report about calls: how often the new code of each function was run during the trials."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

MOST_FUNCTIONS = 200  # in a page


class Calls(t.NamedTuple):
    """One function: the number of hosts with a count, the sum, the fewest on one host, and the other hosts.

    `never`: hosts that have counted, and no call. `unknown`: hosts that could not count.
    """

    function: str
    counted: int
    total: int
    fewest: int
    never: Sequence[str]
    unknown: Sequence[str]


def calls(record: Mapping[str, t.Any]) -> list[Calls]:
    """Each function whose calls were counted on a host; the least called come first."""
    found: dict[str, dict[str, int | None]] = {}
    for name, host in record["hosts"].items():
        for one in (host.get("watch") or {}).get("calls") or ():
            function = f"{one['object']}:{one['name']}" + (f",{one['sympos']}" if (one["sympos"] or 1) > 1 else "")
            found.setdefault(function, {})[name] = one["calls"]
    rows = [_row(function, hosts) for function, hosts in found.items()]
    return sorted(rows, key=lambda row: (row.total, row.function))[:MOST_FUNCTIONS]


def _row(function: str, hosts: Mapping[str, int | None]) -> Calls:
    counts = {name: count for name, count in hosts.items() if count is not None}
    return Calls(
        function, len(counts), sum(counts.values()), min(counts.values(), default=0),
        [name for name, count in counts.items() if count == 0], [name for name in hosts if name not in counts])
