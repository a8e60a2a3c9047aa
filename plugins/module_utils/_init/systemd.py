# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd, from version 239 on: the service for boot and shutdown, and a service for each trial.

A trial's service runs from the beginning and waits by itself: a timer with OnActiveSec begins anew with each
`systemctl daemon-reload`, and one with OnBootSec is lost when it elapses during one (timer_coldplug in
src/core/timer.c). What waits has also read all that it needs before the patch is there.
"""

import os
import re
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import sync_directory, write_private
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import is_guarded
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import wait_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

RUNNING = "/run/systemd/system"  # a directory where systemd is the init system; sd_booted(3)
UNITS = "/etc/systemd/system"
UNIT = "kernel-livepatch.service"
WANTED = f"{UNITS}/multi-user.target.wants/{UNIT}"  # what `systemctl enable` makes
PROVE = "kernel-livepatch-prove"
DIRECTORIES = ("/usr/bin", "/bin")  # of systemd's programs
SECONDS = 60  # for systemd to answer, and for Python to read all that it needs
UP = ("active", "activating", "reloading")  # a service that waits for its restart is activating
NAME = re.compile(r"[^A-Za-z0-9_.-]")  # what is not taken over into a unit's name

# ExecStart's - keeps the service active when a patch could not be loaded. ExecStopPost also runs where the host goes
# down while that still loads, and ExecStop would not (systemd.service(5)). No default dependencies, or it could not
# be before what belongs to basic.target. Without the ledger nothing is started at all. Only a shutdown stops it:
# stopped by hand or by rescue mode, it would take the clean shutdown after that for a crash.
TEXT = """\
# Written by the Ansible collection kernel.livepatch. To load nothing at boot, run `systemctl disable`.
[Unit]
Description=Load the accepted kernel live patches
ConditionPathExists={ledger}
ConditionKernelCommandLine=!kernel_livepatch=off
DefaultDependencies=no
IgnoreOnIsolate=yes
RefuseManualStop=yes
RequiresMountsFor=/var/lib/kernel-livepatch
After=local-fs.target systemd-modules-load.service sys-kernel-debug.mount sys-kernel-tracing.mount
Before=ssh.service sshd.service multi-user.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-{program} boot
ExecStopPost={program} shutdown
TimeoutStartSec=300
TimeoutStopSec=30
SyslogIdentifier=kernel-livepatch

[Install]
WantedBy=multi-user.target
"""
# SIGTERM would end the service for good as `systemctl stop` does, which is not restarted by this.
TRIAL = (
    "--description=Roll back the live patch on trial", "--property=Restart=on-failure",
    "--property=RestartSec=5", "--property=RestartForceExitStatus=SIGTERM SIGINT SIGHUP",
    "--property=OOMScoreAdjust=-1000", "--property=IgnoreOnIsolate=yes", "--property=SyslogIdentifier=kernel-livepatch")


class Systemd:
    """The adapter; see init_system.py for what is asked of one."""

    name = "systemd"

    def __init__(self, host):
        self.host = host

    @staticmethod
    def runs(host):
        return host.is_dir(RUNNING)

    def arm(self, transaction, words):
        try:
            status, said = self._run("systemd-run", "--quiet", f"--unit={_trial(transaction)}", *TRIAL, "--", *words)
            armed = status == 0 and wait_until(self.host, lambda: is_guarded(self.host, transaction), SECONDS)
        except (LivepatchError, OSError) as error:
            armed, said = False, str(error)
        if not armed:
            raise LivepatchError(
                "trial-not-armed",
                f"systemd does not run the process to end the trial ({_last_line(said)}), so nothing is loaded. See "
                f"`journalctl -u {_trial(transaction)}`, or load the patch without a trial.")

    def disarm(self, transaction):
        unit = f"{_trial(transaction)}.service"
        # Its own service ends by itself. So does any other when it looks at the ledger: this only makes it sooner.
        with suppress(LivepatchError, OSError):
            if self._shown(unit, "MainPID") != str(process_identity(self.host, "self").get("pid")):
                self._run("systemctl", "stop", unit)

    def armed(self, transaction):
        return self._is_up(_trial(transaction))

    def arm_proof(self, words, seconds):
        self._run(
            "systemd-run", "--quiet", "--no-block", f"--unit={PROVE}", f"--on-active={seconds}s",
            "--description=Record that this host runs well with its live patches", "--", *words)

    def watch(self, words):
        if os.path.islink(self.host.path(f"{UNITS}/{UNIT}")):  # masked by an operator
            return False
        try:
            if self._install(words):
                self._ask("daemon-reload")
            if self._shown(UNIT, "ActiveState") != "active":
                self._ask("start", UNIT)
            return self._shown(UNIT, "ActiveState") == "active"
        except OSError as error:
            raise _not_watched(f"{error.filename or 'systemctl'}: {error.strerror}") from error

    def boot_part(self):
        unit = self.host.path(f"{UNITS}/{UNIT}")
        installed = os.path.exists(unit) and not os.path.islink(unit)
        return {"installed": installed, "enabled": installed and os.path.lexists(self.host.path(WANTED))}

    def goes_down(self):
        """Whether the host is being shut down; systemctl's exit status only tells whether all is well.

        Before version 246 a host that goes down before its boot is complete is `starting` (src/core/manager.c).
        """
        if self._run("systemctl", "is-system-running")[1] == "stopping":
            return True
        return "shutdown.target" in self._run("systemctl", "list-jobs", "--no-legend")[1].split()

    def _install(self, words):
        """Whether the service had to be written; only one that was not there is enabled, and before it is."""
        text = TEXT.format(program=" ".join(words), ledger=LEDGER).encode("ascii")
        path = f"{UNITS}/{UNIT}"
        there = self.host.read_bytes_or(path)
        if there == text:
            return False
        if there is None:
            self._enable()
        write_private(self.host.path(path), lambda stream: _write_readable(stream, text))
        return True

    def _enable(self):
        link = self.host.path(WANTED)
        os.makedirs(os.path.dirname(link), mode=0o755, exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(f"{UNITS}/{UNIT}", link)
            sync_directory(os.path.dirname(link))

    def _is_up(self, unit):
        return self._shown(f"{unit}.service", "ActiveState") in UP

    def shown(self, unit, keys, seconds=SECONDS):
        """Some properties of a unit, by name; those that it does not have are missing."""
        said = self._run("systemctl", "show", f"--property={','.join(keys)}", unit, seconds=seconds)[1]
        return dict(line.partition("=")[::2] for line in said.splitlines())

    def _shown(self, unit, key):
        return self.shown(unit, [key]).get(key, "")

    def _ask(self, *words):
        status, said = self._run("systemctl", *words)
        if status:
            raise _not_watched(_last_line(said))

    def _run(self, program, *words, seconds=SECONDS):
        paths = [f"{directory}/{program}" for directory in DIRECTORIES]
        path = next((path for path in paths if self.host.exists(path)), paths[0])
        return self.host.run([path, *words], seconds)


def _trial(transaction):
    return f"kernel-livepatch-trial-{NAME.sub('_', transaction)}"


def _write_readable(stream, text):
    """systemd complains in the log about a unit that not everybody can read."""
    stream.write(text)
    os.fchmod(stream.fileno(), 0o644)


def _last_line(said):
    return said.strip().rpartition("\n")[2] or "no output"


def _not_watched(why):
    return LivepatchError(
        "boot-service-failed",
        f"{UNIT} cannot be installed and started ({why}). Without it, the next boot would not know how this one ended, "
        "so nothing is loaded. Repair systemd with the help of `systemctl status {UNIT}`, then run again.")
