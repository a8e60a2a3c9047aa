# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes builds from the quarantine of a host, as one change in its journal."""

from ansible_collections.kernel.livepatch.plugins.module_utils._livepatch.interface import interface_or_none
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lease import refuse_leased
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.transaction import open_transaction
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError, as_livepatch_error


def forget_quarantine(host, name, controller):
    """Remove every build of a name from the quarantine; returns their entries. `controller` as in open_transaction.

    Raises LivepatchError `not-quarantined`, and as open_transaction does.
    """
    refuse_leased(host, controller)
    interface = interface_or_none(host)
    with open_transaction(host, "forget-quarantine", controller) as transaction:
        quarantined = transaction.ledger["quarantined"]
        forgotten = [entry for entry in quarantined if entry["name"] == name]
        if not forgotten:
            names = ", ".join(sorted({entry["name"] for entry in quarantined})) or "none"
            raise LivepatchError(
                "not-quarantined", f"{name} is not in quarantine on this host. Give one of these names: {names}.")
        patches = interface.patches() if interface else []
        transaction.begin([{
            "name": entry["name"], "sha256": entry["sha256"], "build_id": entry["build_id"],
            "previous_state": "quarantined", "wanted_state": "absent"} for entry in forgotten], patches)
        try:
            transaction.update_ledger(quarantined=[entry for entry in quarantined if entry not in forgotten])
        except (LivepatchError, OSError) as failure:
            error = as_livepatch_error(failure)
            transaction.end("failed", [], patches, code=error.code)
            raise error from failure
        transaction.end("done", [], patches)
        return forgotten
