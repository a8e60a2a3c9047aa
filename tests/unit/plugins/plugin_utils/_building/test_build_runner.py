# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several builds at once: the bound, progress, failures and the end of the time, on a clock of the test."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.kernel.livepatch.plugins.plugin_utils._building.runner import (
    LOOK_SECONDS,
    SHOW_SECONDS,
    Runner,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.build import summarize_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.errors import TaskError


class SimulatedBuild:
    """A build that takes a number of looks; `most` is how many have run at once."""

    running = most = 0

    def __init__(self, looks, fails_at=None, steps=("building",)):
        self.looks, self.fails_at, self.steps, self.seen = looks, fails_at, steps, 0
        self.result = self.answer = None
        self.is_running = False

    def start(self):
        self.answer = {"job": "x"}
        self._change(self.looks > 0)
        self._go()

    def look(self):
        self.seen += 1
        self._go()

    def _go(self):
        if self.seen == self.fails_at:
            self._change(False)
            raise TaskError("changed", "It did not work.")
        if self.seen >= self.looks:
            self.result = {"state": "built"}
            self._change(False)
        self.answer["progress"] = {"step": self.steps[min(self.seen, len(self.steps) - 1)]}

    def _change(self, running):
        SimulatedBuild.running += running - self.is_running
        SimulatedBuild.most = max(SimulatedBuild.most, SimulatedBuild.running)
        self.is_running = running

    def leave(self, waited):
        self.result = {"state": "running", "waited": waited}

    def progress_line(self):
        return self.answer["progress"]["step"]


@pytest.fixture
def run():
    """run(builds, parallel, seconds): the lines that are shown, each with its time."""
    SimulatedBuild.running = SimulatedBuild.most = 0

    def run_builds(builds, parallel=9, seconds=None):
        clock, lines = [0.0], []
        Runner(builds, parallel, seconds, lambda line: lines.append((clock[0], line)), lambda: clock[0],
               lambda pause: clock.__setitem__(0, clock[0] + pause)).run()
        return lines
    return run_builds


@pytest.mark.parametrize("parallel, most", [(1, 1), (2, 2), (9, 5)])
def test_no_more_builds_run_at_once_than_allowed(run, parallel, most):
    builds = [SimulatedBuild(looks) for looks in (3, 1, 2, 5, 4)]
    run(builds, parallel)
    assert SimulatedBuild.most == most
    assert all(build.result == {"state": "built"} for build in builds)


def test_a_failed_build_does_not_stop_the_others(run):
    builds = [SimulatedBuild(5, fails_at=0), SimulatedBuild(5, fails_at=2), SimulatedBuild(3)]
    run(builds, 2)
    assert [build.result.get("code") for build in builds] == ["changed", "changed", None]
    assert builds[1].result["failed"] is True and builds[1].result["job"] == "x"


def test_progress_is_shown_at_each_step_and_every_ten_seconds(run):
    lines = run([SimulatedBuild(20, steps=("a", "a", "a", "b"))])
    assert lines[0] == (0.0, "a") and (3.0 * LOOK_SECONDS, "b") in lines
    times = [when for when, _line in lines]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < SHOW_SECONDS + LOOK_SECONDS
    assert len(lines) < 12


@pytest.mark.parametrize("seconds, waited", [(0, 0), (10, 10)])
def test_a_build_goes_on_when_the_time_is_over(run, seconds, waited):
    build = SimulatedBuild(1000)
    run([build], seconds=seconds)
    assert build.result == {"state": "running", "waited": waited}
    assert build.seen <= 4


FINDING = {"code": "ibt-unsupported", "level": "blocker", "subject": "x", "message": "No.\nNever."}


def test_a_summary_has_a_line_for_each_kernel():
    built = {"state": "built", "file": "patches/6.1/fix.ko", "build": {"release": "6.1.0", "tool": "kpatch-build"},
             "progress": {"seconds": 250}, "job": "fix-1"}
    refused = {"failed": True, "code": "ibt-unsupported", "msg": "No.\nNever.", "findings": [FINDING]}
    failed = {"failed": True, "code": "build-compile-error", "msg": "It does not compile.", "findings": []}
    planned = {"state": "planned", "build": {"release": "7.2", "tool": "klp-build", "name": "fix"}}
    unchanged = {"state": "unchanged", "file": "patches/6.2/fix.ko", "build": {"release": "6.2"}}
    summary = summarize_builds(["a", "b", "c", "d", "e", "f"], [built, refused, failed, planned, unchanged, {}])
    assert summary["lines"] == [
        "6.1.0: built: patches/6.1/fix.ko (kpatch-build, 4 min)", "b: refused: ibt-unsupported: No. Never.",
        "c: failed: build-compile-error: It does not compile.", "7.2: planned: fix with klp-build",
        "6.2: unchanged: patches/6.2/fix.ko", "f: failed: no reason given",
        "6 kernels: 1 built, 1 unchanged, 1 planned, 1 refused, 2 failed"]
    assert summary["ok"] is False and summary["kernels"][0]["job"] == "fix-1"
    assert [one["findings"] for one in summary["kernels"]] == [[], [FINDING], [], [], [], []]
    assert summarize_builds(["a"], [built])["ok"] is True


@pytest.mark.parametrize(("stderr", "words"), [
    ("sudo: a password is required\n", "No result. (sudo: a password is required)"), ("", "No result.")])
def test_a_summary_says_why_no_module_ran(stderr, words):
    result = {"failed": True, "changed": False, "msg": "Task failed: No result.", "module_stderr": stderr, "rc": 1}
    summary = summarize_builds(["6.1"], [result])
    assert summary["lines"] == [f"6.1: failed: {words}", "1 kernel: 1 failed"]
    assert summary["kernels"][0]["message"] == words


def test_a_summary_has_every_finding_and_the_log_because_nothing_else_shows_them():
    fuzz = {"code": "source-with-fuzz", "level": "warning", "subject": "x", "message": "It does not\nfit."}
    other = {"code": "tool-missing", "level": "blocker", "subject": "y", "message": "Install it."}
    refused = {"failed": True, "code": "ibt-unsupported", "msg": "No. (1 more in findings.)",
               "findings": [fuzz, FINDING, other]}
    planned = {"state": "planned", "build": {"release": "7.2", "tool": "klp-build", "name": "fix"}, "findings": [fuzz]}
    failed = {"failed": True, "code": "build-failed", "msg": "It failed.", "findings": [fuzz], "log_path": "/srv/log"}
    assert summarize_builds(["a", "b", "c"], [refused, planned, failed])["lines"] == [
        "a: refused: ibt-unsupported: No. Never.", "  warning source-with-fuzz: It does not fit.",
        "  blocker tool-missing: Install it.",
        "7.2: planned: fix with klp-build", "  warning source-with-fuzz: It does not fit.",
        "c: failed: build-failed: It failed.", "  warning source-with-fuzz: It does not fit.",
        "  log on the build host: /srv/log", "3 kernels: 1 planned, 1 refused, 1 failed"]
