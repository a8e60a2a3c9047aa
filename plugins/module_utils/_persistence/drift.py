# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds drift: compares the ledger and the journal with the live patches in the kernel."""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import (
    WHEN_CRASHED,
    WHY_NO_BOOT_SERVICE,
    WHY_NOT_LOADED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import same_build
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    accepted_for,
    contains_build,
    quarantine_entry,
    trial_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STORE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.watch_record import failure_of

# release, boot_id: of the running kernel. patches: the interface's, each with `build_id`. ledger: for this boot.
# boot: see boot_service_status in init_system.py. kept: the digests of the store. trial_process_alive: False if
# no process will end the trial. journal, changing: see history.py. boot_faults: findings about the boot service, see
# boot_forecast.py. damaged: the reason, by digest, of each damaged file of an accepted patch. other_kernel: the
# build-id of the kernel, by digest, of each patch that is accepted for another build of the running release.
# superfluous: the digests of patches accepted for other releases whose fixes the running kernel has.
HostState = namedtuple(
    "HostState",
    "release boot_id patches ledger boot kept trial_process_alive journal changing boot_faults damaged other_kernel "
    "superfluous")


def drift(host_state):
    """The findings about drift, none without drift. During a change, patches that are not enabled are not judged."""
    found = [*_about_enabled(host_state), *_about_failed_watch(host_state), *_about_quarantined(host_state),
             *_about_boot(host_state)]
    if not host_state.changing:
        found += [*_about_accepted(host_state), *_about_gone(host_state)]
    return found


def is_accepted(host_state, patch):
    """Whether an interface's patch is enabled, not on trial, and accepted in this build for the running kernel."""
    return patch["state"] == "enabled" and not trial_of(host_state.ledger, patch["name"]) and _contains(
        _accepted_here(host_state), patch)


def _about_enabled(host_state):
    ledger = host_state.ledger
    trial = ledger["trial"]
    known = ledger["loaded"] + ledger["booted"]["patches"]
    accepted_names = names_of(_accepted_here(host_state))
    for patch in host_state.patches:
        name = patch["name"]
        if patch["state"] != "enabled" or is_accepted(host_state, patch):
            continue
        if not _contains(known, patch):
            yield finding("loaded-by-hand", name, name=name)
        elif trial_of(ledger, name):
            yield finding(
                "on-trial", name, name=name, since=trial["since"], seconds=trial["seconds"],
                back_to=", ".join(names_of(trial["back_to"])) or "no live patch")
            if not host_state.trial_process_alive and not host_state.changing:
                yield finding("trial-process-missing", name, name=name)
        elif name not in accepted_names:  # the other case is other-build-than-accepted
            yield finding("enabled-not-accepted", name, name=name)


def _about_accepted(host_state):
    here = _accepted_here(host_state)
    now = {change["transaction"] for change in host_state.journal if change["boot_id"] == host_state.boot_id}
    releases = sorted({entry["release"] for entry in host_state.ledger["accepted"]
                       if entry["sha256"] not in host_state.superfluous
                       and (entry["untried"] is None or entry["transaction"] not in now)})  # else for a boot to come
    if releases and not accepted_for(host_state.ledger, host_state.release):
        yield finding("kernel-changed", host_state.release, releases=", ".join(releases), running=host_state.release)
    enabled = {patch["name"]: patch for patch in _in_effect(host_state)}
    trial = host_state.ledger["trial"]
    for entry in here:
        name = entry["name"]
        patch = enabled.get(name)
        if (trial and _contains(trial["back_to"], entry)) or (patch and same_build(entry, _layer(patch))):
            continue
        if patch:
            yield finding(
                "other-build-than-accepted", name, name=name, loaded=patch["build_id"] or "unknown",
                wanted=entry["build_id"] or "unknown")
        else:
            yield finding("accepted-not-loaded", name, name=name, why=_why_not_loaded(host_state, entry))


def _why_not_loaded(host_state, entry):
    """The clause with the reason, the most certain reason first."""
    this_boot = [change for change in host_state.journal if change["boot_id"] == host_state.boot_id]
    at_boot = next((change for change in this_boot if change["action"] == "boot"), {"outcome": None})
    replacing = _replacing(host_state, entry, this_boot)
    last = this_boot[0] if this_boot else None
    if quarantine_entry(host_state.ledger, entry):
        why, facts = "quarantined", {}
    elif replacing:
        why, facts = "replaced", replacing
    elif last and _contains(last["after"] or [], entry):
        why, facts = "removed", last
    elif host_state.boot["switched_off"]:
        why, facts = "switched-off", {}
    elif at_boot["outcome"] in ("failed", "interrupted"):
        why, facts = at_boot["outcome"], at_boot
    elif not _boots(host_state):
        why, facts = "no-boot-service", {}
    else:
        why, facts = "unknown", {}
    return WHY_NOT_LOADED[why].format(**dict(facts, name=entry["name"]))


