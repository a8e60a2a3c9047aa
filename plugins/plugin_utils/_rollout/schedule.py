# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""How long a trial must be, from the soak, the looks and the size of a wave."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import number_of_tasks
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import bad_option

if TYPE_CHECKING:
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options


LOAD_SECONDS = 30  # for one host to be connected to, checked, sent the file and given the patch
MARGIN = 120  # seconds, for the gate itself and for accepting
LOOKS = (0, 0.1, 0.4, 1)  # when each host of a wave is looked at, as shares of the soak
USER_TASK_RUNS = 2  # of the operator's own tasks: before the first look, and before the last


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
        check["timeout"] * (USER_TASK_RUNS * number_of_tasks(check["tasks"]) if "tasks" in check else len(LOOKS))
        for check in options.health_checks)
