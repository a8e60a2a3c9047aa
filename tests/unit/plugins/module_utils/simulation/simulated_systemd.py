# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated systemd for a simulated kernel: what its programs answer, and which units run because of it."""

import os
from pathlib import Path

from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.tests.unit.plugins.module_utils.simulation.simulated_kernel import PID

UNIT = "kernel-livepatch.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
LOST_UNIT_FILE = f"/run/systemd/system/{UNIT}"  # the next boot does not have it
WANTED = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"


class SimulatedSystemd:
    """`units` are those that run, by name, with the words that they run or None, and `timers` those that will.

    `state` is what is-system-running prints. `broken` has the words ("systemd-run", "start", ...) that fail, and
    `slow` those that end after the time of the caller. `loaded` is the unit's text in systemd's memory, and
    `fragment` another file that it read instead of ours. `too_old` is what systemd-run says to our options. With
    `finds_nothing_new`, it needs a daemon-reload for a new unit.
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.units = {}
        self.timers = {}
        self.state = "running"
        self.jobs = ""
        self.broken = {}
        self.slow = set()
        self.loaded = None
        self.fragment = None
        self.too_old = None
        self.finds_nothing_new = False
        self._read = {}
        self._others = kernel.answer
        Path(kernel.path("/run/systemd/system")).mkdir(parents=True)
        for program in ("systemctl", "systemd-run"):
            kernel.put(f"/usr/bin/{program}", "")
        kernel.answer = self.answer

    def answer(self, argv):
        """The status and the output of a command, as SimulatedKernel.answer gives them."""
        program = argv[0].rpartition("/")[2]
        if program not in ("systemctl", "systemd-run"):
            return self._others(argv)
        verb = program if program == "systemd-run" else argv[1]
        if verb in self.broken:
            return 1, self.broken[verb]
        if verb in self.slow:
            raise LivepatchError("command-timed-out", f"{' '.join(argv)} took longer.")
        if verb == "--no-block":
            return self._start_unit(argv[2:])
        return getattr(self, "_" + verb.replace("-", "_"))(argv[2:])

    def asked(self):
        """The verbs of all commands so far, in order."""
        return [argv[1] if argv[0].endswith("systemctl") else argv[0].rpartition("/")[2]
                for argv in self.kernel.commands if "systemctl" in argv[0] or "systemd-run" in argv[0]]

    def stop_all(self):
        """Nothing runs any more, and nothing is in /run, as after a reboot."""
        if self.kernel.exists(LOST_UNIT_FILE):
            os.unlink(self.kernel.path(LOST_UNIT_FILE))
        self.units.clear()
        self.timers.clear()
        self.loaded = self._on_disk()

    def _systemd_run(self, argv):
        if self.too_old:
            return 1, self.too_old
        split = argv.index("--")
        options = dict(word.partition("=")[::2] for word in argv[:split])
        units = self.timers if "--on-active" in options else self.units
        units[options["--unit"] + ".service"] = argv[split + 1:]
        return 0, ""

    def _show(self, argv):
        unit = argv[1]
        running = unit in self.units or unit.replace(".timer", ".service") in self.timers
        ours, enabled = unit == UNIT, os.path.islink(self.kernel.path(WANTED))
        if ours:
            self._load()
        known = {
            "ActiveState": "active" if running else "inactive", "MainPID": "77" if unit in self.units else "0",
            "LoadState": "loaded" if running or (ours and self.loaded is not None) else "not-found",
            "NeedDaemonReload": "yes" if ours and self.loaded != self._on_disk() else "no",
            "FragmentPath": self.fragment or self._file() if ours and self._on_disk() is not None else "",
            "UnitFileState": "enabled" if ours and enabled else "disabled"}
        return 0, "".join(f"{key}={known[key]}\n" for key in argv[0].partition("=")[2].split(","))

    def _file(self):
        """The unit's file; what is in /etc comes first, whatever it is (systemd.unit(5))."""
        return UNIT_FILE if os.path.lexists(self.kernel.path(UNIT_FILE)) else LOST_UNIT_FILE

    def _on_disk(self):
        path = self.kernel.path(self._file())
        return self.kernel.read_bytes(self._file()) if os.path.isfile(path) and not os.path.islink(path) else None

    def _start_unit(self, argv):
        """A start that systemctl does not wait for, of a unit that it has read below /run."""
        verb, unit = argv
        if verb != "start" or unit not in self._read:
            return 5, f"Failed to {verb} {unit}: Unit {unit} not found."
        service = unit.replace(".timer", ".service")
        command = next(line.partition("=")[2].split() for line in self._read[service].splitlines()
                       if line.startswith("ExecStart="))
        (self.timers if unit.endswith(".timer") else self.units)[service] = command
        if command[-1] == "end-trial":
            self.kernel._guard(PID)
        return 0, ""

    def _load(self):
        """Read a unit that is named for the first time."""
        if self.loaded is None and not self.finds_nothing_new:
            self.loaded = self._on_disk()

    def _start(self, argv):
        self._load()
        if self.loaded is None:
            return 5, f"Failed to start {argv[0]}: Unit {argv[0]} not found."
        if self.kernel.exists("/var/lib/kernel-livepatch/ledger.json"):
            self.units[argv[0]] = None
        return 0, ""

    def _stop(self, argv):
        return (0, "") if self.units.pop(argv[0], "") != "" else (5, f"Failed to stop {argv[0]}: not loaded.")

    def _daemon_reload(self, _words):
        self.loaded = self._on_disk()
        self._read = {name: self.kernel.read(f"/run/systemd/system/{name}")
                      for name in self.kernel.names("/run/systemd/system")}
        return 0, ""

    def _list_jobs(self, _words):
        return 0, self.jobs

    def _is_system_running(self, _words):
        return int(self.state != "running"), self.state
