# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks cost on a real kernel, in a machine of the lab.

Each task runs right after a `ping`, and its seconds are divided by those of that ping: the speed of a busy machine
changes from minute to minute. A figure is the median over the rounds. On a busy host, seconds still differ a lot, so
there are the same ratios of the CPU time that the emulated machine used.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.benchmarks.figures import Benchmark, Figure, Settings

NAME = "cmdline_v1"
# From the kernel's line at the begin of a change to that at the end of its transition.
LOADED, REMOVED = (
    re.compile(
        rf"^\[ *([\d.]+)\] livepatch: {begin}$(?:\n.*)*?\n"
        rf"\[ *([\d.]+)\] livepatch: '{NAME}': {end} complete$", re.MULTILINE)
    for begin, end in (
        (f"enabling patch '{NAME}'", "patching"), (f"'{NAME}': starting unpatching transition", "unpatching")))
# Title, goal, name of the task.
TASKS = (
    ("Second ``patch``, nothing to do", 1.15, "second"), ("``patch_info``", 1.2, "info"),
    ("``patch_verify``", 1.3, "verify"), ("``patch_check`` on a host that was patched before", 1.3, "check"),
    ("``patch_check`` on a host that never was", 1.3, "first check"), ("``patch_watch``", 1.3, "watch"),
    ("``patch`` with a trial", 2.5, "trial"), ("``patch_rollback``", 1.7, "rollback"),
    ("``patch`` with ``state: absent``", 1.5, "absent"))
# The changes of each round in the order of the kernel's log: title without the kernel's own time, goal, name; the last
# of each kind is not measured.
LOADS = (
    ("The very first ``patch`` on a host", 2, "very first"),
    ("First ``patch`` whose file the host has", 1.5, "kept"),
    ("``patch`` with a trial", None, "trial own"), ("", None, "naive"))
REMOVALS = (
    ("``patch`` with ``state: absent``", None, "absent own"), ("", None, "kept"),
    ("``patch_rollback``", None, "rollback own"), ("", None, "naive"))
FIGURES = {
    **{name: Figure(f"{title} / (``ping`` + the kernel's own time)", goal)
       for title, goal, name in (*LOADS, *REMOVALS) if title},
    **{name: Figure(f"{title} / ``ping``", goal) for title, goal, name in TASKS},
    **{f"{name} cpu": Figure(f"{title} / ``ping``, CPU time of the machine", None) for title, _goal, name in TASKS},
    "naive": Figure("A naive playbook that loads the same patch / ``ping``", None),
    "bare": Figure("A shell task that writes 0 to ``enabled`` and waits for the kernel / ``ping``", None),
    "ssh first": Figure("Executions of ssh for the very first ``patch``", 3),
    "transfers first": Figure("File transfers for the very first ``patch``", 1),
    "ssh second": Figure("Executions of ssh and transfers for the second ``patch``", 1),
    "known": Figure(
        "The kernel's \"patching complete\" to the module's knowledge, with the insertion of the file", 50, "ms"),
}


