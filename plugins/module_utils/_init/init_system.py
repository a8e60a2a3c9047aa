# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses the host's init system to end trials and to load patches at boot.

An adapter has `name`, `runs(host)`, `arm`, `disarm`, `armed`, `schedule_boot_confirmation`, `install_boot_service`,
`boot_service_status` and `own_paths`, as below.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import WHY_NO_BOOT_SERVICE
from ansible_collections.kernel.livepatch.plugins.module_utils._init.detached import DetachedProcess
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import switched_off
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.condition import loss_at_reboot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import (
    PROGRAM,
    STATE_DIRECTORY,
)

INIT_SYSTEMS = (Systemd, DetachedProcess)  # the first that runs; the last always does


def arm(host, transaction, argv):
    """Run `argv` now, and again until it succeeds, independently of the calling process.

    `argv` must wait for the end of the ledger's trial. Returns once it waits, with everything it needs in memory;
    raises LivepatchError `trial-not-armed`.
    """
    _adapter(host).arm(transaction, argv)


def disarm(host, transaction):
    """A trial is over: its process ends, at once or when it next reads the ledger."""
    _adapter(host).disarm(transaction)


def armed(host, transaction):
    """Whether the process that was armed for a trial still runs."""
    return _adapter(host).armed(transaction)


def schedule_boot_confirmation(host, argv, seconds):
    """Run `argv` once after `seconds`; called by the program itself, at boot."""
    _adapter(host).schedule_boot_confirmation(argv, seconds)


def install_boot_service(host, argv, enable=False):
    """Run `boot` at each boot, and `shutdown` at the end of this one; `argv` is the program.

    Returns whether a clean end of this boot will be recorded. A disabled service stays disabled without `enable`, and a
    masked one stays masked. Write the ledger before. Raises LivepatchError `boot-service-failed`.
    """
    return _adapter(host).install_boot_service(argv, enable)


def boot_service_status(host):
    """The state of the boot service; starts nothing.

    Shape: `init` (`systemd` or `none`), `installed` and `enabled` of the boot service, `obstacle` (why no boot of this
    host loads patches, whatever is accepted, as a clause with the action, or None), and `switched_off`: whether the
    command line of this boot disabled it.
    """
    adapter = _adapter(host)
    status = adapter.boot_service_status()
    why = loss_at_reboot(host, STATE_DIRECTORY)
    lost = why and WHY_NO_BOOT_SERVICE["state-lost"].format(path=STATE_DIRECTORY, why=why)
    return dict(
        status, obstacle=status["obstacle"] or lost, init=adapter.name, switched_off=switched_off(host))


def own_paths(host):
    """The files of this collection that the init system reads or runs, and the directory for the state."""
    return [STATE_DIRECTORY, PROGRAM, *_adapter(host).own_paths()]


def _adapter(host):
    return next(adapter(host) for adapter in INIT_SYSTEMS if adapter.runs(host))
