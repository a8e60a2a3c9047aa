# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes how far a transition is while a module waits for it, for the controller to read beside the module.

    /run/kernel-livepatch/transition      present during a wait of some seconds, see PROGRESS in _patch/request.py
"""

import json
import os
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import private_directory, replace_private
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.tasks import describe_task
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.blockers import left_behind
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import PROGRESS_FILE
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.own_files import only_root_writes
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import RUN_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

STEP_SECONDS = 5  # between two writes, each after a look at every task
MOST_TASKS = 3


class Progress:
    """One wait for a transition, at most `timeout` seconds from `began` on the clock of Host.now()."""

    def __init__(self, host, name, began, timeout):
        self._host = host
        self._name = name
        self._began = began
        self._timeout = timeout
        self._next = host.now() + STEP_SECONDS

    def step(self, state):
        """Write the progress if it is due; `state` is `enabling` or `disabling`. Ignores a full disk."""
        if self._host.now() < self._next:
            return
        self._next = self._host.now() + STEP_SECONDS
        left = left_behind(self._host, "1" if state == "enabling" else "0")
        described = [describe_task(self._host, pid, tid) for pid, tid in left[:MOST_TASKS]]
        content = json.dumps({
            "name": self._name, "state": state, "seconds": round(self._host.now() - self._began),
            "timeout": self._timeout, "tasks": len(left),
            "held_by": [{"pid": one["pid"], "comm": one["comm"]} for one in described if one]}).encode("utf-8")
        with suppress(LivepatchError, OSError):
            if not only_root_writes(self._host, RUN_DIRECTORY):
                private_directory(self._host.path(RUN_DIRECTORY))
            replace_private(self._host.path(PROGRESS_FILE), content)

    def end(self):
        """Remove the file."""
        forget_progress(self._host)


def forget_progress(host):
    """Remove the file, also one that a killed process has left."""
    with suppress(OSError):
        os.unlink(host.path(PROGRESS_FILE))
