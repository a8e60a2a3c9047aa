# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys

from . import runs
from .builders.builds import PATCHES
from .builders.four_kernels import FourKernelsLab
from .builders.session import LABS
from .cache import default_cache_directory
from .errors import LabError
from .kernels import DEFAULT_KERNEL, KERNELS, find_kernel
from .requirements import REQUIREMENTS
from .session import RUNS, Lab
from .tether import die_with_parent, tethered

INTERRUPTED = 130
TERMINATED = 143


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return the exit status: a command's own, 2 for an error that is explained, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    # The lab ends with what started it, and ends its machines on the way.
    die_with_parent(signal.SIGTERM, os.getppid())
    try:
        return options.verb(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _terminate(signal_number: int, frame: object) -> None:
    sys.exit(TERMINATED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real kernels in virtual machines.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, verb: object, text: str) -> argparse.ArgumentParser:
        command = verbs.add_parser(name, help=text, description=text)
        command.set_defaults(verb=verb)
        return command

    add("kernels", _kernels, "list the kernels that the lab knows")
    add("requirements", _requirements, "list the Debian packages that the lab needs")
    for name, verb, text in (
        ("image", _image, "make the image of a kernel and print its directory"),
        ("patches", _patches, "build the patches for a kernel and print their paths"),
        ("up", _up, "start machines, print the inventory's path, and keep them until Ctrl-C"),
        ("run", _run, "start machines for the time of a command, which is told LAB_INVENTORY and LAB_PATCHES"),
    ):
        command = add(name, verb, text)
        if verb in (_up, _run):
            command.add_argument("count", type=_count, metavar="N", help="how many machines")
        command.add_argument("--kernel", choices=KERNELS, default=DEFAULT_KERNEL, help="default: %(default)s")
        if verb is _run:
            command.add_argument("command", nargs="+", metavar="COMMAND", help="the command, after --")
    command = add("prepare", _prepare, "make image, toolchain, saved state and patches of every kernel, or of some")
    command.add_argument("kernels", nargs="*", metavar="KERNEL", help="such as 6.1")
    command = add("ssh", _ssh, "open a session on a machine of an `up` that goes on, or run a command on it")
    command.add_argument("name", metavar="NAME", help="the machine, such as lab1")
    command.add_argument("command", nargs="*", metavar="COMMAND", help="the command, after --")
    command = add("builders", _builders, "make a build root for every kernel, build real patches, and print all paths")
    command.add_argument("--builder", choices=LABS, action="append", help="only the patches of this one")
    names = [patch.name for patch in PATCHES]
    command.add_argument("--patch", choices=names, action="append", default=[], help="only this one, and no machines")
    add("clean", _clean, "remove everything that the lab has made")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one machine")
    return count


def _kernels(options: argparse.Namespace) -> int:
    for kernel in KERNELS.values():
        print(f"{kernel.name}\t{kernel.suite}\tlinux-image-{kernel.packages}")
    return 0


def _requirements(options: argparse.Namespace) -> int:
    print(" ".join(REQUIREMENTS))
    return 0


def _image(options: argparse.Namespace) -> int:
    with Lab(options.kernel) as lab:
        print(lab.image.directory)
    return 0


def _patches(options: argparse.Namespace) -> int:
    with Lab(options.kernel) as lab:
        for path in lab.patches.values():
            print(path)
    return 0


def _builders(options: argparse.Namespace) -> int:
    for builder in options.builder or LABS:
        with LABS[builder](only=options.patch) as lab:
            for path in lab.patches.values():
                print(path, flush=True)
    if not options.builder and not options.patch:
        with FourKernelsLab() as lab:
            for target in lab.targets:
                print(f"{target.image.release}\t{target.host}", flush=True)
    return 0


def _prepare(options: argparse.Namespace) -> int:
    for kernel in [find_kernel(name) for name in options.kernels] or KERNELS.values():
        with Lab(kernel.name) as lab:
            print(f"{kernel.name}\t{lab.image.release}\t{len(lab.patches)} patches", flush=True)
    return 0


def _up(options: argparse.Namespace) -> int:
    with Lab(options.kernel) as lab:
        print(lab.write_inventory(lab.machines(options.count)), flush=True)
        while True:
            signal.pause()


def _run(options: argparse.Namespace) -> int:
    with Lab(options.kernel) as lab:
        inventory = lab.write_inventory(lab.machines(options.count))
        patches = next(iter(lab.patches.values())).parent
        environment = {**os.environ, "LAB_INVENTORY": str(inventory), "LAB_PATCHES": str(patches)}
        return subprocess.run(tethered(options.command), env=environment, check=False).returncode


def _ssh(options: argparse.Namespace) -> int:
    commands = runs.machine_commands(default_cache_directory() / RUNS)
    if options.name not in commands:
        known = ", ".join(commands) or "none"
        raise LabError("unknown-machine", f"No machine {options.name} is up (up: {known}); start one with `up 1`.")
    words = [*commands[options.name], *(["--", shlex.join(options.command)] if options.command else [])]
    os.execvp(words[0], words)


def _clean(options: argparse.Namespace) -> int:
    root = default_cache_directory()
    if runs.living(root / RUNS):
        raise LabError("lab-in-use", "A run of the lab goes on; end it, then clean.")
    if root.exists():
        shutil.rmtree(root)
    return 0
