# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd: the service for boot and shutdown, and a service for each trial.

A trial's service starts before the load and waits in its own process. A timer would not do: with OnActiveSec it begins
again with each `systemctl daemon-reload`, and with OnBootSec it is lost if it elapses during one (timer_coldplug in
src/core/timer.c). The waiting process has also read its modules before the patch is loaded.
"""

import os
import re
import stat
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WHY_NO_BOOT_SERVICE
from ansible_collections.kernel.livepatch.plugins.module_utils._host.files import (
    make_way,
    sync_directory,
    write_private,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._init.runtime_units import (
    confirmation_units,
    is_unknown,
    trial_units,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    START_SECONDS,
    trial_process_alive,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.condition import loss_at_reboot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import LEDGER
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._util.seal import seal

RUNNING = "/run/systemd/system"  # a directory if systemd is the init system; sd_booted(3)
UNITS = "/etc/systemd/system"
UNIT = "kernel-livepatch.service"
KEPT = f"{UNITS}/{UNIT}"
WANTED = f"{UNITS}/multi-user.target.wants/{UNIT}"  # as created by `systemctl enable`
NOT_WRITABLE = "{} cannot be written on this host, so a reboot loses the unit"
CONFIRM_UNIT = "kernel-livepatch-confirm-boot"
DIRECTORIES = ("/usr/bin", "/bin", "/run/current-system/sw/bin")  # of systemd's programs; the last on NixOS
STORES = ("/nix/store/", "/gnu/store/")  # /etc of NixOS has links to its store, which is written with the whole system
SECONDS = 60  # for systemd to answer
# systemctl itself waits 180 s for a reload (DAEMON_RELOAD_TIMEOUT_SEC in src/systemctl/systemctl-daemon-reload.c).
WORK_SECONDS = 300  # for systemd to read its units again, or to start one
UP = ("active", "activating", "reloading")  # a service waiting for its restart is activating
MODE = 0o644  # of the unit
FAILED = "boot-service-failed"
NAME = re.compile(r"[^A-Za-z0-9_.-]")  # characters to replace in a unit's name

# ExecStart's - keeps the service active after a failed load. ExecStopPost also runs if the host shuts down during
# ExecStart, and ExecStop would not (systemd.service(5)). No default dependencies, or the service could not start before
# the units of basic.target. Without the ledger, the service does not start. Only a shutdown may stop it: after a stop
# by hand or by rescue mode, a clean shutdown would look like a crash.
HEAD = b"# Written by the Ansible collection kernel.livepatch. To load nothing at boot, run `systemctl mask`.\n"
TEXT = """\
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
# Without RestartForceExitStatus, a SIGTERM would end the service for good; `systemctl stop` still does. Without
# --collect, a failed service stays loaded, and no service of its name can be started again.
TRIAL = (
    "--collect", "--description=Roll back the live patch on trial", "--property=Restart=on-failure",
    "--property=RestartSec=5", "--property=RestartForceExitStatus=SIGTERM SIGINT SIGHUP",
    "--property=OOMScoreAdjust=-1000", "--property=IgnoreOnIsolate=yes", "--property=SyslogIdentifier=kernel-livepatch")
# A health check can be killed for want of memory. By default, systemd then ends the whole service: systemd.service(5).
# Since version 243; an older one refuses the property by its name, and ends only the victim.
OOM_POLICY = "OOMPolicy"
# The properties of a unit that systemd has read, of one that it also runs, and of one that it has not run yet.
READ = {"LoadState": "loaded", "NeedDaemonReload": "no"}
WELL = {"ActiveState": "active", **READ}
UNUSED = {"ActiveState": "inactive", **READ}
FRAGMENT = "FragmentPath"  # the property that names the file which systemd has read


