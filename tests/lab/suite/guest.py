# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test asks a guest directly over ssh, past the collection: the kernel's own word."""

from __future__ import annotations

import shlex
import typing as t

STORE = "/var/lib/kernel-livepatch"

# Brings a guest back to a kernel without patches by hand, newest patch first, one transition after the other. In the
# shell's own words where possible, because starting a process takes a while on an emulated machine.
CLEAN = f"""
cd /sys/module
! test -e lab_holder || echo 1 >lab_holder/parameters/release
while read module rest; do modules="$modules $module"; done </proc/modules
for module in $modules; do
    read taint <$module/taint
    case $taint in *K*) ;; *) continue ;; esac
    patch=/sys/kernel/livepatch/$module
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        test -e $patch || break
        read transition <$patch/transition && test "$transition" = 1 || echo 0 >$patch/enabled
        sleep 0.2
    done
    until read count <$module/refcnt && test "$count" = 0; do sleep 0.1; done
    rmmod $module
done
for module in lab_target lab_holder; do ! test -e $module || rmmod $module; done
rm -rf {STORE}
test -z "$(ls /sys/kernel/livepatch)"
"""


class Guest:
    """A machine, asked and changed by hand."""

    def __init__(self, machine: t.Any) -> None:
        self.machine = machine
        self.name = machine.name

    def run(self, command: str) -> str:
        """What a command prints on the guest; fails the test when the command fails."""
        return self.machine.ssh(command).stdout

    def clean(self) -> None:
        self.run("timeout 120 sh -c " + shlex.quote(CLEAN))

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

    def kept_files(self) -> list[str]:
        return self.run(f"ls {STORE}/patches 2>/dev/null || true").split()

    def load(self, local: t.Any) -> str:
        """Insert a module with insmod, as an operator could by hand; returns its name."""
        self.machine.push(local, f"/root/{local.name}")
        self.run(f"insmod /root/{local.name}")
        return local.stem

    def wait(self, condition: str, seconds: int = 60) -> None:
        """Wait until a shell condition holds on the guest."""
        self.run(f"timeout {seconds} sh -c " + shlex.quote(f"until {condition}; do sleep 0.1; done"))
