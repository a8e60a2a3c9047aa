# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a task: one patch, its state, and the limits of the change."""

from collections import namedtuple

# offer: see selection.py, None without src. name: or a pattern. version: None for the newest. timeout: seconds. params:
# a dict. trial: seconds, 0 for none. fresh: whether the controller has made a new connection since the patch was
# enabled. adopt: whether an accepted patch is taken over from another tool that loads it at boot. watch: the option,
# None without it. kernel: the release of another installed kernel to keep the build for, None for the running one.
PatchRequest = namedtuple(
    "PatchRequest", "offer name version state timeout on_stall ignore_findings params trial fresh adopt watch kernel")
LONGEST_TRIAL = 30 * 24 * 3600  # seconds
DEFAULT_TRIAL_SECONDS = 300  # of the trial before `accepted` if the task gives none

# All runs of the playbook pull on a host are one run for its lease: each goes on where the one before has stopped.
PULL_RUN = "pull"

# What a host writes while it waits for a transition: a JSON dict of `name`, `state` (`enabling` or `disabling`),
# `seconds`, `timeout` (seconds), `tasks` (the number of those left) and `held_by` (the first of them: `pid`, `comm`).
PROGRESS_FILE = "/run/kernel-livepatch/transition"
