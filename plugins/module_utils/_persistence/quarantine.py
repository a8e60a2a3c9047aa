# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the ledger of an earlier boot: a patch suspected of a crash is quarantined and not loaded again."""

from ansible_collections.kernel.livepatch.plugins.module_utils._kernel.identity import BOOT_ID
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.clean_shutdown import was_clean
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    contains_build,
    empty_ledger,
    is_untried,
    read_ledger,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

ON_TRIAL = "crashed-on-trial"
AFTER_BOOT = "crashed-after-boot"


def ledger_for_this_boot(host, ledger, now):
    """The ledger for this boot; writes nothing. `now` is the time for new quarantine entries, as text.

    After a crash, patches that were on trial or not accepted are quarantined. If there were none, the patches loaded
    at boot and not yet confirmed are quarantined: those in their first boot on this kernel, or else all. Only one
    group is suspected at a time, because a quarantined patch is not loaded again.
    """
    boot_id = host.read_or(BOOT_ID)
    if ledger["boot_id"] in (None, boot_id):
        return dict(ledger, boot_id=boot_id)
    suspects, why = _suspects(host, ledger)
    accepted = [entry for entry in ledger["accepted"] if not contains_build(suspects, entry)]
    earlier = [entry for entry in ledger["quarantined"] if not contains_build(suspects, entry)]
    quarantined = [{
        "name": entry["name"], "build_id": entry["build_id"], "sha256": entry["sha256"], "why": why, "since": now,
        "transaction": entry["transaction"]} for entry in suspects]
    return {
        "boot_id": boot_id, "watched": False, "loaded": [], "trial": None,
        "booted": {"confirmed": False, "patches": []},
        "accepted": accepted, "quarantined": earlier + quarantined, "failed_watch": ledger["failed_watch"]}


def read_ledger_for_this_boot(host, best_effort=False):
    """The ledger for this boot, read-only.

    Raises LivepatchError `ledger-damaged`, `ledger-unreadable`, `newer-version` unless `best_effort`.
    A ledger that this user may not read counts as empty: this user may not change anything either.
    """
    try:
        return ledger_for_this_boot(host, read_ledger(host), utc_timestamp(host.wall_clock()))
    except LivepatchError:
        if not best_effort:
            raise
    except PermissionError:
        pass
    return empty_ledger()


def _suspects(host, ledger):
    if not ledger["watched"] or was_clean(host, ledger["boot_id"]):
        return [], None
    trial = ledger["trial"]["name"] if ledger["trial"] else None  # also an accepted build with new parameters
    on_trial = [entry for entry in ledger["loaded"]
                if entry["name"] == trial or not contains_build(ledger["accepted"], entry)]
    booted = [] if ledger["booted"]["confirmed"] else ledger["booted"]["patches"]
    # The others have run on this kernel before.
    booted = [entry for entry in booted if is_untried(ledger, entry)] or booted
    return (on_trial, ON_TRIAL) if on_trial else (booted, AFTER_BOOT)