def _replacing(host_state, entry, changes):
    """The enabled patch that replaced an accepted one, as `other` and `transaction`, or None."""
    enabled = names_of(_in_effect(host_state))
    for change in changes:
        others = [patch["name"] for patch in change["patches"] if patch["name"] in enabled]
        if entry["name"] in change["replaces"] and others:
            return {"other": others[-1], "transaction": change["transaction"]}
    return None


def _about_gone(host_state):
    """Patches enabled after the last change and gone now; accepted and quarantined ones have their own findings."""
    this_boot = ("boot", host_state.boot_id)
    change = next((one for one in host_state.journal if (one["action"], one["boot_id"]) != this_boot), None)
    if change is None:
        return
    earlier_boot = change["boot_id"] != host_state.boot_id
    # A crash can leave a change without an end; the patches from before the change are gone as well.
    layers = change["before"] if earlier_boot and change["after"] is None else change["after"]
    for layer in layers or []:
        explained = _contains(host_state.ledger["accepted"], layer) or quarantine_entry(host_state.ledger, layer)
        if not explained and layer["name"] not in names_of(_in_effect(host_state)):
            yield finding(
                "gone-after-reboot" if earlier_boot else "removed-by-hand", layer["name"], name=layer["name"],
                transaction=change["transaction"])


def _about_failed_watch(host_state):
    failed = host_state.ledger["failed_watch"]
    if failed:
        yield finding("watch-failed", failed["name"], name=failed["name"], time=failed["time"], why=failure_of(failed))


def _about_quarantined(host_state):
    """Quarantined patches, unless a patch was accepted for this kernel afterwards."""
    for entry in host_state.ledger["quarantined"]:
        if not any(_came_after(host_state, accepted, entry) for accepted in _accepted_here(host_state)):
            yield finding(
                "in-quarantine", entry["name"], name=entry["name"], build_id=entry["build_id"] or "none",
                when=WHEN_CRASHED.get(entry["why"], entry["why"]))


def _came_after(host_state, accepted, quarantined):
    """Compare by the journal if it has the change: the clock can be wrong when a host starts after a crash."""
    changes = [change["transaction"] for change in host_state.journal]
    if quarantined["transaction"] in changes:
        return accepted["transaction"] in changes[:changes.index(quarantined["transaction"])]
    # `since` is None before this boot's first change
    return quarantined["since"] is not None and accepted["since"] > quarantined["since"]


def _about_boot(host_state):
    for entry in host_state.ledger["accepted"]:
        if entry["sha256"] not in host_state.kept:
            yield finding(
                "accepted-file-missing", entry["name"], name=entry["name"], release=entry["release"],
                directory=STORE_DIRECTORY)
        elif entry["sha256"] in host_state.damaged:
            yield finding(
                "accepted-file-damaged", entry["name"], name=entry["name"], release=entry["release"],
                why=host_state.damaged[entry["sha256"]])
        elif entry["release"] == host_state.release and entry["sha256"] in host_state.other_kernel:
            yield finding(
                "accepted-for-other-kernel-build", entry["name"], name=entry["name"], release=entry["release"],
                wanted=host_state.other_kernel[entry["sha256"]])
    if host_state.ledger["accepted"]:
        yield from host_state.boot_faults
    # A host that loses its state at a reboot has a finding about all of it.
    if host_state.ledger["accepted"] and not (
            _boots(host_state) or "state-not-persistent" in {found["code"] for found in host_state.boot_faults}):
        yield service_missing(host_state.boot)


def service_missing(boot):
    """The finding about a boot service, see boot_service_status, that loads nothing: missing, or with an obstacle."""
    why = boot["obstacle"] or WHY_NO_BOOT_SERVICE["not-enabled" if boot["installed"] else "not-installed"]
    return finding("boot-service-missing", "boot", why=why)


def _boots(host_state):
    boot = host_state.boot
    return boot["installed"] and boot["enabled"] and not boot["obstacle"]


def _accepted_here(host_state):
    """The accepted patches of the running kernel; those of another build of it have a finding of their own."""
    return [entry for entry in accepted_for(host_state.ledger, host_state.release)
            if entry["sha256"] not in host_state.other_kernel]


def _in_effect(host_state):
    """The patches that are enabled or in transition."""
    return [patch for patch in host_state.patches if patch["state"] != "disabled"]


def _layer(patch):
    """An interface's patch in the form of an entry; the kernel shows only its build-id."""
    return {"name": patch["name"], "build_id": patch["build_id"], "sha256": patch.get("sha256")}


def _contains(entries, patch):
    return contains_build(entries, _layer(patch))
