# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's way back to booting, and its command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import session
from tests.lab.cache import Cache
from tests.lab.errors import LabError
from tests.lab.saved import SavedState

CHECKOUT = Path(__file__).resolve().parents[3]


class SimulatedMachine:
    """Boots and never resumes: QEMU refuses the state, or with `hangs` the machine says nothing after it."""

    started: list[str] = []  # noqa: RUF012
    hangs = False

    def __init__(self, name, *unused):
        self.name = name

    def boot(self, kernel_words=""):
        self.started.append(" ".join([self.name, "booted", *kernel_words.split()]))

    def resume(self, *unused):
        if not self.hangs:
            raise LabError("migration-failed", "the state is of another QEMU")
        self.started.append(f"{self.name} resumed")

    def wait_for_ssh(self, timeout):
        if self.started[-1].endswith("resumed"):
            assert timeout < session.START_TIMEOUT
            raise LabError("machine-silent", f"sshd of {self.name} did not answer")

    def set_identity(self):
        pass

    def ssh_command(self):
        return ["ssh", self.name]

    def destroy(self):
        self.started.append(f"{self.name} destroyed")


@pytest.fixture
def prepared_lab(monkeypatch, tmp_path):
    """A lab with a saved state that cannot be used, whose machines are simulated."""
    def prepare(lab):
        lab.image = lab._keys = None
        lab._saved = SavedState(Cache(tmp_path, lab._progress).entry("saved", "key", lambda directory: None))

    monkeypatch.setattr(SimulatedMachine, "started", [])
    monkeypatch.setattr(session, "Machine", SimulatedMachine)
    monkeypatch.setattr(session, "check_requirements", lambda: None)
    monkeypatch.setattr(session.ssh, "check_length", lambda directory: None)
    monkeypatch.setattr(session.Lab, "_prepare", prepare)
    with session.Lab(cache_directory=tmp_path) as lab:
        yield lab


def test_machines_boot_when_the_saved_state_cannot_be_used(prepared_lab, tmp_path, capsys):
    machines = prepared_lab.machines(2)
    assert [machine.name for machine in machines] == ["lab1", "lab2"]
    assert SimulatedMachine.started == ["lab1 destroyed", "lab2 destroyed", "lab1 booted", "lab2 booted"]
    assert "the state is of another QEMU" in capsys.readouterr().err
    assert not tmp_path.joinpath("saved-key").exists()


def test_a_machine_that_hangs_after_the_saved_state_is_given_up_soon_and_booted(prepared_lab, monkeypatch, capsys):
    monkeypatch.setattr(SimulatedMachine, "hangs", True)
    prepared_lab.machines(1)
    assert SimulatedMachine.started == ["lab1 resumed", "lab1 destroyed", "lab1 booted"]
    assert "thrown away: sshd of lab1 did not answer" in capsys.readouterr().err


def test_unusable_state_is_tried_once(prepared_lab, capsys):
    prepared_lab.machines(1)
    prepared_lab.machines(1)
    assert capsys.readouterr().err.count("cannot be used") == 1
    assert SimulatedMachine.started[-1] == "lab2 booted"


def test_a_machine_with_words_for_its_kernel_is_booted_and_the_saved_state_stays(prepared_lab, tmp_path):
    prepared_lab.machines(1, kernel_words="nosmp")
    assert SimulatedMachine.started == ["lab1 booted nosmp"]
    assert tmp_path.joinpath("saved-key").exists()


def test_an_ended_machine_is_no_longer_told_of_and_its_name_is_not_given_again(prepared_lab, tmp_path):
    first, second = prepared_lab.machines(2)
    prepared_lab.end(first)
    assert SimulatedMachine.started[-1] == "lab1 destroyed"
    assert session.runs.machine_commands(tmp_path / session.RUNS) == {"lab2": ["ssh", second.name]}
    assert [machine.name for machine in prepared_lab.machines(1)] == ["lab3"]


def test_run_directory_is_gone_with_the_lab(prepared_lab):
    assert prepared_lab.run.directory.is_dir()
    prepared_lab.close()
    assert not prepared_lab.run.directory.exists()
    prepared_lab.run = session.runs.Run(prepared_lab.run.directory.parent)


def lab_command(*arguments, home):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "XDG_CACHE_HOME": str(home)}
    command = [sys.executable, "-B", "-m", "tests.lab", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


def test_requirements_are_listed_without_any_of_them(tmp_path):
    result = lab_command("requirements", home=tmp_path)
    assert result.returncode == 0
    assert "qemu-system-x86" in result.stdout.split()


def test_kernels_are_listed(tmp_path):
    assert "6.1\tbookworm\t" in lab_command("kernels", home=tmp_path).stdout


def test_machine_that_is_not_up_is_one_sentence(tmp_path):
    result = lab_command("ssh", "lab7", home=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("lab: No machine lab7 is up")
    assert len(result.stderr.splitlines()) == 1


def test_no_machines_are_refused(tmp_path):
    result = lab_command("up", "0", home=tmp_path)
    assert result.returncode == 2
    assert "at least one machine" in result.stderr


def test_clean_leaves_a_living_run_alone(tmp_path):
    run = session.runs.Run(tmp_path / "kernel-livepatch/lab/runs")
    result = lab_command("clean", home=tmp_path)
    assert result.returncode == 2
    assert run.directory.exists()
    run.close()
    assert lab_command("clean", home=tmp_path).returncode == 0
    assert not tmp_path.joinpath("kernel-livepatch/lab").exists()
