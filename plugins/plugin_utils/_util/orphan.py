# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Ends a worker of Ansible whose run was killed.

From ansible-core 2.19 on, a worker has a session of its own. A runner kills the process group of ansible-playbook when
a job is cancelled, and a worker that waits for the end of a soak, of a build, or for an answer, would wait on. A runner
that is killed itself leaves ansible-playbook, which it starts so that a lost terminal does not end it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import typing as t
from collections.abc import Mapping

LOOK_SECONDS = 1
THREAD = "ends with its run"
OF_RUNNER = "AWX_ISOLATED_DATA_DIR"  # ansible_runner/config/_base.py, _prepare_env


def runner_of(run: int, environment: Mapping[str, str] | None = None) -> int:
    """The process of the runner that has started the process `run`; 0 for none, or where /proc does not say it.

    `environment` is that of this process if it is not given.
    """
    if OF_RUNNER not in (os.environ if environment is None else environment):
        return 0
    try:
        with open(f"/proc/{run}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


class EndsWithRun:
    """A context: while it lasts, the process ends when its parent has ended, or the runner that has started its parent.

    `leave` ends this process. `parent` is the number of the process that is its parent now, `runner` that of the
    runner of a process.
    """

    def __init__(
            self, leave: t.Callable[[int], t.Any] = os._exit, parent: t.Callable[[], int] = os.getppid,
            runner: t.Callable[[int], int] = runner_of) -> None:
        self._leave = leave
        self._parent = parent
        self._runner = runner
        started_by = multiprocessing.parent_process()
        # By its own word the parent could be the one that has taken an orphan over.
        self._expected = (started_by.pid if started_by else None) or parent()
        self._expected_runner = runner(self._expected)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: t.Any) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._is_left():
            if self._over.wait(LOOK_SECONDS):
                return
        self._leave(1)

    def _is_left(self) -> bool:
        if self._parent() != self._expected:
            return True
        runner = self._expected_runner and self._runner(self._expected)
        return runner not in (0, self._expected_runner)  # 0: /proc does not say it now
