# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows where the controller's time goes in a rollout over simulated hosts.

`python -m tests.benchmarks.profiling [HOSTS]` from the checkout, with the packages of the units.

Ansible runs each host of a task in a process of its own. So this shows two tables: the main process, and all others
together.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import runpy
import sys
import tempfile
from pathlib import Path

LINES = 45


def run_profiled(directory: str) -> None:
    """Run ansible-playbook in this process with the rest of the arguments; leave a profile of each process."""
    from ansible.executor.process.worker import WorkerProcess

    begin = WorkerProcess._run

    def profiled(self, *arguments):  # the workers of Ansible end by os._exit, so their profile is written here
        profile = cProfile.Profile()
        try:
            return profile.runcall(begin, self, *arguments)
        finally:
            profile.dump_stats(os.path.join(directory, f"worker-{os.getpid()}"))
    WorkerProcess._run = profiled
    main = cProfile.Profile()
    sys.path.pop(0)  # the directory of this file
    try:
        main.runcall(runpy.run_path, sys.argv[0], run_name="__main__")
    finally:
        main.dump_stats(os.path.join(directory, "main"))


def show(directory: Path) -> None:
    """Print both tables."""
    for title, pattern in (("The main process", "main"), ("The processes of tasks", "worker-*")):
        # The file of a process that was killed at the end of the run is empty.
        files = [str(file) for file in directory.glob(pattern) if file.stat().st_size]
        print(f"\n{title} ({len(files)})", flush=True)
        stats = pstats.Stats(*files)
        stats.files = []  # which it would print
        stats.strip_dirs().sort_stats("cumulative").print_stats(LINES)


def main(count: int) -> None:
    from tests.benchmarks.controller import patch_files
    from tests.benchmarks.fleet import Fleet
    from tests.fuzz.collection import make_importable

    make_importable()
    with patch_files() as (patch,), tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(Path(directory, "fleet"), count, patch)
        profiles = Path(directory, "profiles")
        profiles.mkdir()
        fleet.rollout(profile_in=profiles)
        show(profiles)
        calls = fleet.calls(fleet.names[-1])
        print("Bytes to one host:", json.dumps(calls))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--run":
        place = sys.argv[2]
        sys.argv = sys.argv[3:]
        run_profiled(place)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
