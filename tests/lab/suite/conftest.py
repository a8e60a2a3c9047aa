# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of the lab for the tests, and what a test asks a guest directly, past the collection."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

pytest.register_assert_rewrite("verdicts")

from guest import Guest  # noqa: E402
from playbook import Playbooks, task  # noqa: E402

from lab import Lab  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--kernel", default="6.1", help="which of the lab's kernels to test on")


@pytest.fixture(scope="session")
def lab(request):
    with Lab(kernel=request.config.getoption("--kernel")) as the_lab:
        yield the_lab


@pytest.fixture(scope="session")
def patches(lab):
    """Path of each built patch and of the files derived from them, by name."""
    return lab.patches


@pytest.fixture(scope="session")
def machines(lab):
    return lab.machines(1)


@pytest.fixture(scope="session")
def playbooks(lab, machines, tmp_path_factory):
    return Playbooks(tmp_path_factory.mktemp("playbooks"), lab.write_inventory(machines))


@pytest.fixture
def guest(machines):
    """A machine without any live patch or module of the lab."""
    the_guest = Guest(machines[0])
    the_guest.clean()
    return the_guest


@pytest.fixture
def play(playbooks, guest):
    """Run one task of this collection on the guest: play("patch", src=..., state=...)."""
    return one_task(playbooks, guest)


@pytest.fixture
def start(lab, tmp_path):
    """Start a machine for one test alone: start() -> the guest, and what `play` is for it."""
    started = []

    def start_one(kernel_words=""):
        machine, = lab.machines(1, kernel_words)
        started.append(machine)
        inventory = lab.write_inventory([machine], machine.name)
        the_guest = Guest(machine)
        return the_guest, one_task(Playbooks(tmp_path / machine.name, inventory), the_guest)
    yield start_one
    for machine in started:
        lab.end(machine)


def one_task(playbooks, guest):
    def run_one(module, /, *flags, play_keywords=None, **options):
        return playbooks.run([task(module, module, **options)], guest.name, *flags, **(play_keywords or {}))
    return run_one
