# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIMULATED records of rollouts, for tests of reports and to look at: no such host was ever patched.

`python example_records.py DIRECTORY` writes the report of each, where the collection can be imported.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import datetime, timezone

# What the JSON of a report leaves out for a host without it.
OWN = ("transaction", "loaded_at", "transition_seconds", "trial_ends", "watch")
START = datetime(2026, 11, 21, 16, 2, 11, tzinfo=timezone.utc).timestamp()
BUILD_ID = "5d7c0b0ec5b1c2d6b7e1f0a9d8c7b6a5f4e3d2c1"
PATCH = "livepatch_cve_2026_1234"
KERNELS = ("6.1.0-56-amd64", "6.12.96+deb13-amd64")
OLD_KERNEL = "5.10.0-46-amd64"
FUNCTIONS = {
    "vmlinux": ("nf_tables_newrule", "nf_tables_delrule", "nft_chain_validate", "tcp_v4_rcv", "sk_psock_destroy"),
    "ext4": ("ext4_mb_new_blocks", "ext4_ext_insert_extent"),
}
ROLES = ("web", "db", "cache", "mail", "build")
STALLED = (
    "transition-stalled",
    "The transition of livepatch_cve_2026_1234 did not end within 90 s and was reversed. It was held by nginx "
    "(pid 4711) asleep in tcp_v4_rcv. The patch was unloaded. For nginx, stop or restart its service. Then run again.")
BLOCKER = {
    "pid": 4711, "tid": 4711, "comm": "nginx", "kthread": False, "function": "tcp_v4_rcv",
    "reason": "sleeps in a function that is patched",
    "stack": ["tcp_v4_rcv+0x1c/0xc20", "ip_protocol_deliver_rcu+0x32/0x1a0", "ip_local_deliver+0x6e/0xf0"]}
WARNED = {
    "code": "kernel-tainted", "level": "warning", "subject": "P",
    "message": "The kernel is tainted by a proprietary module: a crash would be hard to tell from one of the patch."}
NOTED = {
    "code": "sleepers", "level": "note", "subject": "tcp_v4_rcv",
    "message": "3 tasks sleep in functions that are patched, so the transition may take up to 15 s longer."}


def read(text):
    """The record in the JSON of a report, with every key of each host: those of its group, its own, and null."""
    made = json.loads(text)
    groups = made.pop("groups")
    for name, host in made["hosts"].items():
        made["hosts"][name] = {**dict.fromkeys(OWN), **groups[host.pop("group")], **host}
    return made


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def names_of(count):
    return [f"{ROLES[number % len(ROLES)]}{number // len(ROLES) + 1}.sim.example" for number in range(count)]


def functions(state):
    return [
        {"object": place, "name": name, "sympos": 1, "state": state} for place, names in FUNCTIONS.items()
        for name in names]


def host(kernel, **more):
    return {
        "wave": None, "kernel": kernel, "arch": "x86_64", "cohort": f"{kernel} x86_64", "state": "pending",
        "failure": None, "patch": PATCH, "build_id": BUILD_ID, "sha256": "4f" * 32,
        "transaction": None, "functions": functions("absent"), "loaded_at": None, "transition_seconds": None,
        "trial_ends": None, "accepted_at": None, "back_at": None, "findings": [], "blockers": [], "health": [],
        "watch": None, **more}


