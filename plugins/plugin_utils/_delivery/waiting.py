# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Shows signs of life while a host works on a task.

Ansible hands the output of a module over only when the module has ended. So a thread of the worker shows the time, and
reads a small file of the host beside the module where that needs no new connection: see `shares_connection`.
"""

from __future__ import annotations

import contextvars
import itertools
import json
import threading
import time
import typing as t
from collections.abc import Callable

from ansible import constants
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import Items, Keys, Misfit, Sizes, Text
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import NAME, WHOLE
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import format_lines, join_hosts, number_of

SHOW_SECONDS = 10  # between two lines
LOOK_SECONDS = 5  # for a look that is not back
LONGEST_PROGRESS = 4096  # characters
JSON_OUTPUTS = ("json", "jsonl")  # stdout callbacks of ansible.posix
# See PROGRESS_FILE in module_utils/_patch/request.py.
PROGRESS = Keys({
    "name": NAME, "state": Text(16, choices=("enabling", "disabling")), "seconds": WHOLE, "timeout": WHOLE,
    "tasks": WHOLE, "held_by": Items(Keys({"pid": WHOLE, "comm": Text(64, cut=True)}), 10)})


def say(*lines: str) -> None:
    """Show lines in the output of the run, also from a worker and its threads.

    A program reads the output of a callback that writes JSON. The lines are on stderr then, as Ansible's warnings are.
    """
    is_json = str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2] in JSON_OUTPUTS
    for line in format_lines(lines):
        Display().display(line, stderr=is_json)


class Waiting:
    """A context: while it lasts, shows every SHOW_SECONDS that a host is waited for.

    `task` are words for the lines. `look` returns what the host writes in PROGRESS_FILE; None without looks. `prefix`
    returns the begin of a line, None if there is no line now. `show` gets each line. `tick` is a clock.
    """

    def __init__(
            self, host: str, task: str, look: Callable[[], str] | None, prefix: Callable[[], str | None] = str,
            show: Callable[[str], None] = say, tick: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._task = task
        self._look = _Look(look) if look else None
        self._prefix = prefix
        self._show = show
        self._tick = tick
        self._began = tick()
        self._over = threading.Event()
        # Since ansible-core 2.19, the context of a task is in context variables, which a thread does not inherit.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: t.Any) -> None:
        self._over.set()
        self._thread.join(LOOK_SECONDS)

    def _run(self) -> None:
        while not self._over.wait(SHOW_SECONDS):
            self.step()

    def step(self) -> None:
        """Show one line, with what a look shows if it is back in time."""
        prefix = self._prefix()
        if prefix is None:
            return
        seconds = round(self._tick() - self._began)
        text = self._look.read() if self._look else None
        progress = None if text is None else read_progress(text, seconds)
        if self._over.is_set():
            return
        waiting = f"{self._host}: waiting for {self._task} since {seconds} s"
        self._show(prefix + (progress_line(self._host, progress) if progress else waiting))


class _Look:
    """Runs a look in a thread of its own: over a connection that hangs, it never comes back, and lines are shown still.

    A look that fails is the last one, and none begins before the last one is back.
    """

    def __init__(self, look: Callable[[], str]) -> None:
        self._look = look
        self._thread: threading.Thread | None = None
        self._text: str | None = None
        self._failed = False

    def read(self) -> str | None:
        """What the host has written; None if the look is not back in time, or after a failed one."""
        if self._failed or (self._thread and self._thread.is_alive()):
            return None
        self._text = None
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), daemon=True)
        self._thread.start()
        self._thread.join(LOOK_SECONDS)
        return None if self._thread.is_alive() else self._text

    def _run(self) -> None:
        try:
            self._text = self._look()
        except Exception:  # whatever a connection raises: the task itself reports it
            self._failed = True


def read_progress(text: str, seconds: int) -> dict | None:
    """The progress that a host has written, None for none, for a malformed one, or for one of an earlier task."""
    try:
        progress = PROGRESS.read(json.loads(text[:LONGEST_PROGRESS]), Sizes())
    except (ValueError, RecursionError, Misfit):
        return None
    return progress if progress and 0 <= progress["seconds"] <= seconds else None


def progress_line(host: str, progress: dict) -> str:
    """One transition in words."""
    tasks = number_of(progress["tasks"], "task")
    holders = [f"{one['comm']} (pid {one['pid']})" for one in progress["held_by"]]
    more = progress["tasks"] - len(holders)
    held = f", held by {join_hosts(holders)}{f' and {more} more' if more > 0 else ''}" if holders else ""
    left = f"{tasks} left{held}" if progress["tasks"] > 0 else "no visible task left, an idle CPU can hold it"
    return (f"{host}: {progress['state']} {progress['name']} since {progress['seconds']} s of at most "
            f"{progress['timeout']} s: {left}")


def shares_connection(connection: ConnectionBase) -> bool:
    """Whether a second command beside a running one uses the same connection to the host.

    True for a local connection, and for ssh with a shared one (ControlPersist in Ansible's arguments for ssh). Any
    other one would open a further connection to a host that is busy with its change.
    """
    kind = str(connection.transport).rpartition(".")[2]
    if kind != "ssh":
        return kind == "local"
    given = " ".join(
        str(connection.get_option(option) or "") for option in ("ssh_args", "ssh_common_args", "ssh_extra_args"))
    words = given.lower().replace("=", " ").split()
    return "controlpersist" in words and "no" not in (
        after for word, after in itertools.pairwise(words) if word in ("controlpersist", "controlmaster"))