class Systemd:
    """The adapter; see init_system.py for its methods."""

    name = "systemd"

    def __init__(self, host):
        self.host = host

    @staticmethod
    def runs(host):
        return host.is_dir(RUNNING)

    def arm(self, transaction, argv):
        try:
            status, output = self._start_trial(transaction, argv)
            armed = status == 0 and poll_until(
                self.host, lambda: trial_process_alive(self.host, transaction), START_SECONDS)
        except (LivepatchError, OSError) as error:
            armed, output = False, str(error)
        if not armed:
            raise LivepatchError(
                "trial-not-armed",
                f"systemd does not run the process to end the trial ({_last_line(output)}), so nothing is loaded. See "
                f"`journalctl -u {_trial(transaction)}`, or load the patch without a trial.")

    def _start_trial(self, transaction, argv):
        command = ("systemd-run", "--quiet", f"--unit={_trial(transaction)}", *TRIAL)
        try:
            status, output = self._run(
                *command, f"--property={OOM_POLICY}=continue", "--", *argv, seconds=START_SECONDS)
            if status and OOM_POLICY in output:
                status, output = self._run(*command, "--", *argv, seconds=START_SECONDS)
            if status and is_unknown(output):
                return self._start_files(trial_units(_trial(transaction), argv))
            return status, output
        except LivepatchError as error:  # a busy systemd can have the job, and not have answered
            return int(not self.armed(transaction)), str(error)

    def _start_files(self, units):
        """Write units below /run, {file name: text}, and start the last one; returns its status and output."""
        for name, text in units.items():
            content = text.encode("ascii")
            write_private(self.host.path(f"{RUNNING}/{name}"), lambda stream, text=content: _write_readable(
                stream, text))
        status, output = self._run("systemctl", "daemon-reload", seconds=WORK_SECONDS)
        return (status, output) if status else self._run("systemctl", "--no-block", "start", list(units)[-1])

    def disarm(self, transaction):
        unit = f"{_trial(transaction)}.service"
        with suppress(OSError):  # only an older systemd has a file; the unit stays as it is in its memory
            os.unlink(self.host.path(f"{RUNNING}/{unit}"))
        # The trial's own service exits after this. Another one exits when it reads the ledger: a stop is only sooner.
        with suppress(LivepatchError, OSError):
            if self._property(unit, "MainPID") != str(process_identity(self.host, "self").get("pid")):
                self._run("systemctl", "stop", unit)

    def armed(self, transaction):
        return self._is_up(_trial(transaction))

    def schedule_boot_confirmation(self, argv, seconds):
        if self._property(f"{CONFIRM_UNIT}.timer", "ActiveState") == "active":
            return
        status, output = self._run(
            "systemd-run", "--quiet", "--no-block", "--collect", f"--unit={CONFIRM_UNIT}", f"--on-active={seconds}s",
            "--description=Record that this host runs well with its live patches", "--", *argv)
        if status and is_unknown(output):
            status, output = self._start_files(confirmation_units(CONFIRM_UNIT, argv, seconds))
        if status:
            raise _boot_service_error(_last_line(output))

    def install_boot_service(self, argv, enable=False):
        if is_masked(self.host):
            return False
        try:
            text = unit_text(argv)
            before = self._install(text, enable)
            state = self.properties(UNIT, [*WELL, FRAGMENT], WORK_SECONDS)
            if before == text and WELL.items() <= state.items():
                return True
            if not self._is_read(before, text, state):
                self._reload()
            self._systemctl("start", UNIT)
            return self._property(UNIT, "ActiveState") == "active"
        except LivepatchError as error:
            raise error if error.code == FAILED else _boot_service_error(str(error)) from error
        except OSError as error:
            raise _boot_service_error(f"{error.filename or 'systemctl'}: {error.strerror}") from error

    def _reload(self):
        """Let systemd read all units again, which takes seconds on a host with many of them.

        It can finish after systemctl was stopped, so a time-out alone is no failure.
        """
        try:
            self._systemctl("daemon-reload")
        except LivepatchError as error:
            if error.code == FAILED or self.properties(UNIT, READ) != READ:
                raise

    def _is_read(self, before, text, state):
        """Whether systemd has read the unit `text`, for the file's content before, or None, and its properties.

        systemd reads a new unit when it is told its name. One that is not inactive is left of a file that was removed.
        Of one with another content systemd compares times, and a clock can be set back (unit_need_daemon_reload in
        src/core/unit.c). Source: org.freedesktop.systemd1(5).
        """
        if before is None:
            return state == {**UNUSED, FRAGMENT: unit_path(self.host)}
        return before == text and READ.items() <= state.items()

    def boot_service_status(self):
        path = unit_path(self.host)
        installed = _is_file(self.host, path)
        enabled = installed and path == KEPT and os.path.islink(self.host.path(WANTED))
        return {"installed": installed, "enabled": enabled, "obstacle": self._obstacle(path)}

    def own_paths(self):
        return [unit_path(self.host), WANTED]

    def _obstacle(self, path):
        if is_masked(self.host):
            return WHY_NO_BOOT_SERVICE["masked"]
        why = NOT_WRITABLE.format(UNITS) if path != KEPT else loss_at_reboot(self.host, UNITS)
        return why and WHY_NO_BOOT_SERVICE["not-kept"].format(path=path, why=why)

    def is_shutting_down(self):
        """Whether the host is shutting down; systemctl's exit status only says whether the system is healthy.

        Before version 246, a shutdown before the boot is complete is `starting` (src/core/manager.c).
        """
        if self._run("systemctl", "is-system-running")[1] == "stopping":
            return True
        return "shutdown.target" in self._run("systemctl", "list-jobs", "--no-legend")[1].split()

    def _install(self, text, enable):
        """Write the service, and first enable a new one; returns the bytes of an earlier one, or None.

        One in /run is not enabled: the next boot does not have it.
        """
        path = unit_path(self.host)
        make_way(self.host.path(path))
        installed = self.host.read_bytes_or(path)
        if path == KEPT and (installed is None or enable):
            self._enable()
        if installed != text or stat.S_IMODE(self.host.status(path).st_mode) != MODE:
            write_private(self.host.path(path), lambda stream: _write_readable(stream, text))
        return installed

    def _enable(self):
        link = self.host.path(WANTED)
        os.makedirs(os.path.dirname(link), mode=0o755, exist_ok=True)
        if not os.path.islink(link):
            make_way(link)
        if os.path.isfile(link) and not os.path.islink(link):
            os.unlink(link)  # systemd ignores a file there
        if not os.path.lexists(link):
            os.symlink(KEPT, link)
            sync_directory(os.path.dirname(link))

    def _is_up(self, unit):
        return self._property(f"{unit}.service", "ActiveState") in UP

    def properties(self, unit, keys, seconds=SECONDS):
        """Some properties of a unit, by name, without those that it does not have."""
        output = self._run("systemctl", "show", f"--property={','.join(keys)}", unit, seconds=seconds)[1]
        return dict(line.partition("=")[::2] for line in output.splitlines())

    def _property(self, unit, key):
        return self.properties(unit, [key]).get(key, "")

    def _systemctl(self, *argv):
        status, output = self._run("systemctl", *argv, seconds=WORK_SECONDS)
        if status:
            raise _boot_service_error(_last_line(output))

    def _run(self, program, *argv, seconds=SECONDS):
        paths = [f"{directory}/{program}" for directory in DIRECTORIES]
        path = next((path for path in paths if self.host.exists(path)), paths[0])
        return self.host.run([path, *argv], seconds)


