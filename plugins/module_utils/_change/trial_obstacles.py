# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a PatchChange must not begin a trial: the host could not end it as promised, or not watch it as demanded."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._health.call_counts import obstacle
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import running_stack

FORCED = "on_stall: force may keep its module in memory until the next reboot"


def trial_obstacles(change):
    """The findings that forbid the trial of a change, before it loads a patch."""
    forced = change.request.on_stall == "force"
    goes_on = forced and bool(change.steps()) and change.on_trial()
    if not change.trial_seconds() or not ("load" in change.steps() or goes_on):
        return []
    return count_obstacles(change) + _restore_obstacles(change, forced)


def count_obstacles(change):
    """The finding that forbids a trial with min_calls, because calls of the patch cannot be counted."""
    why = obstacle(change.host, change.description) if change.watch["watch"]["min_calls"] else None
    return [finding("calls-not-countable", change.name, file=change.description["file"], why=why)] if why else []


def _restore_obstacles(change, forced):
    """Findings that the host could not load a replaced patch again at the trial's end."""
    replaced, unknown = change.check_context().replacement
    stack = [layer for layer in running_stack(change.host, change.before, change.ledger)
             if layer["name"] in replaced + unknown]
    reasons = [(layer["name"], FORCED if forced else _fault(change.store, layer)) for layer in stack]
    return [finding("trial-without-rollback", name, file=change.description["file"], other=name, why=why)
            for name, why in reasons if why]


def _fault(store, layer):
    """The fault in a LAYER's file that stops this host from loading it again, or None."""
    if not layer["sha256"]:
        return "this host keeps no file of it"
    return "this host's file of it is damaged" if store.fault(layer["sha256"]) else None
