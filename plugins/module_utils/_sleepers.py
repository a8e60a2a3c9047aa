# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that are asleep in functions which are about to be replaced (kernel/livepatch/transition.c)."""

from ansible_collections.kernel.livepatch.plugins.module_utils._tasks import (
    describe_task,
    frames,
    is_running,
    tasks,
)


def sleepers(host, functions, modules=(), samples=3, interval=0.05):
    """The tasks asleep in one of `functions`, which are (object, name), or anywhere in one of `modules`.

    `modules` are the enabled patches that are going to be replaced: every function of theirs is. Each task found is
    looked at `samples` times in all, `interval` seconds apart. Shape: `pid`, `tid`, `comm`, `kthread`, `function` (the
    innermost one of interest), `stack` (function names, innermost first), `seen` (in how many samples). None where the
    kernel does not show the stacks to this process.
    """
    if frames(host, 1, 1) is None:
        return None
    found = {}
    for task in tasks(host):
        sleeper = _sleeper(host, task, functions, modules)
        if sleeper:
            found[task] = sleeper
    for _sample in range(samples - 1 if found else 0):
        host.sleep(interval)
        for task, sleeper in found.items():
            sleeper["seen"] += bool(_hit(host, task, functions, modules)[0])
    return list(found.values())


def _sleeper(host, task, functions, modules):
    function, stack = _hit(host, task, functions, modules)
    described = describe_task(host, *task) if function else None
    return dict(described, function=function, stack=stack, seen=1) if described else None


def _hit(host, task, functions, modules):
    """The function of interest that a task is asleep in, None for none; and its stack."""
    stack = frames(host, *task) or []
    hits = (name for entry, name in stack if (entry, name) in functions or entry in modules)
    function = next(hits, None)
    if function and is_running(host, *task):
        function = None
    return function, [name for _entry, name in stack]
