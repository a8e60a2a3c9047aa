# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the matrix is about: controllers, Pythons of hosts, and machines of the lab. One more is one more entry."""

from __future__ import annotations

import typing as t

from tests.lab.kernels import KERNELS

CANDIDATE = "candidate"


class Controller(t.NamedTuple):
    """A line of ansible-core: what pip installs, and the Pythons that it supports, as its own constants.py says.

    `pythons`: of the controller, in the order in which they are looked for. `oldest_host`: the oldest one on hosts.
    """

    name: str
    requirement: str
    pythons: tuple[str, ...]
    oldest_host: str

    def drives(self, python: str) -> bool:
        """Whether it supports hosts with this Python."""
        return number(self.oldest_host) <= number(python) <= max(map(number, self.pythons))


def _line(name: str, pythons: str, oldest_host: str) -> Controller:
    return Controller(name, f"ansible-core=={name}.*", tuple(pythons.split()), oldest_host)


def number(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which compare as versions do."""
    return tuple(map(int, version.split(".")))


CONTROLLERS = {controller.name: controller for controller in (
    # The oldest Python of a controller here, the newest one in the other rows.
    _line("2.16", "3.10 3.11 3.12", "3.6"),
    _line("2.17", "3.12 3.11 3.10", "3.7"),
    _line("2.18", "3.13 3.12 3.11", "3.8"),
    _line("2.19", "3.13 3.12 3.11", "3.8"),
    _line("2.20", "3.14 3.13 3.12", "3.9"),
    _line("2.21", "3.14 3.13 3.12", "3.9"),
    # What is newer than all of these, if there is anything. pip takes a pre-release, since this names one.
    Controller(CANDIDATE, "ansible-core>=2.22.0.dev0", ("3.15", "3.14", "3.13"), "3.9"),
)}
HOST_PYTHONS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
# The suites of Debian by the Python that they have.
DEBIAN_SUITES = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}


class Guest(t.NamedTuple):
    """A machine of the lab with its stock kernel and Python, and the ansible-core that drives it."""

    kernel: str
    python: str
    controller: Controller

    @property
    def name(self) -> str:
        return f"{self.kernel}/{self.controller.name}"


def newest_controller(python: str) -> Controller:
    """The newest ansible-core that supports hosts with this Python."""
    return _driving(python)[-1]


def _driving(python: str) -> list[Controller]:
    return [controller for controller in CONTROLLERS.values() if controller.drives(python)]


def _guests() -> t.Iterator[Guest]:
    """The oldest and the newest kernel of the lab, each with the oldest and the newest ansible-core for its Python."""
    pythons = {suite: python for python, suite in DEBIAN_SUITES.items()}
    kernels = list(KERNELS.values())
    for kernel in (kernels[0], kernels[-1]):
        python = pythons[kernel.suite]
        for controller in (_driving(python)[0], newest_controller(python)):
            yield Guest(kernel.name, python, controller)


GUESTS = {guest.name: guest for guest in _guests()}
