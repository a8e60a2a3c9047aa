# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: stands in for the modules on the hosts of a rollout; the file behavior/HOST says what goes wrong there.

{"kernel": release, "check"|"begin"|"load"|"look"|"keep"|"back"|"end": how, or one of several times}, `how` being ok, an
answer itself, or

    each   hangs: it stands still, and its connection too
    check  blocked, unreachable, unchecked, no_build, accepted, trial
    begin  failed, unreachable (the mark of livepatch_before)
    load   failed, unreachable, stalled, waiting, no_build
    look   ill (its watch has failed, and it has reverted), unreachable, rebooted, waiting
    keep   failed, unreachable, reverted (its watch has failed), rebooted
    back   failed, unreachable
    end    failed, unreachable (the mark of livepatch_after)

A host with `facts` sets them in each of its answers. One with `says` has this text in place of its names and messages.

Each call is a line of calls.jsonl. What a host runs is in a file of its name below `fleet`, the run of its mark below
`marks`, and the steps that it was called for below `steps`. So a call costs the same in a fleet of any size, and at any
time of a run.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.bounded import BoundedAction
from ansible_collections.kernel.livepatch.plugins.plugin_utils._delivery.task_options import with_options

TEXTS = ("build_id", "comm", "message", "msg", "name", "subject", "transaction")  # of a host
STEPS = {"patch_check": "check", "patch_watch": "look", "patch_rollback": "back", "patch_verify": "proof"}


def finding(code, level="blocker"):
    return {"code": code, "level": level, "subject": "fix", "message": f"This is {code}."}


def failed(code, **more):
    return {"failed": True, "code": code, "msg": f"This is {code}.", **more}


def with_text(value, text):
    """The same answer with a text in place of each of its own."""
    if isinstance(value, dict):
        return {key: text if key in TEXTS and isinstance(one, str) else with_text(one, text)
                for key, one in value.items()}
    return [with_text(one, text) for one in value] if isinstance(value, list) else value


