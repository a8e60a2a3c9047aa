# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a job as AWX does: ansible-runner over a private data directory with the same files.

Source: AWX at e21dd0a (October 2024), awx/main/tasks/jobs.py (RunJob), awx/main/models/inventory.py (get_script_data)
and awx/main/models/unified_jobs.py (awx_meta_vars). Not as in AWX: there is no container, and ansible-runner reads the
files itself. `run` does in one process what AWX does with a worker; `run_streamed` has one too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "docsite" / "rst" / "guide_awx.rst"
LONGEST = 300  # seconds: an end for a run that hangs, where hosts are simulated
LOOK_SECONDS = 0.2
IDENT = "7"
# Variables of every job that a person launches, as awx_meta_vars has them; tower_* have the same values.
META = {
    "job_id": 7, "job_launch_type": "manual", "user_id": 1, "user_name": "admin", "user_email": "",
    "user_first_name": "", "user_last_name": "", "inventory_id": 2, "inventory_name": "Fleet",
    "project_revision": "4f1c", "project_scm_branch": "", "job_template_id": 9, "job_template_name": "Rollout",
    "execution_node": "awx-1"}


class _Unsafe(yaml.SafeDumper):
    """As awx/main/utils/safe_yaml.py: each text is marked, so that Ansible follows no template in it."""

    def represent_data(self, data: t.Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


class Ended(t.NamedTuple):
    """The end of a job: exit code and status of ansible-runner, output, events in order, and the job's artifacts.

    The exit code is that of ansible-runner, and its file `rc` has the same.
    """

    code: int
    status: str
    output: str
    events: list[dict[str, t.Any]]
    artifacts: dict[str, t.Any]


class Job:
    """One job in a private data directory. `directory/project` can have more files of the project.

    `hosts`: host variables by host. `groups`: hosts by group. `answers`: what AWX writes as extra variables. `meta`:
    differences to META, None for a job of ansible-runner alone. `passwords`: answers of the runner to prompts.
    `longest`: seconds that it may take. `timeout`: of the job template, 0 for none. `facts`: of hosts, as fact storage
    has them.
    """

    def __init__(
            self, directory: Path, collections: Path, hosts: Mapping[str, Mapping[str, t.Any]],
            answers: Mapping[str, t.Any], flags: Iterable[str] = (), groups: Mapping[str, list[str]] | None = None,
            meta: Mapping[str, t.Any] | None = (), passwords: Mapping[str, str] | None = None,
            longest: float = LONGEST, timeout: int = 0,
            facts: Mapping[str, Mapping[str, t.Any]] | None = None) -> None:
        self.directory = self.place = directory  # it runs in `place`
        self._longest = longest
        self._process: subprocess.Popen[bytes] | None = None
        project = directory / "project"
        # AWX gives each job a directory of its own.
        shutil.rmtree(directory / "artifacts", ignore_errors=True)
        for folder in (project, directory / "inventory", directory / "env"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in project_files().items():
            (project / name).write_text(text, encoding="utf-8")
        self._write_inventory(hosts, groups or {})
        of_job = meta is not None
        variables = dict(answers)
        if of_job:
            values = {**META, **dict(meta)}
            variables |= {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in values.items()}
        dumped = yaml.dump_all([variables], None, Dumper=_Unsafe, default_flow_style=False)
        of_awx = {
            "AWX_PRIVATE_DATA_DIR": str(directory), "AWX_HOST": "https://awx.example.com", "JOB_ID": IDENT,
            "INVENTORY_ID": "2", "PROJECT_REVISION": "4f1c", "MAX_EVENT_RES": "700000"} if of_job else {}
        # AWX asks for a cancel once a second.
        settings = {"job_timeout": timeout, "suppress_ansible_output": True, "pexpect_timeout": 1}
        given = {
            "extravars": dumped, "cmdline": shlex.join(["-u", "root", *flags]), "settings": json.dumps(settings),
            "passwords": json.dumps(passwords or {}),
            "envvars": json.dumps({
                **of_awx, "ANSIBLE_RETRY_FILES_ENABLED": "False", "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"})}
        for name, text in given.items():
            (directory / "env" / name).write_text(text, encoding="utf-8")
        # awx/main/tasks/facts.py, start_fact_cache
        cache = directory / "artifacts" / IDENT / "fact_cache"
        for host, known in (facts or {}).items():
            cache.mkdir(parents=True, exist_ok=True)
            (cache / host).write_text(json.dumps(known), encoding="utf-8")

    def _write_inventory(self, hosts: Mapping[str, Mapping[str, t.Any]], groups: Mapping[str, list[str]]) -> None:
        of_awx = {"remote_tower_enabled": "true", "remote_host_enabled": "true"}
        data = {
            "all": {"hosts": list(hosts), "children": list(groups)},
            **{name: {"hosts": members} for name, members in groups.items()},
            "_meta": {"hostvars": {
                name: {**variables, **of_awx, "remote_tower_id": number, "remote_host_id": number}
                for number, (name, variables) in enumerate(hosts.items(), 1)}}}
        script = self.directory / "inventory" / "hosts"
        script.write_text(f"#! {sys.executable}\n# -*- coding: utf-8 -*-\nprint({json.dumps(data)!r})\n", "utf-8")
        script.chmod(0o700)

    def run(self, playbook: str) -> Ended:
        """Run a playbook of the project to its end."""
        return self.end(self.begin(playbook))

    def begin(self, playbook: str) -> subprocess.Popen[bytes]:
        self._process = self._start("run", str(self.directory), "-p", playbook, "--ident", IDENT, "-q")
        return self._process

    def run_streamed(self, playbook: str) -> Ended:
        """Run a playbook on a worker, which gets a copy of the directory, and sends back the events and artifacts."""
        ident = ("--ident", IDENT)
        self.place = self.directory.with_name(f"{self.directory.name}-worker")
        shutil.rmtree(self.place, ignore_errors=True)
        transmit = self._start("transmit", str(self.directory), "-p", playbook, *ident, output=subprocess.PIPE)
        worker = self._start(
            "worker", "--private-data-dir", str(self.place), given=transmit.stdout, output=subprocess.PIPE)
        process = self._start("process", str(self.directory), *ident, given=worker.stdout)
        for sender in (transmit, worker):
            sender.stdout.close()
        self._process = worker
        self._wait_for(process)
        assert (transmit.wait(), process.wait()) == (0, 0)
        return self.end(worker)

    def _start(self, *arguments: str, given: t.Any = subprocess.DEVNULL, output: int = subprocess.DEVNULL) -> \
            subprocess.Popen[bytes]:
        programs = Path(sys.executable).parent
        # As a service starts it: without the terminal and the marks of whoever runs the tests.
        environment = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.Popen(
            [str(programs / "ansible-runner"), *arguments], stdin=given, stdout=output, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**environment, "PATH": f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin"})

    def cancel(self, process: subprocess.Popen[bytes]) -> Ended:
        """End the runner as AWX does it, and wait for everything that it has started."""
        process.send_signal(signal.SIGTERM)
        ended = self.end(process)
        self.wait(lambda: not self.processes())
        return ended

    def stop(self) -> None:
        """End what a failed test has left."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def end(self, process: subprocess.Popen[bytes]) -> Ended:
        self._wait_for(process)
        place = self.directory / "artifacts" / IDENT
        read = [json.loads(file.read_text()) for file in (place / "job_events").glob("*-*.json")]
        events = sorted(read, key=lambda event: event["counter"])
        artifacts: dict[str, t.Any] = {}
        for event in events:
            artifacts.update(event.get("event_data", {}).get("artifact_data", {}))
        code = int((place / "rc").read_text())
        assert code == process.returncode, self.output()
        return Ended(code, (place / "status").read_text(), _text(place / "stdout"), events, artifacts)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(self._longest)
        except subprocess.TimeoutExpired:
            self.stop()
            process.wait()
            raise AssertionError(f"It did not end: {self.output()}") from None

    def output(self) -> str:
        """What the job has shown so far."""
        return _text(self.place / "artifacts" / IDENT / "stdout")

    def processes(self) -> list[int]:
        """The processes that the runner has started and that still run, also those with a new parent."""
        mark = f"AWX_ISOLATED_DATA_DIR={self.place}/".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has ended
                continue
        return found

    def wait(self, condition: Callable[[], t.Any]) -> None:
        end = time.monotonic() + self._longest
        while not condition():
            assert time.monotonic() < end, self.output()
            time.sleep(LOOK_SECONDS)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n") if file.exists() else ""


def examples() -> list[str]:
    """The examples of the guide to AWX, in their order."""
    blocks = re.findall(r"^\.\. code-block:: \w+\n\n((?: {4}.*\n|\n)+)", GUIDE.read_text("utf-8"), re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks]


def example(begin: str) -> str:
    """The example of the guide that begins with a text."""
    block, = (block for block in examples() if block.startswith(begin))
    return block


def survey() -> dict[str, t.Any]:
    return json.loads(example('{"name"'))


def survey_defaults() -> dict[str, t.Any]:
    """The answers of a person who changes none, as awx/main/models/mixins.py adds them to the extra variables."""
    return {question["variable"]: question["default"] for question in survey()["spec"]}


def project_files() -> dict[str, str]:
    """The project of the guide, with a playbook for each of the collection's that AWX can start."""
    rollout = example("# rollout.yml")
    names = ("apply", "preflight", "rollback", "rollout", "status")
    return {
        "ansible.cfg": example("# ansible.cfg"), "report.yml": example("- name: Report the result"),
        **{f"{name}.yml": rollout.replace("kernel.livepatch.rollout", f"kernel.livepatch.{name}") for name in names}}
