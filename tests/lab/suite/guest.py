# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test asks a guest directly over ssh, past the collection: the kernel's own word."""

from __future__ import annotations

import re
import shlex
import tarfile
import tempfile
import typing as t
from pathlib import Path

# Where `put` leaves files on a guest; commands of `run_with_files` know it as $FILES.
FILES = "/root/files"

STORE = "/var/lib/kernel-livepatch"
RUN = "/run/kernel-livepatch"
UNIT = "kernel-livepatch.service"
COMMAND = "/usr/local/sbin/kernel-livepatch"
MANUAL = "/usr/local/share/man/man8/kernel-livepatch.8"
# For pgrep -f and pkill -f, which must not find the shell that runs them.
PROGRAM = f"{STORE}/[p]rogram.pyz"

HOLDER = "/sys/module/lab_holder/parameters"
RELEASE = f"echo 1 > {HOLDER}/release"
HOLD = f"echo 0 > {HOLDER}/release"
RELEASE_LATE = f"echo 1 > {HOLDER}/late_release"
HOLD_LATE = f"echo 0 > {HOLDER}/late_release"

# The status of timeout(1) when the time is over.
TOO_LATE = 124

# What the first load on a host installs. The service cannot be stopped while systemd knows its file.
UNINSTALL = f"""
systemctl --quiet disable {UNIT}
rm -rf /etc/systemd/system/{UNIT} {STORE} {COMMAND} {MANUAL}
systemctl daemon-reload
systemctl --quiet stop {UNIT} || true
"""

# Brings a guest back to a kernel without patches by hand: first whoever waits for a trial's end, then the patches,
# newest first, one transition after the other. In the shell's own words where possible, because starting a process
# takes a while on an emulated machine. The collection's program and its unit stay, as on a host that has had a patch.
CLEAN = f"""
pkill -9 -f {PROGRAM}
systemctl stop 'kernel-livepatch-*.timer' 'kernel-livepatch-*.service' 2>/dev/null
systemctl reset-failed
cd /sys/module
if test -e lab_holder; then echo 1 >lab_holder/parameters/release; echo 1 >lab_holder/parameters/late_release; fi
while read module rest; do modules="$modules $module"; done </proc/modules
for module in $modules; do
    read taint <$module/taint
    case $taint in *K*) ;; *) continue ;; esac
    patch=/sys/kernel/livepatch/$module
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        test -e $patch || break
        read enabled <$patch/enabled && test "$enabled" = 0 || echo 0 >$patch/enabled
        sleep 0.2
    done
    until read count <$module/refcnt && test "$count" = 0; do sleep 0.1; done
    rmmod $module
done
for module in lab_target lab_holder lab_kprobe; do ! test -e $module || rmmod $module; done
rm -rf {STORE}/journal* {STORE}/ledger* {STORE}/clean* {STORE}/patches {STORE}/hook* {RUN} {RUN}.trial-ended
test -z "$(ls /sys/kernel/livepatch)"
"""


class Verdict(t.NamedTuple):
    """What insmod says after "could not insert module", nothing where it did, and what the kernel logged meanwhile."""

    says: str
    log: str