def append(file, line):
    """Add a line by one write, because all hosts write into one file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


class Host:
    """One simulated host: how it behaves, and what it runs, which is kept from call to call."""

    def __init__(self, name):
        self.said = json.loads(Path("behavior", name).read_text())
        self.file = Path("fleet", name)
        self.steps = Path("steps", name)
        self.mark = Path("marks", name)
        self.mark.parent.mkdir(exist_ok=True)
        self.state = self.file.read_text() if self.file.exists() else "absent"
        self.checks = Path(f"checks_{name.encode().hex()}.json")  # that it got with the load
        self.patch = {
            "name": "fix", "kernel": self.said.get("kernel", "6.1.0-56-amd64"), "build_id": "b1", "sha256": "5" * 64,
            "objects": [{"name": "vmlinux", "patched": True, "functions": [{"name": "cmdline", "sympos": 1}]}],
            "replaces": [], "transition_seconds": 1.5}

    def run(self, step, state):
        self.file.write_text(state)
        self.state = state

    def how(self, step):
        """How it behaves in this call, which is counted: a step can have another behavior each time."""
        earlier = self.steps.read_text().split().count(step) if self.steps.exists() else 0
        append(self.steps, step)
        how = self.said.get(step, "ok")
        return how[min(earlier, len(how) - 1)] if isinstance(how, list) else how

    def check(self, how):
        state = {"accepted": "accepted", "no_build": "no_build", "trial": "enabled"}.get(how, self.state)
        return {
            "compatible": how not in ("blocked", "no_build"), "arch": "x86_64",
            "findings": [finding("wrong-release")] if how == "blocked" else [],
            "trial": {"name": "fix", "seconds_left": 50} if how == "trial" else None,
            "hook": self.hook(),
            "patch": dict(self.patch, state=state)} if how != "unchecked" else failed("host-not-trusted")

    def hook(self):
        return {"run": self.mark.read_text(), "who": {}, "since": "x"} if self.mark.exists() else None

    def begin(self, how, run):
        if how == "failed":
            return failed("host-leased")
        self.mark.write_text(run)
        return {"changed": True, "hook": self.hook(), "findings": []}

    def end(self, how, _run):
        if how == "failed":
            return failed("hook-unwritable")
        self.mark.unlink(missing_ok=True)
        return {"changed": True, "hook": None, "findings": []}

    def verdict(self, *codes):
        """Of the watch of this host."""
        checks = json.loads(self.checks.read_text()) if self.checks.exists() else []
        return {
            "looks": 9, "first": "2026-11-21T09:16:54Z", "last": "2026-11-21T09:21:44Z",
            "findings": [finding(code) for code in codes],
            "health": [{"name": check["name"], "kind": "command", "ok": 9, "failed": 0, "in_a_row": 0,
                        "message": "It ended with status 0."} for check in checks]}

    def load(self, how):
        base = {"findings": [], "blockers": [], "transaction": "t1", "baseline": {"boot_id": "b", "uptime": 7.0}}
        if how in ("failed", "stalled"):
            base["patch"] = dict(self.patch, state="absent")
        if how == "failed":
            return failed("refused-by-kernel", **base)
        if how == "stalled":
            base["blockers"] = [
                {"pid": 8, "tid": 8, "comm": "nginx", "kthread": False, "reason": "running", "function": None}]
            return failed("transition-stalled", **base)
        if how == "no_build":
            return {**base, "patch": dict(self.patch, state="no_build")}
        self.run("load", "enabled")
        return {**base, "changed": True, "patch": dict(self.patch, state="enabling" if how == "waiting" else "enabled")}

    def look(self, how):
        well = {"well": True, "state": "enabled", "findings": [], "blockers": [], "health": []}
        if how == "ill":
            self.run("look", "absent")
            return dict(
                well, well=False, state="absent", findings=[finding("patch-not-running"), finding("watch-failed")],
                watch=self.verdict("health-check-failed"))
        if how == "rebooted":
            return dict(well, well=False, state="absent", findings=[finding("host-rebooted")])
        if how == "waiting":
            held = [{"pid": 8, "tid": 8, "comm": "nginx", "kthread": False, "reason": "running", "function": None}]
            return dict(
                well, well=False, state="enabling", blockers=held,
                findings=[finding("transition-unfinished", "warning")])
        return well

    def keep(self, how, wanted):
        if how == "failed":
            return failed("not-verified")
        if how in ("reverted", "rebooted"):
            self.run("keep", "absent")
        if how == "reverted":
            return failed("watch-failed", watch=self.verdict("health-check-failed"))
        if how == "rebooted":
            return failed("trial-over", baseline={"boot_id": "c", "uptime": 3.0})
        patch = dict(self.patch, state=wanted, previous_state=self.state)
        self.run("keep", wanted)
        return {"changed": True, "findings": [], "patch": patch, "watch": self.verdict(),
                "baseline": {"boot_id": "b", "uptime": 107.0}}

    def back(self, how):
        if how == "failed":
            return failed("transition-stalled")
        was, _state = self.state, self.run("back", "absent")
        return {
            "changed": was != "absent", "findings": [], "target": [],
            "removed": [{"name": "fix"}] if was != "absent" else [], "restored": []}

    def proof(self, _how):
        return failed("nothing-enabled", patches=[], findings=[finding("nothing-enabled")])


class SimulatedHost(ActionBase):
    """Answers as the host would; `unreachable` as a lost connection does, and `hangs` as a dead one."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self._task.args = with_options(self._task.args)
        name = task_vars["inventory_hostname"]
        module = self._task.action.rpartition(".")[2]
        step = STEPS.get(module) or ("load" if "trial" in self._task.args else "keep")
        if module == "patch_hook":
            step = {"begun": "begin", "ended": "end"}[self._task.args["state"]]
        line = json.dumps({"host": name, "step": step, "args": {key: str(one) for key, one in self._task.args.items()}})
        append(Path("calls.jsonl"), line)
        host = Host(name)
        how = host.how(step)
        if how == "unreachable":
            raise AnsibleConnectionFailure("Connection refused")
        if how == "hangs":
            return {**result, **hang()}
        if isinstance(how, dict):
            return {**result, **how}
        if step == "load":
            host.checks.write_text(json.dumps(self._task.args["watch"]["health_checks"]))
        wanted = (self._task.args.get("state"),) if step == "keep" else ()
        if step in ("begin", "end"):
            wanted = (self._task.args["via_controller"]["run"],)
        facts = {"ansible_facts": host.said["facts"]} if "facts" in host.said else {}
        answer = getattr(host, step)(how, *wanted)
        if "says" in host.said:
            answer = with_text(answer, host.said["says"])
        return {**result, "changed": False, **answer, **facts}


def hang():
    """Stand still for ever; the bound of the task is over at once, and a task without one fails."""
    if not signal.getitimer(signal.ITIMER_REAL)[0]:
        return {"failed": True, "code": "no-bound", "msg": "This task would wait for ever."}
    signal.raise_signal(signal.SIGALRM)
    return {"failed": True, "code": "no-end", "msg": "The end of the bound did not end the task."}


class ActionModule(BoundedAction, SimulatedHost):
    """As each module of the collection has it."""