def unit_path(host):
    """The path of the unit: in /etc, or in /run if /etc cannot be written, as on NixOS and on some images."""
    in_store = f"{host.resolved(UNITS)}/".startswith(STORES)
    if not _is_file(host, KEPT) and (in_store or host.is_read_only(UNITS)):
        return f"{RUNNING}/{UNIT}"
    return KEPT


def is_masked(host):
    """Whether an operator has put a link in the place of the unit, as `systemctl mask` does, also with --runtime.

    A file in /etc comes before one in /run (systemd.unit(5)).
    """
    return os.path.islink(host.path(KEPT)) or (
        not _is_file(host, KEPT) and os.path.islink(host.path(f"{RUNNING}/{UNIT}")))


def _is_file(host, path):
    return os.path.isfile(host.path(path)) and not os.path.islink(host.path(path))


def unit_text(argv):
    """The bytes of the unit for a command line of the program."""
    return seal(HEAD, TEXT.format(program=" ".join(argv), ledger=LEDGER).encode("ascii"))


def _trial(transaction):
    return f"kernel-livepatch-trial-{NAME.sub('_', transaction)}"


def _write_readable(stream, text):
    """Write a file readable by every user; systemd logs a warning about other units."""
    stream.write(text)
    os.fchmod(stream.fileno(), MODE)


def _last_line(output):
    return output.strip().rpartition("\n")[2] or "no output"


def _boot_service_error(why):
    return LivepatchError(
        "boot-service-failed",
        f"{UNIT} cannot be installed and started ({why}). Without it, the next boot would not know how this one ended, "
        "so nothing is loaded. Repair systemd with the help of `systemctl status {UNIT}`, then run again.")
