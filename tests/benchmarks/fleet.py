# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of simulated hosts, on which playbooks run as on real ones; see simulated/connection_plugins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
FORKS = 10
PING = [{"hosts": "all", "gather_facts": False, "tasks": [{"name": "Ping", "ansible.builtin.ping": None}]}]
SHOWN = re.compile(
    r"^(?:ok|changed|skipping|fatal|failed|unreachable): \[([^\] ]+)|^included: .* for (.*)$", re.MULTILINE)


class Run(t.NamedTuple):
    """The end of a run: exit code, output, CPU seconds of all its processes, largest memory of one in bytes."""

    code: int
    output: str
    cpu: float
    memory: int


class Fleet:
    """`count` simulated hosts below a directory; every run is of this collection with this ansible-core."""

    def __init__(self, directory: Path, count: int, patch: Path) -> None:
        self.directory = directory
        self.names = [f"host{number:05}" for number in range(count)]
        for name in ("calls", "collections/ansible_collections/kernel"):
            (directory / name).mkdir(parents=True)
        (directory / "collections/ansible_collections/kernel/livepatch").symlink_to(CHECKOUT)
        hosts = {"hosts": {name: {} for name in self.names}, "vars": {
            "ansible_connection": "simulated", "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3"}}
        self._write("hosts.yml", json.dumps({"all": hosts}))
        self._write("ping.yml", yaml.safe_dump(PING))
        self._write("answers.json", json.dumps(answers()))
        self._write("fix.ko", patch.read_bytes())
        self._write("ansible.cfg", f"[defaults]\nforks = {FORKS}\n[connection]\npipelining = true\n")

    def _write(self, name: str, content: str | bytes) -> None:
        (self.directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def ping(self) -> Run:
        """One task of Ansible itself on each host."""
        return self.play("ping.yml")

    def rollout(self, profile_in: Path | None = None, **variables: t.Any) -> Run:
        """A rollout without a soak, so that only work is measured, in the default waves."""
        return self.play("kernel.livepatch.rollout", profile_in, **{
            "livepatch_src": "fix.ko", "livepatch_soak": 0, "livepatch_looks": 0, **variables})

    def rollout_in_shards(self, of: int) -> list[Run]:
        """The same rollout as shards beside each other, each with a controller of its own."""
        self._forget_calls()
        shared = self.directory / f"shards-{len(list(self.directory.glob('shards-*')))}"
        started = [
            self._start("kernel.livepatch.rollout", f"output-{number}", livepatch_src="fix.ko", livepatch_soak=0,
                        livepatch_looks=0, livepatch_shard=f"{number}/{of}", livepatch_shard_dir=str(shared))
            for number in range(1, of + 1)]
        return [self._end("rollout", f"output-{number}", process) for number, process in enumerate(started, 1)]

    def play(self, playbook: str, profile_in: Path | None = None, **variables: t.Any) -> Run:
        """Run a playbook; raises RuntimeError if it fails. With a directory, see profiling.py."""
        self._forget_calls()
        return self._end(playbook, "output", self._start(playbook, "output", profile_in, **variables))

    def _forget_calls(self) -> None:
        for file in (self.directory / "calls").iterdir():
            file.unlink()

    def _start(
            self, playbook: str, log: str, profile_in: Path | None = None,
            **variables: t.Any) -> subprocess.Popen[bytes]:
        profiled = [sys.executable, str(HERE / "profiling.py"), "--run", str(profile_in)] if profile_in else []
        command = [
            *profiled, str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml",
            "-e", json.dumps(variables), playbook]
        with open(self.directory / log, "w+b") as output:
            return subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=dict(os.environ, ANSIBLE_CONFIG="ansible.cfg", ANSIBLE_NOCOLOR="1",
                         ANSIBLE_COLLECTIONS_PATH=str(self.directory / "collections"),
                         ANSIBLE_CONNECTION_PLUGINS=str(HERE / "simulated" / "connection_plugins")))

    def _end(self, playbook: str, log: str, process: subprocess.Popen[bytes]) -> Run:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        text = (self.directory / log).read_text()
        if process.returncode:
            raise RuntimeError(f"{playbook} failed on the simulated fleet:\n{text[-4000:]}")
        return Run(process.returncode, text, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)

    def calls(self, name: str) -> list[tuple[str, int]]:
        """What the controller sent to a host in the last run: steps, in order, and their bytes."""
        lines = (line.split() for line in (self.directory / "calls" / name).read_text().splitlines())
        return [(step, int(size)) for step, size in lines]


def shown_for_each(output: str, hosts: t.Sequence[str]) -> float:
    """Task lines that a run shows for one host, on average; tasks of the controller count for the host they name."""
    known = set(hosts)
    lines = sum(
        len(known.intersection(names.split(", "))) for match in SHOWN.findall(output) for names in match if names)
    return lines / len(hosts)


def skipped(output: str) -> int:
    """How many task lines say `skipping`."""
    return len(re.findall(r"^skipping: \[host", output, re.MULTILINE))


def answers() -> dict[str, t.Any]:
    """What a host answers in each step: the samples of the documentation, with the values of a clean rollout."""
    from ansible_collections.kernel.livepatch.tests.unit.plugins.plugin_utils.simulation.honest_answers import honest

    baseline = {**honest("patch")["baseline"], "boot_id": "b", "uptime": 100.0}

    def patch(state: str, previous: str) -> dict[str, t.Any]:
        return {**honest("patch")["patch"], "name": "fix", "state": state, "previous_state": previous}
    verdict = {**honest("patch")["watch"], "findings": [], "health": [], "calls": []}
    plain = {"findings": [], "blockers": []}
    return {
        "ping": {"ping": "pong", "changed": False},
        "check": honest(
            "patch_check", compatible=True, has_file=False, findings=[], trial=None, patch=patch("absent", "absent")),
        "load": honest("patch", **plain, changed=True, patch=patch("enabled", "absent"), baseline=baseline, watch=None),
        "keep": honest(
            "patch", **plain, changed=True, patch=patch("accepted", "enabled"), baseline=baseline, watch=verdict),
        "look": honest("patch_watch", **plain, well=True, state="enabled", health=[], watch=verdict),
    }
