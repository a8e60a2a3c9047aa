# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED: the steps of a rollout in the order of playbooks/rollout.yml, without Ansible, and hosts that answer them.

hosts: {name: {"kernel": release, step: how, or one of several times}}; what `how` can be is in ANSWERS, or it is the
answer itself.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.context import Call
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.state import read_record
from ansible_collections.kernel.livepatch.plugins.plugin_utils._rollout.steps import take_step

UNREACHABLE = {"unreachable": True, "msg": "Connection refused"}
HELD = [{"pid": 8, "tid": 8, "comm": "nginx", "kthread": False, "reason": "running", "function": None, "stack": []}]
KERNEL = "6.1.0-56-amd64"
SIX = [f"web{number}" for number in range(1, 7)]
# In the order of digests of these names, of which the first is the canary.
CANARY, SECOND, THIRD, *LAST = ["web2", "web6", "web1", "web3", "web4", "web5"]


def finding(code, level="blocker"):
    return {"code": code, "level": level, "subject": "fix", "message": f"This is {code}."}


def failed(code, **more):
    return {"failed": True, "code": code, "msg": f"This is {code}.", **more}


def patch(state, kernel=KERNEL):
    return {
        "name": "fix", "state": state, "previous_state": "absent", "kernel": kernel, "build_id": "b1",
        "sha256": "5" * 64, "replaces": [], "transition_seconds": 1.5,
        "objects": [{"name": "vmlinux", "patched": True, "functions": [{"name": "cmdline", "sympos": 1}]}]}


def checked(state="absent", **more):
    return {"compatible": True, "arch": "x86_64", "findings": [], "trial": None, "patch": patch(state), **more}


def loaded(state, **more):
    return {"changed": True, "patch": patch(state), "findings": [], "blockers": [], "transaction": "t1",
            "baseline": {"boot_id": "b", "uptime": 7.0}, **more}


def seen(state="enabled", well=True, findings=(), **more):
    return {"well": well, "state": state, "findings": list(findings), "blockers": [], "health": [], **more}


def verdict(looks=9, findings=(), health=()):
    """The verdict of a host's watch; `health`: for each check, how often it succeeded, failed, and failed in a row."""
    return {
        "looks": looks, "first": "2026-11-21T09:16:54Z" if looks else None, "findings": list(findings),
        "last": "2026-11-21T09:21:44Z" if looks else None,
        "health": [
            {"name": f"check {number}", "kind": "command", "ok": ok, "failed": bad, "in_a_row": in_a_row,
             "message": "It ended with status 0."} for number, (ok, bad, in_a_row) in enumerate(health, 1)]}


def kept(state="accepted", previous="enabled", boot_id="b", watch=None, **more):
    """A host that has accepted the patch."""
    return {
        "changed": True, "findings": [], "patch": dict(patch(state), previous_state=previous),
        "baseline": {"boot_id": boot_id, "uptime": 107.0}, "watch": watch or verdict(), **more}


def went(**more):
    return {"changed": True, "findings": [], "target": [], "removed": [{"name": "fix"}], "restored": [], **more}


ANSWERS = {
    "check": {
        "ok": checked(), "unreachable": UNREACHABLE, "no_build": checked("no_build", compatible=False),
        "blocked": checked(compatible=False, findings=[finding("wrong-release")]), "accepted": checked("accepted"),
        "trial": checked("enabled", trial={"name": "fix", "seconds_left": 50}), "enabled": checked("enabled"),
        "unchecked": failed("host-not-trusted"), "no_result": {}, "nonsense": {"compatible": 7}},
    "load": {
        "ok": loaded("enabled"), "unreachable": UNREACHABLE, "waiting": loaded("enabling", blockers=HELD),
        "failed": failed("refused-by-kernel", patch=patch("absent"), transaction="t1"),
        "stalled": failed("transition-stalled", patch=patch("absent"), blockers=HELD, transaction="t1"),
        "stuck": failed("reverse-stalled", patch=patch("disabling"), blockers=HELD, transaction="t1"),
        "no_build": loaded("no_build", changed=False), "no_result": {}, "nonsense": {"patch": []}},
    "look": {
        "ok": seen(), "unreachable": UNREACHABLE, "no_result": {}, "nonsense": {"well": "yes"},
        "ill": seen("absent", False, [finding("patch-not-running"), finding("watch-failed")],
                    watch=verdict(5, [finding("health-check-failed")], [(3, 2, 2)])),
        "rebooted": seen("absent", False, [finding("host-rebooted")]),
        "waiting": seen("enabling", False, [finding("transition-unfinished", "warning")], blockers=HELD)},
    "keep": {
        "ok": kept(), "failed": failed("not-verified"), "unreachable": UNREACHABLE,
        "reverted": failed("watch-failed", watch=verdict(5, [finding("health-check-failed")], [(3, 2, 2)])),
        "undecided": failed("watch-undecided", watch=verdict(5, [], [(4, 1, 1)])),
        "unwatched": failed("watch-not-run", watch=None),
        "rebooted": failed("trial-over", baseline={"boot_id": "c", "uptime": 3.0})},
    "back": {"ok": went(), "unreachable": UNREACHABLE, "failed": failed("transition-stalled")},
    "proof": {
        "ok": failed("nothing-enabled", patches=[], findings=[finding("nothing-enabled")]), "unreachable": UNREACHABLE},
}
REGISTERED = {"check": "__livepatch_check", "load": "__livepatch_load", "look": "__livepatch_watch",
              "keep": "__livepatch_accept", "back": "__livepatch_rollback", "proof": "__livepatch_verify"}
