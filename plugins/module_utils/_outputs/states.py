# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host and of its patches in one word each, and the local facts, from an inventory (see patch_info.py).
"""

IN_TRANSITION = ("enabling", "disabling")
# The least stable patch decides; as the verdicts of the playbook `status`.
ORDER = ("disabled", "accepted", "enabled", "on_trial", *IN_TRANSITION)


def patch_state(inventory, patch):
    """`accepted`, `enabled`, `on_trial`, `enabling`, `disabling` or `disabled`."""
    trial = inventory.get("trial")
    on_trial = trial is not None and patch["state"] == "enabled" and trial["name"] == patch["name"]
    return "on_trial" if on_trial else patch["state"]


def host_state(inventory):
    """`accepted`, `enabled`, `on_trial`, `in_transition`, `unpatched` or `unsupported`."""
    if inventory["interface"] == "none":
        return "unsupported"
    least = max((patch_state(inventory, patch) for patch in inventory["patches"]), key=ORDER.index, default="disabled")
    return "in_transition" if least in IN_TRANSITION else "unpatched" if least == "disabled" else least


def host_facts(inventory):
    """The facts of a host; small, because each play that gathers facts carries them.

    Shape: `state`, `kernel` (the release), `patches` (`name`, `version`, `build_id`, `state`), `trial` (a name or
    None), `quarantined` (names) and `drift` (codes of warnings); the last two are None if they are not known.
    """
    quarantined, drift = inventory["quarantined"], inventory["drift"]
    return {
        "state": host_state(inventory),
        "kernel": inventory["kernel"]["release"],
        "patches": [{
            "name": patch["name"], "version": patch["version"], "build_id": patch["build_id"],
            "state": patch_state(inventory, patch)} for patch in inventory["patches"]],
        "trial": inventory["trial"] and inventory["trial"]["name"],
        "quarantined": None if quarantined is None else sorted({entry["name"] for entry in quarantined}),
        "drift": None if drift is None else sorted({found["code"] for found in drift if found["level"] == "warning"}),
    }
