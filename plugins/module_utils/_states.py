# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the states (struct klp_state) of a patch fit those of an enabled one, as kernel/livepatch/state.c has it."""


def state_clash(patch, enabled):
    """Why the kernel would refuse `patch` beside `enabled` (descriptions), in words; None where it would not.

    It has to have each state of the enabled patch in the same or a later version; one that does not replace may also
    leave it alone.
    """
    versions = {state["id"]: state["version"] for state in reversed(patch["states"])}  # the kernel takes the first
    for state in enabled["states"]:
        number, version = state["id"], state["version"]
        if number not in versions:
            if patch["replace"]:
                return f"it lacks state {number}"
        elif versions[number] < version:
            return f"it has state {number} in version {versions[number]}, which is older than {version}"
    return None
