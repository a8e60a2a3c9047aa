# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger adds to a patch's state in the kernel."""

from ansible_collections.kernel.livepatch.plugins.module_utils._ledger import accepted_here, same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._loaded_modules import module_build_id


def standing(host, ledger, name, state):
    """A patch's state, which is `accepted` where the enabled build is what the next boot loads, and not on trial."""
    if state != "enabled" or trial_of(ledger, name):
        return state
    loaded = {"name": name, "build_id": module_build_id(host, name), "sha256": ""}
    return "accepted" if any(same_build(entry, loaded) for entry in accepted_here(host, ledger)) else state


def trial_of(ledger, name):
    """The trial that a patch is on, or None."""
    return ledger["trial"] if ledger["trial"] and ledger["trial"]["name"] == name else None


def seconds_left(host, trial):
    """Whole seconds until a trial's end."""
    return max(0, round(trial["ends"] - host.now()))
