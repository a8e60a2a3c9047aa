# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The part of a status report about hosts that a run holds, or whose livepatch_after is due."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.holds import TIMES, TITLES, Hold, holds

MOST_HOLDS = 200  # in a page, of each kind


def holds_of(record: Mapping[str, t.Any]) -> list[tuple[str, str, Hold]]:
    """Each run that holds hosts: how, what its time is, and the run; leases first."""
    return [
        (TITLES[kind], TIMES[kind], hold) for kind in TITLES
        for hold in holds(kind, ((name, host.get(kind)) for name, host in record["hosts"].items()))[:MOST_HOLDS]]
