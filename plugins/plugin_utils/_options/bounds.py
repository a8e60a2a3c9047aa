# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""How long each task may wait for one host: a host that stands still must not stop the tasks of the others.

A bound is for the keyword `timeout` of the task. It is far above what a slow host needs. A host that exceeds it counts
as not answering, although it may still finish the task.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable, Mapping


class Wait(t.NamedTuple):
    """What a task waits for on one host.

    `base`: seconds to connect, to find Python and to run the module on a busy host. `transfers`: how often a patch file
    can be sent. `transitions`: how many transitions of the kernel can follow each other. `checks`: whether the health
    checks run. `reloads`: how often systemd reads its units again. `starts`: how many programs the host starts.
    """

    base: int
    transfers: int = 0
    transitions: int = 0
    checks: bool = False
    reloads: int = 0
    starts: int = 0


# What a host allows itself: an error of its own is better than its silence. A test compares these with module_utils.
RELOAD, START, VERDICT = 300, 180, 40  # seconds
WAITS = {
    # The forecast of the next boot starts the installed program.
    "query": Wait(180, starts=1),
    "check": Wait(180, transfers=1),
    # The first load installs the boot service, and each one starts the process of the trial.
    "load": Wait(120, transfers=1, transitions=1, reloads=1, starts=1),
    "watch": Wait(90, checks=True),
    # Two connections, and the wait for the next result of the host's watch.
    "accept": Wait(180 + VERDICT, transfers=1, checks=True, reloads=1, starts=1),
    # Disables the patches of several changes, loads earlier ones again, and repairs the boot service. Before, it can
    # wait for the transition of a host that reverts.
    "rollback": Wait(120, transitions=6, reloads=1, starts=1),
    "verify": Wait(180),
    "hook": Wait(120),
}
SLOWEST = 64 * 1024  # bytes that a connection carries in each second
UNKNOWN_SIZE = 120 * SLOWEST  # of a patch file, where each host can have its own


def task_bounds(
        transition_timeout: int = 0, reverses: bool = True, checks: Iterable[Mapping[str, t.Any]] = (),
        size: int = UNKNOWN_SIZE) -> dict[str, int]:
    """The bound of each task in seconds, by the names in WAITS.

    `reverses`: whether a stalled transition is reversed, which can take as long again. `checks`: the health checks of
    the module patch_watch, with their timeouts. `size`: of the largest patch file, in bytes.
    """
    transition = transition_timeout * (2 if reverses else 1)
    health = sum(check["timeout"] for check in checks if "tasks" not in check)
    return {
        name: wait.base + wait.transfers * math.ceil(size / SLOWEST) + wait.transitions * transition
        + wait.reloads * RELOAD + wait.starts * START + (health if wait.checks else 0)
        for name, wait in WAITS.items()}
