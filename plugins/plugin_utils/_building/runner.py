# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Runs several builds on one build host at once, and shows their progress."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.build import KernelBuild
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import PatchFileError, TaskError

LOOK_SECONDS = 3  # between two looks at the build host
SHOW_SECONDS = 6  # without a new step; with the time of a look on a busy host, a line about every 10 s

Say = Callable[[str], None]


class Runner:
    """Runs builds, at most `parallel` at once; a build that fails does not stop the others.

    `seconds`: how long to wait; None for ever, 0 not at all. `say` shows a line. `tick` and `sleep` are a clock.
    """

    def __init__(
            self, builds: Sequence[KernelBuild], parallel: int, seconds: int | None, say: Say,
            tick: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._waiting = list(builds)
        self._running: list[KernelBuild] = []
        self._parallel = parallel
        self._seconds = seconds
        self._end = None if seconds is None else tick() + seconds
        self._say = say
        self._tick = tick
        self._sleep = sleep
        self._shown: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        """Run until each build has a result, or the time is over. Then running builds are left to go on."""
        while True:
            self._start_next()
            if not self._running:
                return
            if self._end is not None and self._tick() >= self._end:
                for build in self._running:
                    build.leave(self._seconds or 0)
                return
            left = LOOK_SECONDS if self._end is None else min(LOOK_SECONDS, max(0.0, self._end - self._tick()))
            self._sleep(left)
            for build in self._running:
                self._step(build, build.look)
            self._running = [build for build in self._running if build.is_running]

    def _start_next(self) -> None:
        while self._waiting and len(self._running) < self._parallel:
            build = self._waiting.pop(0)
            self._step(build, build.start)
            if build.is_running:
                self._running.append(build)

    def _step(self, build: KernelBuild, step: Callable[[], t.Any]) -> None:
        try:
            step()
        except (PatchFileError, TaskError) as error:
            build.result = {
                **(build.answer or {}), "failed": True, "changed": False, "msg": error.message, "code": error.code}
        if build.is_running:
            self._show(build)

    def _show(self, build: KernelBuild) -> None:
        """Show a build whose step has changed, or that was not shown for a while."""
        step = build.answer["progress"]["step"] if build.answer else ""
        before, when = self._shown.get(id(build), ("", float("-inf")))
        if step != before or self._tick() - when >= SHOW_SECONDS:
            self._shown[id(build)] = (step, self._tick())
            self._say(build.progress_line())
