# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated systemd for a simulated kernel: what its programs answer, and which units run because of it."""

from pathlib import Path

UNIT = "kernel-livepatch.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTED = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"


class SimulatedSystemd:
    """`units` are those that run, by name, with the words that they run or None, and `timers` those that will.

    `state` is what is-system-running prints. `broken` has the words ("systemd-run", "start", ...) that fail.
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.units = {}
        self.timers = {}
        self.state = "running"
        self.jobs = ""
        self.broken = {}
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
        return getattr(self, "_" + verb.replace("-", "_"))(argv[2:])

    def asked(self):
        """The verbs of all commands so far, in order."""
        return [argv[1] if argv[0].endswith("systemctl") else argv[0].rpartition("/")[2]
                for argv in self.kernel.commands if "systemctl" in argv[0] or "systemd-run" in argv[0]]

    def stop_all(self):
        """Nothing runs any more, as after a reboot."""
        self.units.clear()
        self.timers.clear()

    def _systemd_run(self, argv):
        split = argv.index("--")
        options = dict(word.partition("=")[::2] for word in argv[:split])
        units = self.timers if "--on-active" in options else self.units
        units[options["--unit"] + ".service"] = argv[split + 1:]
        return 0, ""

    def _show(self, argv):
        key = argv[0].partition("=")[2]
        running = argv[1] in self.units
        return 0, key + "=" + {
            "ActiveState": "active" if running else "inactive", "MainPID": "77" if running else "0"}[key]

    def _start(self, argv):
        if not self.kernel.exists(UNIT_FILE):
            return 5, f"Failed to start {argv[0]}: Unit {argv[0]} not found."
        if self.kernel.exists("/var/lib/kernel-livepatch/ledger.json"):
            self.units[argv[0]] = None
        return 0, ""

    def _stop(self, argv):
        return (0, "") if self.units.pop(argv[0], "") != "" else (5, f"Failed to stop {argv[0]}: not loaded.")

    def _daemon_reload(self, _words):
        return 0, ""

    def _list_jobs(self, _words):
        return 0, self.jobs

    def _is_system_running(self, _words):
        return int(self.state != "running"), self.state