class Guest:
    """A machine, asked and changed by hand."""

    def __init__(self, machine: t.Any) -> None:
        self.machine = machine
        self.name = machine.name

    def run(self, command: str) -> str:
        """What a command prints on the guest; fails the test when the command fails."""
        return self.machine.ssh(command).stdout

    def clean(self) -> None:
        self._run_within(120, CLEAN)

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}")

    def release(self) -> str:
        return self.run("uname -r").strip()

    def live_patches(self) -> list[str]:
        return self.run("ls /sys/kernel/livepatch").split()

    def has_module(self, name: str) -> bool:
        return name in [line.split()[0] for line in self.read("/proc/modules").splitlines()]

    def hooked(self, function: str) -> bool:
        """Whether ftrace redirects a function to a live patch."""
        lines = [line.split() for line in self.read("/sys/kernel/tracing/enabled_functions").splitlines()]
        return any(words[0] == function and "I" in words for words in lines)

    def version(self) -> str:
        """The word that the patches of /proc/cmdline add to it; empty without them."""
        return self.read("/proc/cmdline").partition(" livepatch=")[2].strip()

    def guards(self) -> list[str]:
        """What waits on the guest for the end of a trial: units of systemd."""
        lines = self.run("systemctl list-units --all --plain --no-legend 'kernel-livepatch-trial-*'").splitlines()
        return [line.split()[0] for line in lines]

    def kept_files(self) -> list[str]:
        return self.run(f"ls {STORE}/patches 2>/dev/null || true").split()

    def load(self, local: t.Any) -> str:
        """Insert a module with insmod, as an operator could by hand; returns its name."""
        self.machine.push(local, f"/root/{local.name}")
        self.run(f"insmod /root/{local.name}")
        return local.stem

    def hold(self, lab_holder: Path) -> None:
        """Insert the module lab_holder, and wait until a thread is inside lab_hold()."""
        self.load(lab_holder)
        self.wait_for_thread("original")

    def wait_for_thread(self, version: str, whose: str = "held_by") -> None:
        """Wait until the thread is in this version of lab_hold()."""
        self.wait(f"test $(cat {HOLDER}/{whose}) = {version}")

    def wait_for_transition(self, name: str) -> None:
        self.wait(f"grep -qs 1 /sys/kernel/livepatch/{name}/transition", 300)

    def put(self, files: t.Iterable[Path]) -> None:
        """Copy files to the directory FILES, all at once."""
        with tempfile.NamedTemporaryFile(suffix=".tar") as bundle:
            with tarfile.open(bundle.name, "w") as archive:
                for file in files:
                    archive.add(file, arcname=file.name)
            self.machine.push(Path(bundle.name), "/root/files.tar")
        self.run(f"mkdir -p {FILES} && tar -C {FILES} --no-same-owner -xf /root/files.tar && rm /root/files.tar")

    def boot_id(self) -> str:
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def wait_until_back(self, name: str, seconds: int = 300) -> None:
        """Wait until a patch is gone by itself, and so is who took it out."""
        self.wait(f"test ! -e /sys/module/{name} -a ! -s {RUN}/lock", seconds)

    def wait_for_new_boot(self, boot_id: str, seconds: int = 400) -> None:
        """Wait until sshd answers out of another boot than `boot_id`, whatever ends that one."""
        patience = self.machine.patience(seconds)
        while not patience.is_over():
            self.machine.wait_for_ssh(seconds)
            # Not in the shared connection, which belongs to what may still have to end that boot.
            answer = self.machine.ssh("cat /proc/sys/kernel/random/boot_id", check=False, timeout=60, shared=False)
            if answer.returncode == 0 and answer.stdout.strip() != boot_id:
                self.machine.disconnect()
                return
        raise AssertionError(f"{self.name} did not start again within {seconds} s")

    def reboot(self) -> None:
        """Shut down cleanly and start again."""
        boot_id = self.boot_id()
        self.machine.ssh("systemctl reboot", check=False)
        self.wait_for_new_boot(boot_id)

    def reset(self) -> None:
        """Cut the power and start again."""
        self.machine.reset()
        self.machine.wait_for_ssh()

    def read_soon(self, path: str) -> None:
        """Have the guest itself read a file in a second, which may well be the last thing that it does."""
        self.run(f"systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms cat {shlex.quote(path)}")

    def run_with_files(self, command: str) -> str:
        return self.run(f"FILES={FILES}; " + command)

    def insmod(self, file: str) -> Verdict:
        """Ask the kernel by hand to load a file that was `put` on the guest."""
        command = f"dmesg --clear; insmod {FILES}/{file}.ko 2>&1; dmesg --read-clear >&2"
        done = self.machine.ssh(command, check=False)
        said = re.search(r"could not insert module \S+: (.*)", done.stdout)
        assert said or not done.stdout, done.stdout
        return Verdict(said.group(1) if said else "", done.stderr)

    def wait(self, condition: str, seconds: int = 60, pause: float = 0.1) -> None:
        """Wait until a shell condition holds on the guest."""
        self._run_within(seconds, f"until {condition}; do sleep {pause}; done")

    def _run_within(self, seconds: int, command: str) -> None:
        """Run a command that can begin again, and again where a busy host did not give the guest all these seconds."""
        patience = self.machine.patience(seconds)
        words = f"timeout {seconds} sh -c {shlex.quote(command)}"
        while True:
            done = self.machine.ssh(words, check=False, timeout=seconds + 60)
            if done.returncode == 0:
                return
            assert done.returncode == TOO_LATE and not patience.is_over(), f"{self.name}: {command}: {done}"
