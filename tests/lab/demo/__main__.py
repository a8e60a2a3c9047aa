# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the collection at work: machines with a stock kernel, patched while they run, verified, and rolled back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.lab import Lab, LabError

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]

MACHINES = 2


def main() -> int:
    """Run demo.yml on machines that live as long as this process; returns ansible-playbook's exit code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kernel-livepatch-demo-") as directory, Lab(kernel="6.1") as lab:
        inventory = lab.write_inventory(lab.machines(MACHINES))
        print(f"{MACHINES} machines are up after {time.monotonic() - started:.0f} s.", flush=True)
        namespace = Path(directory, "ansible_collections", "kernel")
        namespace.mkdir(parents=True)
        Path(namespace, "livepatch").symlink_to(CHECKOUT)
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"), "--diff", "-i", str(inventory),
            "-e", f"patch_file={lab.patches['cmdline_v1']}", str(HERE / "demo.yml"),
        ]
        settings = {"ANSIBLE_COLLECTIONS_PATH": directory, "ANSIBLE_CONFIG": str(HERE.parent / "ansible.cfg")}
        code = subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    print(f"Done after {time.monotonic() - started:.0f} s; the machines are gone.", flush=True)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"The demonstration ended: {error}")