# Under which name a step returns the hosts of the next task.
NEXT = {"load": "load", "look": "watch", "keep": "accept"}
STEP_OF = {"user_tasks.yml": "watch", "look.yml": "watch", "accept.yml": "accept"}


class Rollout:
    """A rollout over hosts that are simulated; `calls` has the steps on hosts, `said` what was shown."""

    def __init__(self, hosts, directory, src, groups=None, check_mode=False, alone=False, **variables):
        self.hosts = hosts
        self.groups = groups or {}
        self.calls = []
        self.said = []
        self.clock = 1_790_000_000.0
        self.set_by = 0.0
        # What a host's tasks have registered, and variables of its own.
        self._registered = {name: dict(host.get("variables", {})) for name, host in hosts.items()}
        self._directory = Path(directory)
        self.options = {"livepatch_src": str(src), "livepatch_soak": 100, **variables}
        self._check_mode = check_mode
        self._alone = alone
        self._now = {}
        self._facts = {}
        self.ended = None
        # Files of phases before which something ends the batch, and hosts that Ansible drops from it after the load.
        self.ends_before, self.drops = set(), set()

    def run(self):
        """Everything that the playbook does; returns the record."""
        batch = list(self.hosts)
        self._step("check", batch)
        for host in batch:
            self._ask(host, "check")
        self._step("plan", batch)
        facts = self._facts["__livepatch_rollout"]
        names = facts["hosts"] or facts["hosts_with_phases"]
        for size in facts["sizes"]:
            wave, names = names[:size], names[size:]
            self._wave(wave, accepts=bool(facts["hosts"]) and not self._alone)
            if self._now["end"]:
                break
        self._step("finish", batch)
        back = self._facts["__livepatch_rollout"]["rollback"]
        self._back(back)
        if back:
            self._step("rollback", batch)
        self.ended = self._step("end", batch)
        return read_record(self._directory)

    def _wave(self, batch, accepts):
        """One wave; `accepts`: in the play in which the acceptance follows the load."""
        self._step("open", batch)
        self._each("load", batch)
        self._step("load", batch)
        if accepts and not (self._now["end"] or self._now["over"]):
            if "accept.yml" in self.ends_before:
                return
            batch = [host for host in batch if host not in self.drops]
            self._each("keep", batch)
            self._step("accept", batch)
        for phase in self._now["phases"] if self._now["turn"] else []:
            if phase["file"] in self.ends_before:
                return
            batch = [host for host in batch if host not in self.drops]
            self._phase(phase, batch)
            self._step(STEP_OF[phase["file"]], batch, phase["number"])
        if not self._now["end"] and self._now["rollback"]:
            self._back([host for host in batch if host in self._now["rollback"]])
            self._step("close", batch)

    def _phase(self, phase, batch):
        if phase["file"] == "user_tasks.yml":
            for host in batch:
                self._registered[host]["__livepatch_user_tasks_done"] = self.hosts[host].get(
                    "own_done", self._now["user_tasks_run"])
                self._registered[host].update(
                    {"__livepatch_user_tasks": self.hosts[host]["own"]} if "own" in self.hosts[host] else {})
            self.calls += [("tasks", host) for host in batch if host in self._now["watch"]]
            return
        self._each("look" if phase["file"] == "look.yml" else "keep", batch)

    def _back(self, hosts):
        for host in hosts:
            self._ask(host, "back")
            self._ask(host, "proof")

    def _each(self, step, batch):
        for host in batch:
            if host in self._now[NEXT[step]]:
                self._ask(host, step)

    def _ask(self, host, step):
        how = self.hosts[host].get(step, "ok")
        earlier = self.calls.count((step, host))
        self.calls.append((step, host))
        how = how[min(earlier, len(how) - 1)] if isinstance(how, list) else how
        if not isinstance(how, str) or how not in ANSWERS[step]:
            self._registered[host][REGISTERED[step]] = how
            return
        answer = dict(ANSWERS[step][how])
        if step == "keep" and how == "ok":
            health = [(9, 0, 0)] * len(self._now["health_checks"])
            answer = kept(self._now["accept_task"]["options"]["state"], watch=verdict(health=health))
        if "patch" in answer and isinstance(answer["patch"], dict):
            answer["patch"] = dict(answer["patch"], kernel=self.hosts[host].get("kernel", KERNEL))
        self._registered[host][REGISTERED[step]] = answer

    def _call(self, batch, phase=0):
        variables = {
            "hostvars": self._registered, "groups": self.groups, "ansible_play_batch": batch,
            "ansible_play_hosts": list(self.hosts), "ansible_play_hosts_all": list(self.hosts), "ansible_forks": 5}
        return Call(
            variables=variables, given=self.options, phase=phase, alone=self._alone, check_mode=self._check_mode,
            directory=self._directory, find=Path, say=lambda *lines: self.said.extend(lines),
            check_tasks=lambda _path, _option: None,
            now=lambda: self.clock + self.set_by, tick=lambda: self.clock, sleep=self._sleep)

    def _sleep(self, seconds):
        self.clock += seconds

    def _step(self, step, batch, phase=0):
        self._now = take_step(step, self._call(batch, phase))
        self._facts = self._now.get("ansible_facts", self._facts)
        return self._now
