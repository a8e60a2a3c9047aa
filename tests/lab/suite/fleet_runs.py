# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collection's playbooks over a fleet of the lab, and compares how its hosts ended with what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import typing as t
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from fleet import ENABLED, HEALTH_CHECK, WAVES, Fleet
from playbook import Outcome, Playbooks

# Variables of a rollout, without `livepatch_`, for emulated machines that share two cores and are slow.
USUAL = {
    "waves": WAVES, "soak": 5, "transition_timeout": 15, "trial": 900,
    "health_checks": [{"name": "well", "command": HEALTH_CHECK}],
}


# What the JSON of a report leaves out for a host without it.
OWN = ("transaction", "loaded_at", "transition_seconds", "trial_ends", "watch")
# A trial for those who wait for its end.
SHORT = 300


class Ended(t.NamedTuple):
    """The end of a run: exit code, what was printed, the record of a JSON report, and the artifacts by their names."""

    code: int
    output: str
    record: dict[str, t.Any]
    artifacts: dict[str, t.Any]


class Runs:
    """Each run has a directory of its own, with its report. Variables are named without `livepatch_`."""

    def __init__(self, fleet: Fleet, directory: Path, inventory: Path, pool: ThreadPoolExecutor) -> None:
        self._fleet = fleet
        self._directory = directory
        self._inventory = inventory
        self._pool = pool
        self._begun = 0

    def rollout(self, src: Path, *flags: str, **variables: t.Any) -> Ended:
        return self.playbook("rollout", *flags, **self._of_rollout(src, variables))

    def start_rollout(self, src: Path, **variables: t.Any) -> Future[Ended]:
        """Run a rollout while the test goes on."""
        return self._pool.submit(self.rollout, src, **variables)

    def begin_rollout(self, src: Path, **variables: t.Any) -> subprocess.Popen[bytes]:
        """Begin a rollout for `kill`."""
        playbooks, flags = self._next(self._of_rollout(src, variables))
        return playbooks.begin_playbook("kernel.livepatch.rollout", *flags)

    def playbook(self, name: str, *flags: str, **variables: t.Any) -> Ended:
        playbooks, more = self._next(variables)
        reports = self.reports
        outcome = playbooks.run_playbook(f"kernel.livepatch.{name}", *more, *flags)
        records = list(reports.glob(f"livepatch-{name}-*.json"))
        artifacts: dict[str, t.Any] = {}
        for result in outcome.results.values():
            artifacts.update(result.get("ansible_stats", {}).get("data", {}))
        record = json.loads(records[0].read_text(encoding="utf-8")) if records else {}
        for host, own in record.get("hosts", {}).items():  # what is the same on several hosts stands once
            record["hosts"][host] = {**dict.fromkeys(OWN), **record["groups"][own["group"]], **own}
        return Ended(outcome.code, outcome.output, record, artifacts)

    def tasks(self, tasks: list[dict], names: Iterable[str]) -> Outcome:
        """Run tasks, which have to succeed."""
        playbooks, flags = self._next({})
        outcome = playbooks.run(tasks, ",".join(names), *flags)
        assert outcome.code == 0, outcome.output
        return outcome

    @property
    def reports(self) -> Path:
        """Where the last run has left its report."""
        return self._directory / f"run{self._begun}" / "reports"

    def _of_rollout(self, src: Path, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**USUAL, "src": str(src), **variables}

    def _next(self, variables: dict[str, t.Any]) -> tuple[Playbooks, list[str]]:
        self._begun += 1
        extra = {f"livepatch_{name}": value for name, value in {**variables, "report_dir": str(self.reports)}.items()}
        flags = ["--forks", str(len(self._fleet.names)), "--extra-vars", json.dumps(extra)]
        return Playbooks(self.reports.parent, self._inventory), flags


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a run with all that it has started."""
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class End(t.NamedTuple):
    """A way for a host to end: its state in the record, whether its kernel runs the patch, and the next boot loads it,
    and whether its journal may tell of anything."""

    state: str
    kept: bool = False
    touched: bool = True


ENDS = {
    "accepted": End("accepted", kept=True),
    "back": End("rolled_back"),
    "refused": End("unchanged"),
    "unreachable": End("reverting"),
    "untouched": End("pending", touched=False),
    "no_build": End("no_build", touched=False),
}


def assert_ends(fleet: Fleet, ended: Ended, patch: str, **hosts: Iterable[str]) -> None:
    """Each host of the fleet ended in the way that it is named for, in the record and by its own word."""
    ways = {name: ENDS[way] for way, names in hosts.items() for name in names}
    assert sorted(ways) == sorted(fleet.names)
    assert {name: host["state"] for name, host in ended.record["hosts"].items()} == {
        name: end.state for name, end in ways.items()}, ended.output
    for name, told in fleet.tell().items():
        end = ways[name]
        assert told.patches == ({patch: ENABLED} if end.kept else {}), (name, told, ended.output)
        assert told.accepted == ([patch] if end.kept else []), (name, told, ended.output)
        assert told.changes == 0 or end.touched, (name, told, ended.output)


def failures(ended: Ended) -> dict[str, tuple[str | None, str]]:
    """The hosts that failed, each with the code of its failure and the step that it was in."""
    return {
        name: (host["failure"]["code"], host["failure"]["step"])
        for name, host in ended.record["hosts"].items() if host["failure"]}


def states_of_waves(ended: Ended) -> list[str]:
    return [wave["state"] for wave in ended.record["waves"]]
