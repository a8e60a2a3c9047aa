# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as its users see it: a context in which machines live, and with which they end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from . import runs, ssh
from .cache import Cache, default_cache_directory
from .children import Children
from .errors import LabError
from .image import Image, Variant, cached_image
from .inventory import write_inventory
from .kernels import DEFAULT_KERNEL, find_kernel
from .keys import cached_keys
from .machine import Machine
from .patches import cached_patches, cached_toolchain
from .progress import Progress
from .requirements import check_requirements
from .saved import SavedState, cached_state

RUNS = "runs"
START_TIMEOUT = 300.0
# A machine that goes on from a saved state answers in seconds, or never.
RESUME_TIMEOUT = 60.0


class Lab:
    """Machines and patches of one kernel. Leaving the context ends the machines and removes what they wrote.

    The thread that calls `machines` has to live as long as the machines do. Machines of a variant of the image are
    booted: a saved state is of the usual image.
    """

    variant: Variant | None = None

    def __init__(self, kernel: str = DEFAULT_KERNEL, cache_directory: Path | None = None) -> None:
        self.kernel = find_kernel(kernel)
        self._progress = Progress()
        self._cache_directory = cache_directory or default_cache_directory()
        self._machines: list[Machine] = []
        self._named = 0
        self._children = Children()

    def __enter__(self) -> Lab:
        check_requirements()
        self._cache = Cache(self._cache_directory, self._progress)
        swept = runs.sweep(self._cache.root / RUNS)
        if swept:
            self._progress(f"removed what {len(swept)} killed run(s) left")
        self.run = runs.Run(self._cache.root / RUNS)
        try:
            ssh.check_length(self.run.directory)
            self._prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def machines(self, count: int, kernel_words: str = "") -> list[Machine]:
        """Start machines lab1, lab2... and return them when sshd answers on each.

        With words to add to the kernel's command line they are booted: a saved state has the line it was made with.
        """
        names = [f"lab{self._named + number}" for number in range(1, count + 1)]
        self._named += count
        started = (not kernel_words and self._resume(names)) or self._boot(names, kernel_words)
        self._machines += started
        self._record_machines()
        self._progress("ssh answers on all machines")
        return started

    def end(self, machine: Machine) -> None:
        """End one machine before the others."""
        machine.destroy()
        self._machines.remove(machine)
        self._record_machines()

    def image_of(self, kernel: str) -> Image:
        """Return the image of another of the lab's kernels, made when it is missing, for Machine.restart."""
        return cached_image(find_kernel(kernel), self._keys, self._cache, self._children, self._progress)

    def write_inventory(self, machines: list[Machine], name: str = "inventory") -> Path:
        """Write an Ansible inventory of the machines and return its path, which ends in NAME.yml."""
        return write_inventory(machines, self.kernel.group, self._keys, self.run.directory / f"{name}.yml")

    def close(self) -> None:
        """End the machines and whatever else runs, and remove the run's directory."""
        for machine in self._machines:
            machine.destroy()
        self._children.close()
        self.run.close()

    def _prepare(self) -> None:
        """Make what is missing: image and toolchain at the same time, then saved state and patches."""
        self._keys = cached_keys(self._cache, self._children)
        self._saved: SavedState | None = None
        with ThreadPoolExecutor() as pool:
            try:
                tools = self._children, self._progress
                image = pool.submit(cached_image, self.kernel, self._keys, self._cache, *tools, self.variant)
                toolchain = pool.submit(cached_toolchain, self.kernel, self._cache, *tools)
                self.image: Image = image.result()
                saved = None if self.variant else pool.submit(
                    cached_state, self.image, self._keys, self.run.directory, self._cache, *tools)
                self.patches: dict[str, Path] = cached_patches(self.image, toolchain.result(), self._cache, *tools)
                self._saved = saved and saved.result()
            except BaseException:
                # Ends what the other threads wait for; leaving the pool waits for them.
                self._children.close()
                raise

    def _record_machines(self) -> None:
        self.run.record_machines({machine.name: machine.ssh_command() for machine in self._machines})

    def _resume(self, names: list[str]) -> list[Machine]:
        """Return the machines, or none where the saved state turns out not to work here."""
        saved = self._saved
        if saved is None:
            return []
        self._progress(f"starting {', '.join(names)} from the saved state")
        try:
            return self._start(
                names, lambda machine: machine.resume(saved.memory, saved.state, saved.disk), RESUME_TIMEOUT)
        except LabError as error:
            self._progress(f"the saved state cannot be used and is thrown away: {error}")
            self._cache.discard(saved.directory)
            self._saved = None
            return []

    def _boot(self, names: list[str], kernel_words: str) -> list[Machine]:
        self._progress(f"booting {', '.join(names)}")
        return self._start(names, lambda machine: machine.boot(kernel_words=kernel_words), START_TIMEOUT)

    def _start(self, names: list[str], start: Callable[[Machine], None], timeout: float) -> list[Machine]:
        machines = [Machine(name, self.image, self._keys, self.run.directory, self._children) for name in names]
        try:
            for machine in machines:
                start(machine)
            with ThreadPoolExecutor(max_workers=len(machines)) as pool:
                list(pool.map(lambda machine: _wait_until_usable(machine, timeout), machines))
        except BaseException:
            for machine in machines:
                machine.destroy()
            raise
        return machines


def _wait_until_usable(machine: Machine, timeout: float) -> None:
    machine.wait_for_ssh(timeout)
    machine.set_identity()
