# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The phases of a wave after its load, and how long a trial must be.

A phase is a dict of `kind` (`tasks`: the operator's own, `look` or `accept`) and `after`, the share of the soak before
it. A `look` that is `final` is only at hosts that do not watch themselves.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.plugin_utils._options.bounds import UNKNOWN_SIZE, WAITS, task_bounds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.health_checks import (
    checks_of_hosts,
    number_of_tasks,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.option_values import bad_option
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import number_of

if t.TYPE_CHECKING:
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.options import Options


LOAD_SECONDS = 30  # to connect to one host, check it, send the file and load the patch
MARGIN = 120  # seconds, for the gate itself and for accepting
SHORT_SOAK = 60  # seconds; a shorter one has no look unless `livepatch_looks` requests it
NEXT_RESULT = 10  # seconds until a health check of the host runs again: `interval` of the module patch
USER_TASK_RUNS = 2  # of the user's tasks: right after the load, and at the end of the soak
FINAL_LOOK = {"kind": "look", "after": 1.0, "final": True}


def wave_phases(options: Options) -> list[dict[str, t.Any]]:
    """The phases of each wave, the looks evenly spread over the soak."""
    looks = number_of_looks(options)
    tasks = any("tasks" in check for check in options.health_checks)
    return [
        *([{"kind": "tasks", "after": 0.0}] if tasks else []),
        *({"kind": "look", "after": number / (looks + 1)} for number in range(1, looks + 1)),
        *([{"kind": "tasks", "after": 1.0}] if tasks else []), {"kind": "accept", "after": 1.0}]


def with_final_look(phases: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The phases of a wave in which some hosts do not watch themselves."""
    return [*phases[:-1], FINAL_LOOK, phases[-1]]


def number_of_looks(options: Options) -> int:
    if options.looks is not None:
        return options.looks
    return 1 if options.soak >= SHORT_SOAK else 0


def rollout_bounds(options: Options, size: int = UNKNOWN_SIZE) -> dict[str, int]:
    """The bound of each task of a rollout in seconds; `size` is that of the largest patch file, in bytes."""
    return task_bounds(options.transition_timeout, options.on_stall == "reverse", options.health_checks, size)


def trial_seconds(
        options: Options, wave_sizes: Iterable[int], forks: int, size: int = UNKNOWN_SIZE,
        tolerant: bool = False) -> tuple[int, bool]:
    """The trial of each host in seconds, and whether it is longer than requested.

    A host's trial starts when its patch is enabled, and the host is accepted with its whole wave. So a trial must
    outlast the load of the largest wave, `forks` hosts at a time, the soak and a margin. Each batch can wait for a
    stalled transition, and when it is accepted for the next result of a slow health check. `tolerant`: whether hosts
    may fail. Then a host that stands still, or nearly so, must not end the trials of the others. With a budget of 0, it
    ends the wave anyway. Raises TaskError `bad-option` if that exceeds the longest trial.
    """
    batches = max((math.ceil(hosts / forks) for hosts in wave_sizes), default=1)
    of_batch, of_wave = _seconds(options, size, tolerant)
    needed = batches * of_batch + of_wave
    if needed > LONGEST_TRIAL:
        raise bad_option(
            "waves", f"need a trial of {number_of(needed, 'second')}, but a trial has at most {LONGEST_TRIAL}",
            "use smaller waves, a shorter soak, shorter timeouts, or more forks")
    if options.trial is None:
        return needed, False
    return max(options.trial, needed), needed > options.trial


def largest_wave(options: Options, forks: int, size: int = UNKNOWN_SIZE, tolerant: bool = False) -> int:
    """The most hosts of a wave with a derived trial of at most `livepatch_longest_trial`.

    A requested trial can be longer, and then replaces it. See `trial_seconds`. Raises TaskError `bad-option` when no
    wave has so short a trial.
    """
    longest = max(options.longest_trial, options.trial or 0)
    of_batch, of_wave = _seconds(options, size, tolerant)
    batches = (longest - of_wave) // of_batch
    if batches < 1:
        raise bad_option(
            "longest_trial", f"is {number_of(longest, 'second')}, and every wave needs a trial of "
            f"{number_of(of_batch + of_wave, 'second')}",
            "raise it, or use a shorter soak, shorter timeouts, or fewer tasks in health checks")
    return batches * forks


def _seconds(options: Options, size: int, tolerant: bool) -> tuple[int, int]:
    """The longest time of one batch of hosts from the load to the acceptance, and the rest of the time of a wave."""
    # Reversing a transition may take as long again.
    load = LOAD_SECONDS + options.transition_timeout * (2 if options.on_stall == "reverse" else 1)
    silence = _silence(options, load, size) if tolerant else 0
    return load + _checks_seconds(options), options.soak + MARGIN + silence


def _silence(options: Options, load: int, size: int) -> int:
    """How much longer the tasks from the load to the acceptance take if a host uses up the bound of each of them."""
    bounds = rollout_bounds(options, size)
    return bounds["load"] - load + (number_of_looks(options) + 1) * WAITS["watch"].base + bounds["accept"]


def _checks_seconds(options: Options) -> int:
    """How long one host can keep a batch waiting: in the user's tasks, and for the last result of its own checks.

    Its own checks run beside each other.
    """
    own_tasks = sum(
        check["timeout"] * USER_TASK_RUNS * number_of_tasks(check["tasks"])
        for check in options.health_checks if "tasks" in check)
    timeouts = [check["timeout"] for check in checks_of_hosts(options.health_checks)]
    return own_tasks + (NEXT_RESULT + max(timeouts) if timeouts else 0)
