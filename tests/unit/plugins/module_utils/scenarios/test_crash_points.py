# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL and a power cut at every single step of every change, and what the same run, or the next boot, then finds.

A step is what outlives a process: a file put in its place or taken away below the host's directories, a piece of the
journal, a system call, a command. A run dies in the middle of one; what came before it is there, and nothing after it.
"""

import itertools
import os
import tempfile
from pathlib import Path

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._init.init_system import armed
from ansible_collections.kernel.livepatch.plugins.module_utils._jobs.patch_rollback import roll_back
from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.sysfs import SysfsInterface
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STATE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import installer
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.boot import boot
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.trial_end import end_trial
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.host_life import (
    BOOT_ID,
    ONE,
    THREE,
    V1,
    V2,
    accept,
    accepted,
    patch_applier,
    quarantined,
    reboot,
    stack,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import (
    SimulatedKernel,
)
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_systemd import (
    SimulatedSystemd,
)

FILES = (STATE_DIRECTORY, "/etc/systemd")  # what is written elsewhere is gone with the process or with the boot
STEPS = ("write", "finit_module", "delete_module", "run", "spawn")
LOOKS = ("show", "ready", "is-system-running")  # commands that change nothing
TURNED_OFF = ("/sys/kernel/livepatch/v1/enabled", "0")
MOST = 60  # steps; a run that takes more is not looked at to its end, and fails


class DeadError(BaseException):
    """What stands for the end of the process, or of the host: nothing catches it."""


class Death:
    """Lets what it is told to do die in the middle of step number `at`, counted from 1."""

    def __init__(self, kernel, patched, at):
        self.kernel = kernel
        self.left = at
        self.lives = True  # nobody dies outside of `meets`
        self.watching = False
        self._write = os.write
        for name in STEPS:
            patched.setattr(kernel, name, self._dying(getattr(kernel, name), self._is_step))
        for name in ("rename", "unlink", "symlink"):
            patched.setattr(os, name, self._dying(getattr(os, name), self._is_kept))
        patched.setattr(os, "ftruncate", self._dying(os.ftruncate, lambda *_words: False))
        patched.setattr(os, "write", self._dying(os.write, lambda *_words: True, self._half))

    def meets(self, run, *argv):
        """Whether `run(*words)` died; it has come to its end otherwise."""
        self.watching = True
        try:
            run(*argv)
        except DeadError:
            return True
        finally:
            self.watching = False
        return False

    def _dying(self, real, is_step, before=lambda *_words: None):
        def do(*argv, **options):
            if self.watching and self.lives and is_step(*argv):
                self.left -= 1
                if not self.left:
                    before(*argv)
                    self.lives = False
            if self.watching and not self.lives:
                raise DeadError
            return real(*argv, **options)
        return do

    def _half(self, descriptor, content):
        self._write(descriptor, content[:len(content) // 2])

    def _is_kept(self, *paths, **_options):
        return any(str(path).startswith(self.kernel.path(top)) for path in paths[-1:] for top in FILES)

    @staticmethod
    def _is_step(argv, *_more):
        return not (isinstance(argv, list) and set(argv) & set(LOOKS))


class Host:
    """A simulated host on which v1 is accepted, with or without a simulated systemd."""

    def __init__(self, directory, has_systemd):
        directory.mkdir()
        self.kernel = SimulatedKernel(directory / "host")
        self.kernel.put(BOOT_ID, "boot-1\n")
        self.systemd = SimulatedSystemd(self.kernel) if has_systemd else None
        self.interface = SysfsInterface(self.kernel)
        self.apply = patch_applier(self.kernel, directory)
        accept(self.apply, V1)

    def crash(self):
        """The power comes back, and the host does what it does by itself; returns what had been enabled."""
        there = stack(self.kernel, self.interface)
        self.restart(clean=False)
        return there

    def restart(self, clean):
        boots = self.kernel.read(BOOT_ID)
        reboot(self.kernel, f"{boots}+", clean)
        if self.systemd:
            self.systemd.stop_all()
            boot(self.kernel)

    def trial_ends(self):
        """What waits for the end of a trial does its work; it was never started in a run that died before that."""
        trial = read_ledger(self.kernel)["trial"]
        if trial and armed(self.kernel, trial["transaction"]):
            end_trial(self.kernel)

    def has(self):
        return stack(self.kernel, self.interface), accepted(self.kernel)


def nothing(_host):
    """There is no more than an accepted v1."""


# What is there before, what is done, what may be enabled after a kill (with what is accepted then), and what there is
# when the same is done once more.
CHANGES = {
    "enable": (nothing, lambda host: host.apply(V2), ("v1", "v2"), (["v2"], ["v1"])),
    "trial": (nothing, lambda host: host.apply(V2, trial=60), ("v1",), (["v2"], ["v1"])),
    "trial again": (lambda host: host.apply(V2, trial=60), lambda host: host.apply(V2, trial=60),
                    ("v1",), (["v2"], ["v1"])),
    "end of a trial with its patch kept": (lambda host: host.apply(V2, trial=60), lambda host: host.apply(V2),
                                           ("v1", "v2"), (["v2"], ["v1"])),
    "accept": (nothing, lambda host: accept(host.apply, V2), ("v1", "v2"), (["v2"], ["v2"])),
    "accept another": (nothing, lambda host: accept(host.apply, ONE),
                       ("v1", "v1 one"), (["v1", "one"], ["v1", "one"])),
    "absent": (nothing, lambda host: host.apply(name="v1", state="absent"), ("v1", ""), ([], [])),
    "rollback": (lambda host: accept(host.apply, V2), lambda host: roll_back(host.kernel, "previous", 3, "reverse"),
                 ("v1", "v2"), (["v1"], ["v1"])),
    "end of a trial": (lambda host: host.apply(V2, trial=60), lambda host: end_trial(host.kernel),
                       ("v1",), (["v1"], ["v1"])),
}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """What is in the program, and whether a disk does as it is told, is no matter of these tests."""
    monkeypatch.setattr(installer, "sources_of", lambda *_: {})
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def room():
    """A directory in memory where there is one: these tests make some 40,000 small files."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        yield Path(directory)


