# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of the module `patch_hook`: mark a host while tasks around its change are under way."""

from contextlib import suppress

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.request import LONGEST_TRIAL
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import identify_actor
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.hook import (
    read_hook,
    remove_hook,
    write_hook,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import (
    RunLease,
    check_run,
    is_held_by,
    refuse_leased,
    unwritable_lease,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import change_lock
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.quarantine import read_ledger_for_this_boot
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import transaction_name
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError


def mark_hook(host, state, seconds, check_mode=False, controller=None):
    """Write the mark (`begun`) or remove it (`ended`); `controller` as in open_transaction.

    With `begun`, the run holds this host for `seconds`, until its load begins a trial. Returns a dict of `hook` (see
    read_hook) and `findings`. Raises LivepatchError `bad-option`, `host-leased`, `hook-unwritable`,
    `lease-unwritable`, and those of change_lock.
    """
    controller = controller or {}
    check_run(controller.get("run"))
    if not 0 <= seconds <= LONGEST_TRIAL:
        raise LivepatchError("bad-option", f"seconds is {seconds}. Give 0 to {LONGEST_TRIAL}.")
    before = read_hook(host)
    begins = state == "begun"
    # A run removes its own mark also where it has lost the host: its livepatch_after has run.
    lost = begins or not before or before["run"] != controller.get("run")
    if check_mode or not (begins or before):
        refuse_leased(host, controller, lost)
        return {"changed": begins or before is not None, "hook": before, "findings": []}
    started, who = host.wall_clock(), identify_actor(host, controller)
    change = {"transaction": transaction_name(started), "since": utc_timestamp(started), "who": who}
    with change_lock(host, change):
        # A run that ends its mark goes on with its own lease. It gets none on the trial of a person.
        holds = begins or bool(controller.get("take_lease")) or is_held_by(host, controller.get("run"))
        lease = RunLease(host, controller, who, lost)
        if begins:
            _hold(host, lease, seconds)
            try:
                write_hook(host, controller.get("run"), who)
            except LivepatchError:
                with suppress(LivepatchError):
                    _hold(host, lease, 0)  # nothing has begun, and the next run of the user has another name
                raise
        else:
            remove_hook(host)
            _hold(host, lease, 0, holds)
    return {"changed": True, "hook": read_hook(host), "findings": lease.findings}


def _hold(host, lease, seconds, holds=True):
    """Let the lease of the run end with the trial of this host, and not before `seconds` are over; else it ends now."""
    trial = read_ledger_for_this_boot(host, best_effort=True)["trial"] if holds else None
    ends = [trial["ends"]] if trial else []
    ends += [host.now() + seconds] if seconds else []
    try:
        lease.follow({"ends": max(ends)} if ends else None)
    except (LivepatchError, OSError) as error:
        raise unwritable_lease(error, "meanwhile") from error
