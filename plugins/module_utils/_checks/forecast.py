# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forecasts the effect of enabling a patch: the replaced patches, the rollback, and tasks asleep in its functions."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import blockers_in, finding
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.kallsyms import HIDDEN, PrintedNames, is_cold
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.modules import unload_obstacle
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.tasks import sleepers
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import state_conflict
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.replacement import has_replace_sets
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited

SAMPLES = 3
MOST_TASKS = 3
# The calls that attach a shadow variable; klp_shadow_get and klp_shadow_free only use an existing one.
ATTACHING = frozenset(("klp_shadow_alloc", "klp_shadow_get_or_alloc"))


def replaced_patches(context):
    """The names of the enabled patches that would be replaced, oldest first; none unless that is known."""
    return context.replacement.replaced if context.changes() else []


def empty_forecast():
    """A forecast for a host without a patch to enable; its `possible` is None."""
    return {"replaces": [], "rollback": {"possible": None, "to": [], "reasons": []}, "sleepers": []}


def forecast(context):
    """The forecast, and the findings about tasks asleep in the patch's functions.

    The forecast is a dict of `replaces` (names), `rollback` (`possible`, `to`, `reasons`) and `sleepers` (see
    _sleepers); `to` are the patches enabled after a rollback, none for the kernel as booted.
    """
    reasons = list(_rollback_obstacles(context))
    asleep, hidden = _sleepers(context)
    result = {
        "replaces": replaced_patches(context),
        "rollback": {
            "possible": not blockers_in(reasons), "to": [patch["name"] for patch in context.other_patches()],
            "reasons": reasons},
        "sleepers": asleep or [],
    }
    return result, list(_findings_on(asleep, hidden))


def _findings_on(asleep, hidden):
    """A finding for each function with a task asleep in it in every sample.

    The kernel does not look for a NAME.cold (klp_check_stack_func in kernel/livepatch/transition.c), so a task there
    does not hold a transition.
    """
    if asleep is None:
        yield finding("not-checked", "stacks", codes="task-in-function",
                      why="The kernel does not show the stacks of its tasks (/proc/PID/stack)")
    elif hidden:
        yield finding("not-checked", "addresses", codes="task-in-function",
                      why=HIDDEN + ", so a task can be in a function under another name")
    always = {}
    for sleeper in asleep or []:
        if sleeper["seen"] == SAMPLES and not is_cold(sleeper["function"]):
            always.setdefault(sleeper["function"], []).append(f"{sleeper['comm']} (pid {sleeper['pid']})")
    for function, tasks in sorted(always.items()):
        yield finding("task-in-function", function, function=function, tasks=_tasks_were(tasks))


def _tasks_were(tasks):
    return join_limited(tasks, MOST_TASKS) + (" was" if len(tasks) == 1 else " were")


def _sleepers(context):
    """The tasks asleep in a function to be patched: in the kernel's version of it, or in another patch's.

    The second result is whether a function may have other names that the kernel does not show.
    """
    if not (context.interface and context.loads() and context.fits()):
        return [], False
    functions = {(entry["name"], function["name"])
                 for entry in context.description["objects"] for function in entry["functions"] if entry["name"]}
    names = {name for _entry, name in functions}
    theirs = {(patch["name"], name) for patch in context.other_patches() for name in names}
    printed = PrintedNames(context.facts.kernel_symbols, functions | theirs)
    found = sleepers(context.host, printed, modules=replaced_patches(context), samples=SAMPLES)
    return found, not printed.hidden.isdisjoint(functions)


def _rollback_obstacles(context):
    described = context.description
    name, file = described["name"], described["file"]
    if not described["removable"]:
        yield finding("rollback-not-removable", name, file=file)
    if ATTACHING.intersection(described["shadow"]):
        yield finding("rollback-shadow-variables", name, file=file)
    for other in replaced_patches(context):
        yield from _restore_obstacles(context, other)


def _restore_obstacles(context, other):
    """Findings about a rollback to a replaced patch: it is loaded again, and replaces the newer one if it can."""
    described, kept = context.description, context.kept_descriptions[other]
    facts = {"file": described["file"], "other": other}
    if kept is None:
        yield finding("rollback-file-missing", other, **facts)
        return
    obstacle = unload_obstacle(context.host, other)
    if obstacle:
        yield finding("rollback-pinned", other, why=obstacle, **facts)
    by_sets = has_replace_sets(context.patches)  # it is of the same set, and replaces the new one in turn
    is_stacked = kept["replace"] is False and not by_sets
    conflict = state_conflict(kept, described, replaces=by_sets or kept["replace"])
    if is_stacked:
        yield finding("rollback-gap", other, **facts)
    elif conflict:
        yield finding("rollback-states", other, why=conflict, **facts)
    callbacks = sorted({callback for entry in described["objects"] for callback in entry["callbacks"]})
    if callbacks and not is_stacked:
        yield finding("rollback-callbacks", other, callbacks=", ".join(callbacks), **facts)
