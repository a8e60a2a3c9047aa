# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends or stops the collection on a guest at a step, or the guest with it; what does it there is lab_phases.py."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import lab_phases
from lab_phases import DIRECTORY, PLAN, STOPPED, TRACE

HOOK = Path(lab_phases.__file__)
AROUND_THE_LOAD = ("finit_module", "after finit_module")
PACKAGES = "/usr/lib/python3/dist-packages"


def first_of_each(steps: list[str]) -> list[tuple[int, str]]:
    """The phases of a run: the first step of each function, and what is around the load, each with its number."""
    found: dict[str, tuple[int, str]] = {}
    for number, text in enumerate(steps, 1):
        found.setdefault(text if text.startswith(AROUND_THE_LOAD) else text.rpartition("(")[2], (number, text))
    return sorted(found.values())


def some_of(phases: list[tuple[int, str]], every: int = 0) -> list[tuple[int, str]]:
    """Those around the load, and of the others every second with 2, every third with 3..., none with 0."""
    around = [phase for phase in phases if phase[1].startswith(AROUND_THE_LOAD)]
    others = [phase for phase in phases if phase not in around]
    return sorted(around + (others[::every] if every else []))


def after_the_change(phases: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The one right after the kernel was first told to change its patches."""
    return [phase for phase in phases if phase[1].startswith("after ")][:1]


class Phases:
    """The steps of one guest's processes; `who` is `module`, or a command of the unattended program."""

    def __init__(self, guest) -> None:
        self.guest = guest
        guest.machine.push(HOOK, f"{PACKAGES}/{HOOK.name}")
        # A .pth file, because Debian has a sitecustomize of its own; Python reads it with -I too.
        guest.run(f"echo 'import {HOOK.stem}; {HOOK.stem}.install()' >{PACKAGES}/{HOOK.stem}.pth")

    def plan(self, who: str, at: int = 0, how: str = "kill") -> None:
        """Once, `how` (kill, stop, reset) before step `at` of `who`, counted from 1; with 0, only keep the trace."""
        text = json.dumps({"who": who, "at": at, "how": how})
        self.guest.run(f"rm -rf {DIRECTORY} && echo {shlex.quote(text)} >{PLAN} && sync {PLAN}")

    def no_plan(self) -> None:
        self.guest.run(f"rm -rf {DIRECTORY} {PLAN}")

    def steps(self, who: str) -> list[str]:
        """The steps that were taken since the plan was made."""
        return self.guest.run(f"cat {TRACE}{who} 2>/dev/null || true").splitlines()

    def wait_for_stop(self, seconds: int = 120) -> int:
        """Wait until a process stands at its step; returns its number."""
        self.guest.wait(f"test -e {STOPPED}", seconds)
        return int(self.guest.read(STOPPED))
