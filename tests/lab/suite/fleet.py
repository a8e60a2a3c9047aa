# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of two kernel releases as one fleet: what is done to them past the collection, and what they say."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import typing as t
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from guest import RELEASE, STORE, Guest

# The groups of the machines in the inventory, by their kernels, and what they are called there, with a number.
OLD, NEW = "older", "newer"
GROUPS = (OLD, NEW)

LONGEST = 600  # seconds that anything is waited for: eight emulated machines share two cores
WAVES = "canary, 75%, 100%"
# One host, three, and the others: what goes wrong in the second wave is seen sooner.
SMALL_WAVES = "1, 3, 100%"

LOOKS, UNWELL, HOOKED = "/run/lab-looks", "/run/lab-unwell", "/run/lab-hooked"
HEALTH_CHECK = "sh /root/well"
NO_FTRACE = "echo 0 >/proc/sys/kernel/ftrace_enabled"

SCRIPTS = {
    # The health check. It fails from the run on whose number is in UNWELL, counted from 1.
    "well": f"echo >>{LOOKS}; test ! -e {UNWELL} || test $(wc -l <{LOOKS}) -lt $(cat {UNWELL})",
    # Cuts the host off as soon as its kernel has a patch, which is in the middle of a load, until it has gone back.
    "cut": "until test -e /sys/kernel/livepatch/$1; do sleep 0.5; done; ip link set eth0 down; "
           "while test -e /sys/module/$1; do sleep 1; done; ip link set eth0 up",
}
INSTALL = "; ".join(f"echo {shlex.quote(text)} >/root/{name}" for name, text in SCRIPTS.items())

# What a scenario can leave behind besides patches.
TIDY = f"""
systemctl stop lab-cut.service 2>/dev/null
echo 1 >/proc/sys/kernel/ftrace_enabled
rm -f {LOOKS} {UNWELL} {HOOKED}
"""

# Each line is a word and what it is about; the ledger comes last.
TELL = f"""
echo "version $(sed -n 's/.* livepatch=//p' /proc/cmdline)"
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
echo "changes $(cat {STORE}/journal* 2>/dev/null | wc -l)"
for patch in /sys/kernel/livepatch/*; do
    test ! -e "$patch" || echo "patch ${{patch##*/}} $(cat "$patch/enabled") $(cat "$patch/transition")"
done
echo ledger
cat {STORE}/ledger.json 2>/dev/null || true
"""
ENABLED = "1 0"  # `enabled` and `transition` of a patch that every task runs


class Told(t.NamedTuple):
    """What a guest says of itself: `version`, what patches add to /proc/cmdline; `patches`, those in sysfs with
    `enabled` and `transition`; `accepted`, what the next boot loads; `changes`, how many lines the journal has."""

    version: str
    patches: dict[str, str]
    accepted: list[str]
    changes: int
    boot_id: str


