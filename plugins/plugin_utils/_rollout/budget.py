# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The failure budget of a rollout."""

from __future__ import annotations

import math
import typing as t
from fractions import Fraction

from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import (
    bad_option,
    format_value,
    parse_share,
    parse_whole,
)

NAME = "failure_budget"


class Budget(t.NamedTuple):
    """The allowed failures over all waves: a number, or a share of the hosts with a build."""

    asked: str
    hosts: int = 0
    share: Fraction | None = None

    def allowed(self, covered: int) -> int:
        """The allowed failures for this number of hosts with a build; a share is rounded down."""
        return self.hosts if self.share is None else math.floor(self.share * covered)


def parse_budget(value: t.Any) -> Budget:
    """The budget in 3, "3" or "5%"; None is 0. Raises TaskError `bad-option`."""
    number = 0 if value is None else parse_whole(value)
    if number is not None and number >= 0:
        return Budget(str(number), number)
    share = parse_share(value)
    if share is None:
        raise bad_option(
            NAME, f"is {format_value(value)}", "give a number of hosts from 0, or a share of them from 0% to 100%")
    return Budget(share[0], share=share[1])


def is_breached(failed: int, allowed: int) -> bool:
    """Whether more hosts have failed than `Budget.allowed` says; as many as allowed is no breach."""
    return failed > allowed
