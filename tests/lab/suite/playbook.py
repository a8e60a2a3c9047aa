# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks on machines of the lab as a user would, with ansible-playbook, and gives back what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]


class Outcome(t.NamedTuple):
    """The end of one run: exit code, what was printed, results by task name, round trips by kind, seconds by task.

    `cpu`: of the process that the run was asked to look at, its CPU seconds by task.
    """

    code: int
    output: str
    results: dict[str, dict]
    trips: list[str]
    seconds: dict[str, float]
    cpu: dict[str, float]

    @property
    def result(self) -> dict:
        """The result of the only task."""
        assert len(self.results) == 1, self.output
        return next(iter(self.results.values()))


def task(name: str, module: str, /, **options: t.Any) -> dict:
    """A task with a module of this collection."""
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    return {"name": name, f"kernel.livepatch.{module}": plain}


class Playbooks:
    """Writes and runs playbooks below one directory against one inventory."""

    def __init__(self, directory: Path, inventory: Path, look_at: int = 0) -> None:
        self._look_at = look_at
        self._directory = directory
        self._inventory = inventory
        namespace = directory / "collections" / "ansible_collections" / "kernel"
        namespace.mkdir(parents=True, exist_ok=True)
        link = namespace / "livepatch"
        if not link.is_symlink():
            link.symlink_to(CHECKOUT)

    def run(self, tasks: list[dict], host: str, *flags: str, **play: t.Any) -> Outcome:
        """Run tasks on one machine; `flags` go to ansible-playbook, `play` holds keywords of the play."""
        return self.run_playbook(self._written(tasks, host, **play), *flags)

    def begin(self, tasks: list[dict], host: str) -> subprocess.Popen[bytes]:
        """Start tasks on one machine, see `begin_playbook`."""
        return self.begin_playbook(self._written(tasks, host))

    def begin_playbook(self, playbook: str, *flags: str) -> subprocess.Popen[bytes]:
        """Start a playbook as `run_playbook` does, in a process group of its own that a test can kill."""
        files = {name: self._directory / name for name in ("outcomes", "trips")}
        with open(self._directory / "begun", "wb") as output:
            return subprocess.Popen(
                self._command(playbook, *flags), env=self._environment(files), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def run_playbook(self, playbook: str, *flags: str, start: Path | None = None) -> Outcome:
        """Run a playbook by its path, or by its name in the collection, from the directory `start`."""
        files = {name: self._directory / name for name in ("outcomes", "trips")}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        done = subprocess.run(
            self._command(playbook, *flags), cwd=start,
            env=self._environment(files), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        entries = [json.loads(line) for line in files["outcomes"].read_text(encoding="utf-8").splitlines()]
        return Outcome(
            done.returncode, done.stdout, {entry["task"]: entry["result"] for entry in entries},
            files["trips"].read_text(encoding="utf-8").split(), {entry["task"]: entry["seconds"] for entry in entries},
            {entry["task"]: entry["cpu"] for entry in entries})

    def _written(self, tasks: list[dict], host: str, **play: t.Any) -> str:
        file = self._directory / "play.yml"
        playbook = [{"name": "Suite", "hosts": host, "gather_facts": False, "tasks": tasks, **play}]
        file.write_text(yaml.safe_dump(playbook, sort_keys=False), encoding="utf-8")
        return str(file)

    def _command(self, playbook: str, *flags: str) -> list[str]:
        return [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self._inventory), *flags, playbook]

    def _environment(self, files: dict[str, Path]) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self._directory / "collections"),
            "ANSIBLE_CONFIG": str(HERE.parent / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "outcomes",
            "ANSIBLE_SSH_EXECUTABLE": str(HERE / "counting_ssh"),
            "ANSIBLE_SFTP_EXECUTABLE": str(HERE / "counting_sftp"),
            "ANSIBLE_SCP_EXECUTABLE": str(HERE / "counting_scp"),
            "OUTCOMES": str(files["outcomes"]),
            "LOOK_AT": str(self._look_at or ""),
            "TRIPS": str(files["trips"]),
        }
