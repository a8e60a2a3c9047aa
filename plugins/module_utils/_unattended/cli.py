# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the program on a host, which acts without a controller; see installer.py.

    ready               print `ready`, if the whole program and the ledger can be read
    boot, shutdown      by the init system, when the host starts and when it shuts down
    confirm-boot        by the init system, some time after patches were loaded at boot
    end-trial           wait for a trial's end and restore the earlier patches
    end-trial detached  the same, as a process without a service to restart it

All other commands are for the console, see _console/commands.py.
"""

import sys
from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._host.host import Host
from ansible_collections.kernel.livepatch.plugins.module_utils._init.detached import DETACHED, run_until_done
from ansible_collections.kernel.livepatch.plugins.module_utils._init.trial_process import register_trial_process
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import (
    reserve_space,
    withdraw_clean_shutdown,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import read_ledger
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    CONFIGURATION,
    FACTS_DIRECTORIES,
    METRICS_DIRECTORIES,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended import boot, trial_end
from ansible_collections.kernel.livepatch.plugins.module_utils._unattended.program import this_program
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error

REFRESH = "refresh"  # a command for the console
REFRESH_SECONDS = 60


def main(argv, host=None):
    """Run the command in `argv`; returns the exit status, 1 after an error, 2 for an unknown command.

    Writes an error to standard error as one line, and the message of a command, if any, to standard output.
    """
    command = COMMANDS.get(" ".join(argv))
    if command is None:
        sys.stderr.write(f"usage: program.pyz {' | '.join(sorted(COMMANDS))}\n")
        return 2
    try:
        message = command(host or Host())
    except (LivepatchError, OSError) as failure:
        error = as_livepatch_error(failure)
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    finally:
        _refresh(host or Host(), argv[0])
    if message:
        sys.stdout.write(f"{message}\n")
    return 0


def _ready(host):
    read_ledger(host)
    return "ready"


def _boot_now(host):
    reserve_space(host)
    withdraw_clean_shutdown(host)  # a soft reboot ends all processes, and keeps the kernel and its patches
    return boot.boot(host)


def _end_trial(host):
    register_trial_process(host)
    return trial_end.end_trial(host, in_thread=True)


def _refresh(host, command):
    """Let a process of its own write the metrics and the facts: a fault in that must not stop a boot or a trial's end.

    At a boot it goes on alone, because sshd waits for the boot service. systemd ends it with the service of a trial.
    Does nothing on a host that has no place for them.
    """
    if not (host.exists(CONFIGURATION) or any(map(host.is_dir, METRICS_DIRECTORIES + FACTS_DIRECTORIES))):
        return
    argv = [*this_program(host), REFRESH]
    with suppress(LivepatchError, OSError):
        if command in ("boot", "confirm-boot"):
            host.spawn(argv)
        elif command == "end-trial":
            host.run(argv, REFRESH_SECONDS)


COMMANDS = {
    "ready": _ready,
    "boot": _boot_now,
    "confirm-boot": boot.confirm_boot,
    "shutdown": boot.shut_down,
    "end-trial": _end_trial,
    f"end-trial {DETACHED}": lambda host: run_until_done(host, _end_trial),
}
