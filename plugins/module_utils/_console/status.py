# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a host (see patch_info.py) as lines for a terminal, as JSON, and for the message of the day."""

import json

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import functions_in_effect
from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.states import patch_state
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import (
    join_limited,
    number_of,
    printable,
    without_surrogates,
)

SHORT = 12  # characters of a build-id
MOST_NAMES = 5  # in the message of the day
SEE = "See: kernel-livepatch status"


def json_lines(inventory):
    return json.dumps(without_surrogates(inventory), indent=2, sort_keys=True).splitlines()


def status_lines(inventory):
    """One line for each fact, without control characters."""
    kernel = inventory["kernel"]
    lines = [f"Kernel {kernel['release']} ({kernel['arch']}), interface {inventory['interface']}"]
    lines += [_patch_line(inventory, patch) for patch in inventory["patches"]] or ["No live patch is loaded."]
    trial, transition = inventory["trial"], inventory["transition"]
    if trial:
        lines.append(f"Trial of {trial['name']}: in {trial['seconds_left']} s this host reverts to "
                     f"{', '.join(trial['back_to']) or 'no live patch'}, unless it is accepted.")
    if transition:
        held_by = join_limited([f"{task['comm']} ({task['pid']})" for task in transition["blockers"]], MOST_NAMES)
        lines.append(f"Transition of {transition['name']}: {transition['state']}, held by {held_by or 'unknown tasks'}")
    lines += [_boot_line(inventory["boot"])] if inventory["boot"] else []
    if inventory["lease"]:
        lines.append(f"A run of a controller holds this host until {inventory['lease']['until']}.")
    lines += [f"Quarantined: {entry['name']} (build {_short(entry['build_id'])}), {entry['why']}"
              for entry in inventory["quarantined"] or []]
    lines += [f"{found['level']} {found['code']}: {found['message']}" for found in inventory["drift"] or []]
    if inventory["drift"] is None:
        lines.append("The records of this host cannot be read, so differences are not known.")
    return [printable(line) for line in lines]


def motd_lines(inventory):
    """One line; none without patches and problems."""
    parts = [f"{patch['name']} {patch_state(inventory, patch).replace('_', ' ')}" for patch in inventory["patches"]]
    said = [f"Live patches: {join_limited(parts, MOST_NAMES)}."] if parts else []
    if inventory["trial"]:
        said.append(f"This host reverts {inventory['trial']['name']} in {inventory['trial']['seconds_left']} s.")
    warnings = sum(found["level"] == "warning" for found in inventory["drift"] or [])
    if warnings:
        said.append(f"{number_of(warnings, 'warning')} about live patches. {SEE}")
    elif inventory["drift"] is None:
        said.append(f"The records of live patches cannot be read. {SEE}")
    return [printable(" ".join(said))] if said else []


def _patch_line(inventory, patch):
    version = f"version {patch['version']}, " if patch["version"] else ""
    return (f"{patch['name']} ({version}build {_short(patch['build_id'])}): "
            f"{patch_state(inventory, patch).replace('_', ' ')}, "
            f"{number_of(functions_in_effect(inventory, patch), 'function')} in effect")


def _boot_line(boot):
    if boot["obstacle"]:
        return f"The next boot loads no live patch: {boot['obstacle']}."
    return f"The next boot of this kernel loads: {', '.join(boot['patches']) or 'no live patch'}"


def _short(build_id):
    return build_id[:SHORT] if build_id else "unknown"
