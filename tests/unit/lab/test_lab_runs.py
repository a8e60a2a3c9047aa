# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: private directories that live as long as their owner, and are swept by the next run when it was killed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import runs

CHECKOUT = Path(__file__).resolve().parents[3]

# A run with a tethered process, as a lab with a machine; it prints the process's id and waits.
OWNER = """
import signal, sys
from pathlib import Path
from tests.lab.children import Children
from tests.lab.runs import Run
run = Run(Path(sys.argv[1]))
machine = Children().start(["sleep", "infinity"], run.directory / "log")
print(machine.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def owner(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def is_running(pid):
    """Tell whether the process runs; one that has ended and was not collected yet does not."""
    try:
        return "\nState:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except FileNotFoundError:
        return False


def wait_until_ended(descriptor):
    """Wait on a descriptor of os.pidfd_open; a process that lives on is a failure after ten minutes."""
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    assert ended.poll(600_000), "the process outlived its run"
    os.close(descriptor)


def test_directory_is_private_and_gone_after_close(tmp_path):
    run = runs.Run(tmp_path)
    assert run.directory.stat().st_mode & 0o777 == 0o700
    run.close()
    assert not run.directory.exists()


def test_living_run_is_not_swept(tmp_path):
    run = runs.Run(tmp_path)
    assert runs.sweep(tmp_path) == []
    assert runs.living(tmp_path) == [run.directory]
    run.close()


def test_directory_without_owner_is_swept(tmp_path):
    tmp_path.joinpath("0badc0de").mkdir()
    tmp_path.joinpath("0badc0de", "disk").write_text("left over")
    assert runs.sweep(tmp_path) == [tmp_path / "0badc0de"]
    assert not tmp_path.joinpath("0badc0de").exists()


def test_machines_are_known_while_their_run_lives(tmp_path):
    run = runs.Run(tmp_path)
    run.record_machines({"lab1": ["ssh", "-p", "1"]})
    assert runs.machine_commands(tmp_path) == {"lab1": ["ssh", "-p", "1"]}
    run.close()
    assert runs.machine_commands(tmp_path) == {}


def test_killed_run_leaves_no_process_and_is_swept(tmp_path, owner):
    machine = int(owner.stdout.readline())
    assert is_running(machine)
    descriptor = os.pidfd_open(machine)
    assert len(runs.living(tmp_path)) == 1
    owner.send_signal(signal.SIGKILL)
    wait_until_ended(descriptor)
    owner.wait()
    assert len(runs.sweep(tmp_path)) == 1
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_tethered_process_does_not_start_when_its_parent_has_ended_already(tmp_path):
    proof = tmp_path / "started"
    # No process has this id: the parent that wanted the process is gone, another one has adopted it.
    command = [sys.executable, str(CHECKOUT / "tests" / "lab" / "tether.py"), "999999999", "touch", str(proof)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "999999999" in result.stderr
    assert not proof.exists()
