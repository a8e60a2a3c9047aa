# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of a host as text for Prometheus, from its inventory (see patch_info.py); both halves write them.

The text is valid in Prometheus' own format, as node_exporter reads it, and in OpenMetrics: gauges only, no time stamps.
"""

import calendar
import re
import time

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.states import patch_state
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import compare_builds
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.description import function_keys

# name: help. In this order in the text.
FAMILIES = {
    "kernel_livepatch_kernel_info": "The running kernel, always 1.",
    "kernel_livepatch_patch_state": "The state of a live patch, always 1.",
    "kernel_livepatch_patch_functions": "The functions of a live patch that are in effect.",
    "kernel_livepatch_patch_transition_seconds": "The time that the kernel took for the last transition of the patch.",
    "kernel_livepatch_patch_expiry_timestamp_seconds": "The time after which a reboot is due instead of the patch.",
    "kernel_livepatch_trial_end_timestamp_seconds": "The time at which the host reverts a patch on trial.",
    "kernel_livepatch_patch_quarantined": "A build that the host does not load after a crash, always 1.",
    "kernel_livepatch_drift_findings": "The differences between the records and the kernel.",
    "kernel_livepatch_updated_timestamp_seconds": "The time at which these metrics were written.",
}
DAY = 24 * 3600
DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
ESCAPES = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}
LEVELS = ("warning", "note")


def host_metrics(inventory, now, labels=None):
    """The samples of one host: dicts of `name`, `labels` and `value`, in the order of FAMILIES.

    `now` is in seconds since 1970; `labels` come first in each sample. What an inventory lacks has no sample.
    """
    samples = []

    def add(metric, value, **more):
        samples.append({"name": f"kernel_livepatch_{metric}", "labels": dict(labels or {}, **more), "value": value})

    kernel, trial, drift = (inventory.get(key) for key in ("kernel", "trial", "drift"))
    add("kernel_info", 1, release=kernel["release"], build_id=kernel.get("build_id") or "",
        interface=inventory["interface"])
    for patch in inventory["patches"]:
        own = _identity(patch)
        add("patch_state", 1, **dict(own, state=patch_state(inventory, patch)))
        add("patch_functions", functions_in_effect(inventory, patch), **own)
        seconds = _last_transition(inventory.get("journal") or [], patch)
        if seconds is not None:
            add("patch_transition_seconds", seconds, **own)
        expires = _end_of_day((patch.get("metadata") or {}).get("expires"))
        if expires is not None and patch["state"] != "disabled":
            add("patch_expiry_timestamp_seconds", expires, **own)
        if trial and trial["name"] == patch["name"]:
            add("trial_end_timestamp_seconds", round(now + trial["seconds_left"]), **own)
    versions = {kept["sha256"]: kept["version"] for kept in inventory.get("kept") or []}
    for entry in inventory.get("quarantined") or []:
        own = _identity(dict(entry, version=versions.get(entry.get("sha256"))))
        add("patch_quarantined", 1, **dict(own, why=entry.get("why") or ""))
    if drift is not None:
        for level in LEVELS:
            add("drift_findings", sum(found["level"] == level for found in drift), level=level)
    add("updated_timestamp_seconds", round(now))
    order = list(FAMILIES)
    return sorted(samples, key=lambda sample: order.index(sample["name"]))


def functions_in_effect(inventory, patch):
    """How many functions of a patch the kernel redirects to it now, without those that a later patch overrides."""
    if patch["state"] not in ("enabled", "accepted"):
        return 0
    later = inventory["patches"][inventory["patches"].index(patch) + 1:]
    overridden = {key for one in later if one["state"] != "disabled" for key in function_keys(one.get("objects") or [])}
    patched = [entry for entry in patch.get("objects") or [] if entry["patched"]]
    return len(function_keys(patched) - overridden)


def metrics_text(samples, families=None):
    """The text of samples; those of one family must be together. `families`: more names and their help.

    Of several with the same labels, as of builds without a build-id, the first stays: a reader refuses the whole text.
    """
    helps, lines, current = dict(FAMILIES, **(families or {})), [], None
    known = set()
    for sample in samples:
        series = (sample["name"], *sorted(sample["labels"].items()))
        if series in known:
            continue
        known.add(series)
        if sample["name"] != current:
            current = sample["name"]
            lines += [f"# HELP {current} {helps[current]}", f"# TYPE {current} gauge"]
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample["labels"].items())
        lines.append(f"{current}{{{labels}}} {sample['value']}" if labels else f"{current} {sample['value']}")
    return "\n".join([*lines, "# EOF", ""])


def _identity(patch):
    """The labels that tell two builds of one name apart."""
    return {"name": patch["name"], "version": patch.get("version") or "", "build_id": patch.get("build_id") or ""}


def _last_transition(journal, patch):
    """The seconds of the newest transition of this build in the journal, or None."""
    for change in journal:
        for moved in change["patches"]:
            if compare_builds(moved, patch) is not False and moved["transition_seconds"] is not None:
                return moved["transition_seconds"]
    return None


def _end_of_day(date):
    """The end of a day in UTC; None for anything but a date."""
    try:
        return calendar.timegm(time.strptime(date, "%Y-%m-%d")) + DAY if date and DATE.match(date) else None
    except ValueError:
        return None


def _escaped(value):
    return "".join(ESCAPES.get(letter, letter) for letter in value)
