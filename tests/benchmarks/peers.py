# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's `kpatch load` over ssh beside the module `patch`, on the same machine of the lab.

kpatch checks less: it inserts the file, waits for the transition, and installs nothing. The file is on the host.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.benchmarks.figures import Benchmark, Figure, Settings
from tests.benchmarks.kernel import NAME, patch, ping
from tests.lab import Lab
from tests.lab.image import Variant

# The oldest release of Debian whose package of kpatch is the one of today.
KERNEL = "6.12"
FILE = f"/root/{NAME}.ko"
FIGURES = {
    "kpatch": Figure("``kpatch load`` over ssh, kpatch of trixie, as a task / ``ping``", None),
    "patch": Figure("First ``patch`` whose file the host has, on the same machine / ``ping``", None),
}


class KpatchLab(Lab):
    """Machines with Debian's kpatch, which calls readelf and does not depend on it."""

    variant = Variant("kpatch", ("kpatch", "binutils"), lambda _root, _children, _log: None, Path(__file__))


def kpatch_to_ping(settings: Settings) -> dict[str, float]:
    """Both figures; the first load of each kind on the machine is not measured, because it installs and caches."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab" / "suite"))
    from playbook import Playbooks

    with KpatchLab(KERNEL) as lab, tempfile.TemporaryDirectory() as directory:
        machine, = lab.machines(1)
        machine.push(lab.patches[NAME], FILE)
        playbooks = Playbooks(Path(directory), lab.write_inventory([machine]), machine._process.pid)
        numbers = range(settings.pairs + 1)
        outcome = playbooks.run([task for number in numbers for task in round_of(number, lab.patches[NAME])],
                                machine.name)
        if outcome.code:
            raise RuntimeError(outcome.output)
    seconds = outcome.seconds
    return {figure.title: statistics.median(
        seconds[f"{name} {number}"] / seconds[f"ping {name} {number}"] for number in numbers[1:])
        for name, figure in FIGURES.items()}


def round_of(number: int, file: Path) -> list[dict[str, t.Any]]:
    """Each load right after a ping; the tasks that remove the patch again are not measured."""
    return [
        ping(f"ping kpatch {number}"),
        {"name": f"kpatch {number}", "ansible.builtin.command": f"kpatch load {FILE}"},
        {"name": f"kpatch unload {number}", "ansible.builtin.command": f"kpatch unload {NAME}"},
        ping(f"ping patch {number}"), patch(f"patch {number}", file),
        patch(f"remove {number}", name=NAME, state="absent")]


def benchmarks(_settings: Settings) -> tuple[Benchmark, ...]:
    return (Benchmark("kpatch", tuple(FIGURES.values()), kpatch_to_ping,
                      "on a machine: strace -c -f kpatch load FILE", on_machine=True),)
