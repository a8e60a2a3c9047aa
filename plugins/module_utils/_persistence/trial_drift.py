# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a trial that is over and still there, and a trial process that lives and does not run."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding

OVERDUE_SECONDS = 30  # after its end, for a restore to begin


def trial_drift(host, trial, state, process, pid, changing):
    """The findings about a trial of the ledger, or None for none.

    `state` is the patch's; `process` and `pid` are of the trial process, see `trial_process` in trial_process.py.
    `changing` is the running change, which may be the trial's end.
    """
    if not trial:
        return
    name = trial["name"]
    if process == "stopped":
        yield finding("trial-process-stopped", name, name=name, pid=pid)
    elif process == "hung":
        yield finding("trial-process-hung", name, name=name, pid=pid)
    late = round(host.now() - trial["ends"])
    if late <= OVERDUE_SECONDS or changing:
        return
    code = "trial-not-recorded" if state in ("absent", "disabled") else "trial-overdue"
    yield finding(code, name, name=name, seconds=late, state=state)
