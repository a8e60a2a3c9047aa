# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how many hosts of a rollout may fail, and how long its trials have to be."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable
from fractions import Fraction

from ansible_collections.kernel.livepatch.plugins.module_utils._trial import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._health_checks import number_of_tasks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._option_values import bad_option, share_of, shown, whole

if t.TYPE_CHECKING:
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout_options import Options

NAME = "failure_budget"
LOAD_SECONDS = 30  # for one host to be connected to, checked, sent the file and given the patch
MARGIN = 120  # seconds, for the gate itself and for accepting
LOOKS = (0, 0.1, 0.4, 1)  # when each host of a wave is looked at, as shares of the soak
OWN_RUNS = 2  # of the operator's own tasks: before the first look, and before the last


class Budget(t.NamedTuple):
    """How many failed hosts are put up with, over all waves: a number, or a share of the covered hosts."""

    asked: str
    hosts: int = 0
    share: Fraction | None = None

    def allowed(self, covered: int) -> int:
        """How many hosts may fail of so many covered ones; a share is rounded down."""
        return self.hosts if self.share is None else math.floor(self.share * covered)


def parse_budget(value: t.Any) -> Budget:
    """The budget in 3, "3" or "5%"; None is 0. Raises TaskError `bad-option`."""
    number = 0 if value is None else whole(value)
    if number is not None and number >= 0:
        return Budget(str(number), number)
    share = share_of(value)
    if share is None:
        raise bad_option(
            NAME, f"is {shown(value)}", "give a number of hosts from 0, or a share of them from 0% to 100%")
    return Budget(share[0], share=share[1])


def is_breached(failed: int, allowed: int) -> bool:
    """Whether more hosts have failed than `Budget.allowed` says; as many as allowed is no breach."""
    return failed > allowed


def trial_seconds(options: Options, wave_sizes: Iterable[int], forks: int) -> tuple[int, bool]:
    """The trial that each host gets, and whether it is longer than what was asked for.

    A host's trial begins when it is enabled, and it is accepted with its whole wave. So a trial has to outlive the load
    of the slowest wave, `forks` hosts at a time, of which each batch can wait for a stalled transition and for health
    checks that take all their time, the soak, and a margin. Raises TaskError `bad-option` where that is more than a
    trial can be.
    """
    batches = max((math.ceil(size / forks) for size in wave_sizes), default=1)
    # A transition that is turned round may take as long again.
    transition = options.transition_timeout * (2 if options.on_stall == "reverse" else 1)
    needed = batches * (LOAD_SECONDS + transition + _checks_seconds(options)) + options.soak + MARGIN
    if needed > LONGEST_TRIAL:
        raise bad_option(
            "waves", f"need a trial of {needed} seconds, which is more than the {LONGEST_TRIAL} that a trial can have",
            "make the waves smaller, the soak or the timeouts shorter, or Ansible's forks more")
    if options.trial is None:
        return needed, False
    return max(options.trial, needed), needed > options.trial


def _checks_seconds(options: Options) -> int:
    """How long the health checks of one host can take in all looks at it."""
    return sum(
        check["timeout"] * (OWN_RUNS * number_of_tasks(check["tasks"]) if "tasks" in check else len(LOOKS))
        for check in options.health_checks)
