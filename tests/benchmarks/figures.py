# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, and what is good enough."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping


class Settings(t.NamedTuple):
    """`hosts`: sizes of the simulated fleet; `pairs`: how often each ratio is measured; `kernel`: of the lab.

    `shards`: of the benchmark of this name, which is over the largest of these fleets.
    """

    hosts: tuple[int, ...] = (100, 1000)
    pairs: int = 3
    kernel: str = "6.1"
    shards: int = 8


class Figure(t.NamedTuple):
    """One row of the table: the most that is good enough, None for no limit, and its unit."""

    title: str
    goal: float | None
    unit: str = ""

    def shown(self, value: float) -> str:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:.{digits}f}{self.unit and ' '}{self.unit}"

    def shown_goal(self) -> str:
        return "none" if self.goal is None else f"at most {self.goal:g}{self.unit and ' '}{self.unit}"

    def verdict(self, value: float) -> str:
        if self.goal is None:
            return "no goal"
        return "met" if value <= self.goal else "missed"


class Benchmark(t.NamedTuple):
    """One measurement with one or several figures.

    `measure` returns the value of each figure by its title; it may leave out some. `profile` is a command that shows
    where the time goes. `on_machine`: it starts a machine of the lab. `in_table`: its figures are for the docs.
    """

    name: str
    figures: tuple[Figure, ...]
    measure: Callable[[Settings], Mapping[str, float]]
    profile: str
    on_machine: bool = False
    in_table: bool = True
