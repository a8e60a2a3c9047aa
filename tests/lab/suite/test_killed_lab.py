# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine never outlives its run, also when the run is killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.cache import default_cache_directory
from tests.lab.runs import sweep
from tests.lab.session import RUNS

pytestmark = pytest.mark.one_kernel

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def lab_command():
    """A lab's command line that keeps one machine up."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "tests.lab", "up", "1"], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def machines_of(run_directory):
    """Return the ids of the QEMU processes that work in a run's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].startswith(b"qemu-system") and any(str(run_directory).encode() in word for word in words):
            found.append(int(path.parent.name))
    return found


def test_killed_lab_leaves_no_machine(lab_command):
    run_directory = Path(lab_command.stdout.readline().strip()).parent
    machine, = machines_of(run_directory)
    descriptor = os.pidfd_open(machine)
    lab_command.kill()
    # No command ends the machine: this waits for the kernel, and ten minutes if it does nothing.
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    assert ended.poll(600_000), "the machine outlived its lab"
    os.close(descriptor)
    assert machines_of(run_directory) == []
    lab_command.wait()
    # The next run removes what it left.
    sweep(default_cache_directory() / RUNS)
    assert not run_directory.exists()