def record(hosts, waves=(), **more):
    """A record around some hosts and waves; counts and the like follow from them."""
    failures = [name for name, one in hosts.items() if one["failure"]]
    states = [one["state"] for one in hosts.values()]
    builds = [
        {"release": kernel, "arch": "x86_64", "sha256": "4f" * 32, "build_id": BUILD_ID,
         "file": f"{kernel}/{PATCH}.ko",
         "objects": [
             {"name": place, "functions": [{"name": name, "sympos": 1} for name in names]}
             for place, names in FUNCTIONS.items()]} for kernel in KERNELS]
    members = {title: [name for name, one in hosts.items() if one["cohort"] == title]
               for title in sorted({one["cohort"] for one in hosts.values() if one["cohort"]})}
    return {
        "schema": 1, "kind": "rollout", "id": "20261121T160211Z-1a2b3c", "started": iso(START),
        "ended": iso(START + 1500), "operator": {"user": "alice", "node": "simulated"}, "check_mode": False,
        "outcome": "complete", "ok": not failures,
        "options": {
            "src": "/srv/patches", "name": None, "state": "accepted", "soak": 300, "trial": 640,
            "transition_timeout": 90, "on_stall": "reverse", "budget": {"asked": "5%", "hosts": len(hosts) // 20},
            "on_breach": "rollback_wave", "waves": ["canary", "10%", "50%", "100%"], "approve": [], "approved": [],
            "cohort_by": [], "health_checks": [
                {"name": "site", "url": "http://localhost/healthz", "timeout": 10},
                {"name": "postfix", "unit": "postfix.service", "timeout": 10}]},
        "patches": [{
            "name": PATCH, "summary": "SIMULATED: two use-after-frees in nf_tables and ext4",
            "advisory": "https://security.example/advisories/2026-1234",
            "cves": ["CVE-2026-1234", "CVE-2026-1301"], "builds": builds}],
        "cohorts": [{"title": title, "kernel": title.split()[0], "arch": "x86_64", "values": {}, "hosts": some}
                    for title, some in members.items()],
        "waves": list(waves), "hosts": hosts, "counts": {state: states.count(state) for state in states},
        "failures": len(failures), "breach": None,
        "lines": [f"SIMULATED: {len(hosts)} hosts: " + ", ".join(
            f"{states.count(state)} {state}" for state in dict.fromkeys(states))], **more}


def sized(count):
    """How many hosts each wave has: canaries, then up to 10%, 50% and 100%."""
    canaries = min(2, count)
    ends = sorted({canaries, max(canaries, count // 10), max(canaries, count // 2), count})
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def load(chance, one, opened, soak):
    """Let a host be patched well."""
    at = opened + 3 + chance.random() * 40
    one.update(
        state="on_trial", functions=functions("patched"), loaded_at=iso(at), trial_ends=iso(at + 640),
        transition_seconds=round(chance.lognormvariate(0.2, 0.9), 2), transaction=f"{iso(at)}-9f3c2a1b",
        health=[{"name": "site", "ok": True, "message": "30 of 30 succeeded. The server answers 200 OK."}],
        watch={"looks": 30, "first": iso(at + 1), "last": iso(at + 291)},
        findings=[NOTED] if chance.random() < 0.2 else [WARNED] if chance.random() < 0.05 else [])
    return at


def rollout(count, breach_in=None, no_build=0, unreachable=0, stalled=0, seed=1, waits_before=None):
    """A rollout of `count` hosts with a build that stops in wave `breach_in`, where some stall or are unreachable."""
    chance = random.Random(seed)
    names, hosts, waves = names_of(count + no_build), {}, []
    at, place = START + 20, 0
    for number, size in enumerate(sized(count), 1):
        mine = names[place:place + size]
        place += size
        for name in mine:
            hosts[name] = host(KERNELS[chance.random() < 0.4], wave=number)
        title = ("canary", "up to 10%", "up to 50%", "up to 100%")[min(number - 1, 3)]
        wave = {"number": number, "title": title, "hosts": mine, "state": "passed", "opened": iso(at),
                "loaded": iso(at + 48), "closed": iso(at + 370), "why": None, "looks": []}
        waves.append(wave)
        stopped = breach_in is not None and number > breach_in
        if stopped or (waits_before is not None and number >= waits_before):
            wave.update(state="skipped" if stopped else "waits" if number == waits_before else "pending", opened=None,
                        loaded=None, closed=None)
            continue
        for name in mine:
            load(chance, hosts[name], at, 300)
        bad = break_some(hosts, mine, stalled, unreachable, at) if number == breach_in else ([], [])
        for after in (150, 300):
            wave["looks"].append({
                "at": iso(at + 48 + after), "after": after, "well": size - len(bad[0]) - len(bad[1]), "waiting": 0,
                "failed": len(bad[0]), "unreachable": len(bad[1]) if after > 100 else 0})
        close(hosts, mine, at, failed=number == breach_in)
        if number == breach_in:
            wave.update(state="failed", why=f"{len(bad[0]) + len(bad[1])} of its {size} hosts failed")
        at += 385 if number != 2 else 4000  # somebody had lunch before wave 3
    for name in names[count:]:
        hosts[name] = host(OLD_KERNEL, state="no_build", patch=None, functions=[], build_id=None, sha256=None)
    failed = [name for name, one in hosts.items() if one["failure"]]
    breach = None if breach_in is None else {
        "wave": breach_in, "failed": failed, "budget": len(hosts) // 20, "action": "rollback_wave",
        "why": f"Failure budget exceeded: {len(failed)} failed, {len(hosts) // 20} allowed ({', '.join(failed[:1])})"}
    outcome = "stopped" if breach or waits_before else "complete"
    return record(hosts, waves, breach=breach, outcome=outcome, ok=outcome == "complete", ended=iso(at + 30))


def break_some(hosts, names, stalled, unreachable, at):
    """Let some hosts of a wave stall, and some be unreachable; returns both."""
    held, gone = names[:stalled], names[stalled:stalled + unreachable]
    for name in held:
        hosts[name].update(
            state="rolled_back", failure={"code": STALLED[0], "message": STALLED[1], "step": "load"},
            functions=functions("absent"), blockers=[BLOCKER], loaded_at=None, transition_seconds=None,
            trial_ends=None, health=[], watch=None)
    for name in gone:
        hosts[name].update(
            watch=None, health=[], state="reverting", failure={"code": None, "step": "look", "message": (
                "Failed to connect to the host via ssh: connect to host port 22: No route to host")})
    return held, gone


def close(hosts, names, at, failed):
    """Accept the hosts of a wave that is over, or take them back."""
    for name in names:
        one = hosts[name]
        if one["state"] != "on_trial":
            continue
        if failed:
            one.update(state="rolled_back", functions=functions("absent"), back_at=iso(at + 380), trial_ends=None)
        else:
            one.update(state="accepted", accepted_at=iso(at + 352), trial_ends=None)


def planned(count, no_build=0):
    chance = random.Random(2)
    made = rollout(count, no_build=no_build)
    for one in made["hosts"].values():
        if one["state"] != "no_build":
            one.update(state="pending", functions=functions("absent"), loaded_at=None, transition_seconds=None,
                       trial_ends=None, accepted_at=None, health=[], watch=None,
                       findings=[NOTED] if chance.random() < 0.2 else [])
    for wave in made["waves"]:
        wave.update(state="pending", opened=None, loaded=None, closed=None, looks=[])
    return dict(made, outcome="planned", ok=True, check_mode=True, ended=iso(START + 12))


HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m{{ 7 * 7 }}"


def hostile(text=HOSTILE):
    """Every text that a host or an inventory can choose is one that tries to be something else."""
    found = {"code": text, "level": "warning", "subject": text, "message": text}
    bad = host(
        text, cohort=text, wave=1, state="reverting", patch=text, build_id=text, transaction=text,
        loaded_at=text, trial_ends=text, transition_seconds=1.0, findings=[found, dict(found, level=text)],
        failure={"code": text, "message": text, "step": text},
        functions=[{"object": text, "name": text, "sympos": 1, "state": text}],
        blockers=[dict(BLOCKER, comm=text, pid=text, reason=text, function=text, stack=[text])],
        health=[{"name": text, "ok": False, "message": text}], watch={"looks": 5, "first": text, "last": text})
    wave = {"number": 1, "title": text, "hosts": [text], "state": text, "opened": iso(START), "loaded": text,
            "closed": None, "why": text, "looks": [{"at": iso(START + 5), "after": 5, "well": 0, "failed": 1}]}
    made = record({text: bad}, [wave], ended=None, outcome="running", lines=[text])
    made["patches"][0].update(name=text, summary=text, advisory="javascript:alert(1)", cves=[text])
    made["options"].update(src=text, name=text)
    return made


EXAMPLES = {
    "one": lambda: rollout(1),
    "eight-clean": lambda: rollout(8, no_build=1),
    "eight-canary-fails": lambda: rollout(8, breach_in=1, stalled=1),
    "eight-planned": lambda: planned(8, no_build=2),
    "eight-waits": lambda: rollout(8, waits_before=3),
    "three-hundred": lambda: rollout(300, breach_in=3, no_build=12, unreachable=4, stalled=14),
    "five-thousand": lambda: rollout(5000, breach_in=4, no_build=130, unreachable=60, stalled=220),
    "hostile": hostile,
}


if __name__ == "__main__":
    from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.files import write_report

    for title, make in EXAMPLES.items():
        print(title, write_report(dict(make(), id=title), sys.argv[1])["html"])