class Fleet:
    """The guests, by the names that the inventory has for them."""

    def __init__(self, members: Mapping[str, Mapping[str, Guest]], patches: Mapping[str, Mapping[str, Path]]) -> None:
        """Both by group: its guests by name, and the files of its kernel's patches by name."""
        self._patches = patches
        self._members = {group: list(guests) for group, guests in members.items()}
        self.guests = {name: guest for guests in members.values() for name, guest in guests.items()}
        self.each(lambda guest: guest.run(INSTALL))
        # For the table of results.
        self.kernels = " and ".join(self[names[0]].release() for names in self._members.values())

    def __getitem__(self, name: str) -> Guest:
        return self.guests[name]

    @property
    def names(self) -> list[str]:
        return list(self.guests)

    def of(self, group: str) -> list[str]:
        return self._members[group]

    def waves(self, groups: Iterable[str] = GROUPS) -> list[list[str]]:
        """Who is in which of WAVES where the patch is for the kernels of these groups, by the digests of the names."""
        members = [sorted(self._members[group], key=_digest) for group in groups]
        canaries = [names[0] for names in members]
        others = sorted((name for names in members for name in names[1:]), key=_digest)
        second = (len(canaries) + len(others)) * 75 // 100 - len(canaries)
        return [canaries, others[:second], others[second:]]

    def small_waves(self) -> list[list[str]]:
        """Who is in which of SMALL_WAVES, three of them."""
        names = sorted(self.names, key=_digest)
        if len(names) < 5:
            pytest.skip(f"not run: three waves need more than {len(names)} machines, see --fleet")
        return [names[:1], names[1:4], names[4:]]

    def each(self, ask: Callable[[Guest], t.Any], names: Iterable[str] | None = None) -> dict[str, t.Any]:
        """Ask guests at the same time, all of them where none is named; raises what any of them raises."""
        asked = self.names if names is None else list(names)
        with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
            return dict(zip(asked, pool.map(ask, map(self.guests.__getitem__, asked)), strict=True))

    def run(self, command: str, names: Iterable[str]) -> dict[str, str]:
        return self.each(lambda guest: guest.run(command), names)

    def wait(self, condition: str, names: Iterable[str]) -> None:
        """Wait until a shell condition holds on guests, which have more to do than to ask for it often."""
        self.each(lambda guest: guest.wait(condition, LONGEST, pause=1), names)

    def clean(self) -> None:
        """Bring every guest back to a network, and to a kernel without patches."""
        self.each(_clean)

    def tell(self, names: Iterable[str] | None = None) -> dict[str, Told]:
        return self.each(_told, names)

    def bundle(self, directory: Path, patch: str, groups: Iterable[str] = GROUPS) -> Path:
        """Make a bundle of one patch, with a build for the kernel of each of these groups and a CVE."""
        for group in groups:
            (directory / group).mkdir(parents=True)
            shutil.copyfile(self._patches[group][patch], directory / group / f"{patch}.ko")
        said = {"patches": {patch: {"cves": ["CVE-2026-12345"], "summary": "The lab's own"}}}
        (directory / "bundle.yml").write_text(yaml.safe_dump(said), encoding="utf-8")
        return directory

    def load_by_hand(self, patch: str, name: str) -> None:
        self[name].load(self._file(patch, name))
        self[name].wait(f"test $(cat /sys/kernel/livepatch/{patch}/transition) = 0")

    def hold(self, names: Iterable[str]) -> None:
        """Insert lab_holder on every guest, with a thread that stays inside lab_hold() on these ones."""
        for group, members in self._members.items():
            self.each(lambda guest, group=group: guest.hold(self._patches[group]["lab_holder"]), members)
        self.run(RELEASE, set(self.names) - set(names))

    def cut_off_when_patched(self, patch: str, names: Iterable[str]) -> None:
        """Have guests lose their network in the middle of the load, until they have gone back."""
        self.run(f"systemd-run --quiet --unit=lab-cut sh /root/cut {patch}", names)

    def wait_until_patched(self, patch: str, names: Iterable[str]) -> None:
        """Wait until the kernels have the patch, which is before the load is over."""
        self.wait(f"test -e /sys/kernel/livepatch/{patch}", names)

    def wait_until_watched(self, names: Iterable[str]) -> None:
        """Wait until the health check has run, which is in the soak."""
        self.wait(f"test -s {LOOKS}", names)

    def wait_until_stalled(self, names: Iterable[str]) -> None:
        """Wait until the load is over on guests whose transition goes on."""
        self.wait(f"""grep -qs '"outcome": "in-transition"' {STORE}/journal*""", names)

    def wait_until_back(self, patch: str, names: Iterable[str]) -> None:
        """Wait until guests that were cut off or left alone have gone back and answer, all by themselves."""
        self.each(lambda guest: _wait_until_back(guest, patch), names)

    def _file(self, patch: str, name: str) -> Path:
        return next(self._patches[group][patch] for group, names in self._members.items() if name in names)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _clean(guest: Guest) -> None:
    guest.machine.go_on()
    guest.machine.plug()
    _wait_until_reached(guest)
    guest.run(TIDY)
    guest.clean()


def _wait_until_back(guest: Guest, patch: str) -> None:
    _wait_until_reached(guest)
    guest.wait_until_back(patch, LONGEST)


def _wait_until_reached(guest: Guest) -> None:
    guest.machine.disconnect()
    guest.machine.wait_for_ssh(LONGEST)


def _told(guest: Guest) -> Told:
    lines, _word, ledger = guest.run(TELL).partition("ledger\n")
    words = [line.split(" ") for line in lines.splitlines()]
    only = {word[0]: word[1] for word in words if word[0] != "patch"}
    patches = {word[1]: " ".join(word[2:]) for word in words if word[0] == "patch"}
    accepted = [entry["name"] for entry in json.loads(ledger)["accepted"]] if ledger else []
    return Told(only["version"], patches, accepted, int(only["changes"]), only["boot"])
