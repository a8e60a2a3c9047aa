# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without systemd: a detached process ends a trial, and records a clean shutdown until then."""

import signal
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WHY_NO_BOOT_SERVICE
from ansible_collections.kernel.livepatch.plugins.module_utils._host.processes import process_identity
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import (
    START_SECONDS,
    trial_process_alive,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import (
    record_clean_shutdown,
    reserve_space,
    withdraw_clean_shutdown,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import poll_until
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error

DETACHED = "detached"  # the argument of `end-trial` for a process without a service to restart it
SHUTDOWN_SECONDS = 60  # Debian's sendsigs kills remaining processes 10 s after SIGTERM, and the mark must outlive that
RETRY_SECONDS = 5
NEVER_THE_VICTIM = "-1000"  # when memory runs out; proc_pid_oom_score_adj(5)
ERROR, NOTICE = 3, 5  # levels of the kernel's log; syslog(2)


class DetachedProcess:
    """The adapter; see init_system.py for its methods."""

    name = "none"

    def __init__(self, host):
        self.host = host

    @staticmethod
    def runs(_host):
        return True

    def arm(self, transaction, argv):
        try:
            pid = self.host.spawn([*argv, DETACHED])
        except OSError as error:
            raise _not_armed(error.strerror) from error
        poll_until(
            self.host, lambda: self.armed(transaction) or not process_identity(self.host, pid), START_SECONDS)
        if not self.armed(transaction):
            raise _not_armed("it ended at once, or takes too long to start")

    def disarm(self, transaction):
        """Nothing to do: the process ends when it next reads the ledger."""

    def armed(self, transaction):
        return trial_process_alive(self.host, transaction)

    def schedule_boot_confirmation(self, argv, seconds):
        """Nothing to do: without systemd, no patch is loaded at boot."""

    def install_boot_service(self, argv, enable=False):
        return False

    @staticmethod
    def own_paths():
        return []

    def boot_service_status(self):
        return {"installed": False, "enabled": False, "obstacle": WHY_NO_BOOT_SERVICE["no-systemd"]}


def run_until_done(host, job):
    """Run `job(host)` until it succeeds; at a shutdown meanwhile, write the mark of a clean shutdown.

    The outcome goes to the kernel's log, because the process has no terminal.
    """
    shutdown = _Shutdown(host)
    with suppress(OSError):  # nothing would start this process again
        host.write("/proc/self/oom_score_adj", NEVER_THE_VICTIM)
    reserve_space(host)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, shutdown.begins)
    signal.signal(signal.SIGALRM, shutdown.is_called_off)
    while True:
        try:
            _log(host, NOTICE, job(host))
            break
        except Exception as failure:  # the rollback must be tried again after any error
            _log(host, ERROR, failure)
            host.sleep(RETRY_SECONDS)
    while shutdown.is_near:
        host.sleep(1)


class _Shutdown:
    def __init__(self, host):
        self.host = host
        self.is_near = False

    def begins(self, _number, _frame):
        """SIGTERM: a host sends it to all processes at shutdown; an operator can send it too."""
        self.is_near = True
        signal.alarm(SHUTDOWN_SECONDS)
        with suppress(LivepatchError, OSError):
            record_clean_shutdown(self.host)

    def is_called_off(self, _number, _frame):
        """SIGALRM: this process still runs, so the host does not shut down."""
        self.is_near = False
        with suppress(OSError):
            withdraw_clean_shutdown(self.host)


def _log(host, level, message):
    if isinstance(message, OSError):
        message = as_livepatch_error(message)
    if message:
        with suppress(OSError):
            host.write("/dev/kmsg", f"<{level}>kernel-livepatch: {message}\n")


def _not_armed(why):
    return LivepatchError(
        "trial-not-armed",
        f"The process to end the trial does not run ({why}), so nothing is loaded. Run again, or load the patch "
        "without a trial.")