def each_death(directory, has_systemd, prepare, run):
    """For each step: its number, and a host on which `run` has died there."""
    for at in itertools.count(1):
        assert at <= MOST
        host = Host(directory / str(at), has_systemd)
        prepare(host)
        with pytest.MonkeyPatch.context() as patched:
            died = Death(host.kernel, patched, at).meets(run, host)
        if not died:
            assert at > 3  # there were steps to die in
            return
        yield at, host


@pytest.mark.parametrize("has_systemd", [True, False])
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_run_that_is_killed_leaves_a_host_that_the_same_run_finishes(room, change, has_systemd):
    prepare, run, possible, finished = CHANGES[change]
    for at, host in each_death(room, has_systemd, prepare, run):
        host.kernel.sleep(5)  # the kernel lives on, and ends its transition
        host.trial_ends()
        now, kept = host.has()
        assert " ".join(now) in possible, at
        assert host.interface.patch_in_transition() is None, at
        if change.startswith("accept"):
            assert now == kept, at  # nothing is enabled that nobody has accepted and nobody will take out
        run(host)
        assert host.has() == finished, at
        ledger = read_ledger(host.kernel)
        assert bool(ledger["trial"]) is (change in ("trial", "trial again")), at
        assert set(finished[0]) <= set(names_of(ledger["loaded"])), at
        assert host.kernel.names("/sys/module") == sorted(finished[0]), at


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_power_cut_leaves_a_host_that_boots_into_what_is_accepted(room, change):
    prepare, run, possible, _finished = CHANGES[change]
    for at, host in each_death(room, True, prepare, run):
        there = host.crash()
        now, kept = host.has()
        assert now == kept, at
        assert " ".join(now) in (*possible, "v1"), at
        blamed = quarantined(host.kernel)
        assert set(there) <= {*kept, *blamed}, at  # whatever was loaded and not accepted is a suspect
        assert not set(kept) & set(blamed), at
        if TURNED_OFF in host.kernel.writes:
            assert now == [], at  # what was on its way out does not come in again
        host.restart(clean=True)
        assert host.has() == (kept, kept), at


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_power_cut_without_systemd_is_seen_by_the_next_change(room, change):
    prepare, run = CHANGES[change][:2]
    for at, host in each_death(room, False, prepare, run):
        watched = read_ledger(host.kernel)["watched"]
        kept = accepted(host.kernel)
        there = host.crash()
        assert host.apply(THREE)["patch"]["state"] == "enabled", at
        ledger = read_ledger(host.kernel)
        assert (names_of(ledger["accepted"]), ledger["trial"]) == (kept, None), at
        suspects = [name for name in there if name not in kept] if watched else []
        assert set(suspects) <= set(quarantined(host.kernel)) <= {"v2", "one"}, at
        assert watched or not quarantined(host.kernel), at


def about_to_boot(host):
    accept(host.apply, ONE)
    reboot(host.kernel)
    host.systemd.stop_all()
    host.kernel.loads.clear()


def starts(host):
    boot(host.kernel)


def test_a_host_that_dies_while_it_boots_blames_what_it_had_begun_to_load(room):
    for at, host in each_death(room, True, about_to_boot, starts):
        tried = [name for name, _parameters in host.kernel.loads]
        host.crash()
        blamed = quarantined(host.kernel)
        assert blamed[:len(tried)] == tried, at
        assert len(blamed) <= len(tried) + 1, at  # one load may have been about to begin
        assert host.has() == ([name for name in ("v1", "one") if name not in blamed],) * 2, at


def test_what_a_killed_boot_has_not_loaded_can_be_loaded_in_the_same_boot(room):
    for at, host in each_death(room, True, about_to_boot, starts):
        host.kernel.sleep(5)
        for patch in (V1, ONE):
            assert host.apply(patch, state="accepted")["patch"]["state"] == "accepted", at
        assert host.has() == (["v1", "one"], ["v1", "one"]), at
