# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The order of the hosts of a rollout, and the shards that share them: each is a run of its own."""

from __future__ import annotations

import hashlib
import re
import typing as t
from collections.abc import Iterable, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    Values,
    bad_option,
    format_value,
)

NAME = "shard"
MOST_SHARDS = 1000
_SHARD = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", re.ASCII)


class Shard(t.NamedTuple):
    """One of several runs that patch a fleet together; `number` counts from 1 to `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def others(self) -> list[int]:
        return [number for number in range(1, self.of + 1) if number != self.number]


def parse_shard(values: Values) -> Shard | None:
    """The shard in 2/8, None without one. Raises TaskError `bad-option`."""
    value = values.get(NAME)
    if value is None:
        return None
    found = _SHARD.fullmatch(value) if isinstance(value, str) else None
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(1, 0)
    if not shard.number <= shard.of <= MOST_SHARDS:
        raise bad_option(
            NAME, f"is {format_value(value)}",
            f"give the number of this shard and of all shards, such as 2/8, with at most {MOST_SHARDS} shards")
    return shard


def in_order(hosts: Iterable[str]) -> list[str]:
    """The hosts in the order of the waves: the same in each run, and independent of other hosts.

    Digests of the names give the order, because neighbours in a list often share a rack and a service.
    """
    return sorted(hosts, key=lambda host: (hashlib.sha256(host.encode("utf-8", "surrogatepass")).digest(), host))


def share_of(order: Sequence[str], shard: Shard) -> Sequence[str]:
    """The hosts of a shard, of all hosts in the order of the waves: so the shards have as much of each wave."""
    return order[shard.number - 1::shard.of]
