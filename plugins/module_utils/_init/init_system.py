# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's init system does for this collection: it ends trials, and loads patches at boot.

An adapter has `name`, `runs(host)`, `arm`, `disarm`, `armed`, `schedule_boot_confirmation`, `install_boot_service` and
`boot_service_status`, as below.
"""

from ansible_collections.kernel.livepatch.plugins.module_utils._init.detached import DetachedProcess
from ansible_collections.kernel.livepatch.plugins.module_utils._init.systemd import Systemd
from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.policy import switched_off

INIT_SYSTEMS = (Systemd, DetachedProcess)  # the first that runs; the last always does


def arm(host, transaction, argv):
    """Have `argv` run now, and again until they succeed, whatever becomes of whoever asks for it.

    They are to wait for the end of the trial that the ledger has by now. Returns when they do, with all that they need
    in memory; raises LivepatchError `trial-not-armed`.
    """
    _adapter(host).arm(transaction, argv)


def disarm(host, transaction):
    """A trial is over: what was armed for it ends, at once or when it next looks at the ledger."""
    _adapter(host).disarm(transaction)


def armed(host, transaction):
    """Whether what was armed for a trial still runs."""
    return _adapter(host).armed(transaction)


def schedule_boot_confirmation(host, argv, seconds):
    """Have `argv` run once after so many seconds; to be asked by the program itself, at boot."""
    _adapter(host).schedule_boot_confirmation(argv, seconds)


def install_boot_service(host, argv):
    """Have `boot` run at each boot, and `shutdown` at this one's end; `argv` are the program.

    Returns whether somebody now sees how this boot ends. What an operator has disabled stays so. The ledger has to be
    written before. Raises LivepatchError `boot-service-failed`.
    """
    return _adapter(host).install_boot_service(argv)


def boot_service_status(host):
    """What is known of the next boot without starting anything.

    Shape: `init` (`systemd` or `none`), `installed` and `enabled` of what loads patches at boot, and `switched_off`:
    whether this boot was told to load none.
    """
    adapter = _adapter(host)
    return dict(adapter.boot_service_status(), init=adapter.name, switched_off=switched_off(host))


def _adapter(host):
    return next(adapter(host) for adapter in INIT_SYSTEMS if adapter.runs(host))