def tasks_to_ping(settings: Settings) -> dict[str, float]:
    """All figures, of one machine."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab" / "suite"))
    from guest import CLEAN, UNINSTALL
    from playbook import Playbooks

    from tests.lab import Lab

    with Lab(kernel=settings.kernel) as lab, tempfile.TemporaryDirectory() as directory:
        machine, = lab.machines(1)
        file = lab.patches[NAME]
        playbooks = Playbooks(Path(directory), lab.write_inventory([machine]), machine._process.pid)
        tasks = [ping("connect")]
        for number in range(settings.pairs):
            tasks += round_of(number, file, CLEAN + UNINSTALL)
        outcome = playbooks.run(tasks, machine.name)
        if outcome.code:
            raise RuntimeError(outcome.output)
        own = kernel_seconds(machine.ssh("dmesg").stdout, settings.pairs)
        machine.ssh(CLEAN + UNINSTALL)
        trips = trips_of(playbooks, machine.name, file)
    values = ratios(outcome, own, settings.pairs)
    return {**{FIGURES[name].title: value for name, value in values.items()}, **trip_figures(trips)}


def ping(name: str) -> dict:
    return {"name": name, "ansible.builtin.ping": None}


def patch(title: str, file: Path | None = None, /, module: str = "patch", **options: t.Any) -> dict:
    return {"name": title, f"kernel.livepatch.{module}": {**({"src": str(file)} if file else {}), **options}}


def round_of(number: int, file: Path, clean: str) -> list[dict]:
    """Every task once, each after a ping; tasks that only restore the machine have none."""
    def timed(title: str, /, *more: t.Any, **options: t.Any) -> list[dict]:
        return [ping(f"ping {title} {number}"), patch(f"{title} {number}", *more, **options)]

    def remove(why: str) -> dict:
        return patch(f"remove after {why} {number}", name=NAME, state="absent")

    cleaned = {"name": f"clean {number}", "ansible.builtin.shell": f"({clean}) >/dev/null 2>&1; true"}
    return [
        cleaned,
        *timed("first check", file, module="patch_check"),
        *timed("very first", file), *timed("second", file),
        *timed("info", module="patch_info"), *timed("verify", file, module="patch_verify"),
        *timed("check", file, module="patch_check"),
        *timed("watch", module="patch_watch", name=NAME),
        *timed("absent", name=NAME, state="absent"),
        *timed("kept", file), remove("kept"),
        *timed("trial", file, trial=600), *timed("rollback", module="patch_rollback"),
        ping(f"ping naive {number}"), *naive(number, file),
        ping(f"ping bare {number}"), bare_removal(number)]


def naive(number: int, file: Path) -> list[dict]:
    """What a playbook without this collection does to load a patch."""
    sysfs = f"/sys/kernel/livepatch/{NAME}"
    tasks: list[tuple[str, dict]] = [
        ("facts", {"ansible.builtin.setup": None}),
        ("directory", {"ansible.builtin.file": {"path": "/root/naive", "state": "directory", "mode": "0700"}}),
        ("copy", {"ansible.builtin.copy": {"src": str(file), "dest": f"/root/naive/{NAME}.ko", "mode": "0600"}}),
        ("modinfo", {
            "ansible.builtin.command": f"modinfo -F vermagic /root/naive/{NAME}.ko", "register": "naive"}),
        ("assert", {"ansible.builtin.assert": {"that": "naive.stdout.split() | first == ansible_facts.kernel"}}),
        ("insmod", {"ansible.builtin.command": f"insmod /root/naive/{NAME}.ko"}),
        ("wait", {"ansible.builtin.command": f"cat {sysfs}/transition", "register": "naive", "retries": 60, "delay": 1,
                  "until": "naive.stdout == '0'"}),
        ("read", {"ansible.builtin.command": f"cat {sysfs}/enabled"})]
    return [{"name": f"naive {name} {number}", **task} for name, task in tasks]


def bare_removal(number: int) -> dict:
    """The least that a task can do to remove a patch."""
    sysfs = f"/sys/kernel/livepatch/{NAME}"
    command = f"echo 0 >{sysfs}/enabled; while test -e {sysfs}; do sleep 0.05; done; rmmod {NAME}; rm -r /root/naive"
    return {"name": f"bare {number}", "ansible.builtin.shell": command}


def kernel_seconds(log: str, rounds: int) -> dict[str, list[float]]:
    """For each measured change, the kernel's own seconds in each round. Raises RuntimeError when some are missing."""
    own = {}
    for pattern, changes in ((LOADED, LOADS), (REMOVED, REMOVALS)):
        found = [float(end) - float(begin) for begin, end in pattern.findall(log)]
        if len(found) != len(changes) * rounds:
            raise RuntimeError(f"The kernel's log has {len(found)} changes and not {len(changes) * rounds}.")
        own.update({name: found[place::len(changes)] for place, (title, _goal, name) in enumerate(changes) if title})
    return own


def ratios(outcome: t.Any, own: dict[str, list[float]], rounds: int) -> dict[str, float]:
    """The median of each figure; `own`: the kernel's own seconds of each change, round by round."""
    seconds, numbers = outcome.seconds, range(rounds)
    values = {name: [seconds[f"{name} {number}"] / seconds[f"ping {name} {number}"] for number in numbers]
              for _title, _goal, name in TASKS}
    for name, kernel in own.items():
        task = name.removesuffix(" own")
        values[name] = [seconds[f"{task} {number}"] / (seconds[f"ping {task} {number}"] + kernel[number])
                        for number in numbers]
    values |= {f"{name} cpu": [outcome.cpu[f"{name} {number}"] / outcome.cpu[f"ping {name} {number}"]
                               for number in numbers] for _title, _goal, name in TASKS}
    values["naive"] = [
        sum(taken for name, taken in seconds.items() if re.fullmatch(f"naive \\w+ {number}", name))
        / seconds[f"ping naive {number}"] for number in numbers]
    values["bare"] = [seconds[f"bare {number}"] / seconds[f"ping bare {number}"] for number in numbers]
    values["known"] = [
        1000 * (outcome.results[f"{name} {number}"]["patch"]["transition_seconds"] - own[name][number])
        for name in ("very first", "kept") for number in numbers]
    for name, list_of in values.items():  # each round, for who looks at how far they differ
        print(f"{name:14} {' '.join(f'{value:.2f}' for value in list_of)}", flush=True)
    print("ping, seconds:", " ".join(f"{taken:.2f}" for name, taken in seconds.items() if name.startswith("ping")))
    return {name: statistics.median(list_of) for name, list_of in values.items()}


def trips_of(playbooks: t.Any, name: str, file: Path) -> dict[str, list[str]]:
    """The executions of the first and the second load, without those of a `ping` before, which opens the connection."""
    def trips(*tasks: dict) -> list[str]:
        return playbooks.run([ping("connect"), *tasks], name).trips

    trips()  # the first time, to open the connection takes one more
    of_ping = len(trips())
    return {title: trips(patch(title, file))[of_ping:] for title in ("first", "second")}


def trip_figures(trips: dict[str, list[str]]) -> dict[str, float]:
    first = trips["first"]
    return {FIGURES["ssh first"].title: first.count("ssh"),
            FIGURES["transfers first"].title: len(first) - first.count("ssh"),
            FIGURES["ssh second"].title: len(trips["second"])}


def benchmarks(_settings: Settings) -> tuple[Benchmark, ...]:
    """One benchmark, because a machine takes minutes to start."""
    return (Benchmark(
        "machine", tuple(FIGURES.values()), tasks_to_ping,
        "on a machine: python3 -X importtime MODULE, strace -c -f python3 MODULE (ANSIBLE_KEEP_REMOTE_FILES=1)",
        on_machine=True),)
