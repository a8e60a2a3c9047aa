# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What should be there and is not, and what is there and should not: the ledger and the journal against the kernel."""

from collections import namedtuple

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import (
    WHEN_CRASHED,
    WHY_NO_BOOT_PART,
    WHY_NOT_LOADED,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import finding
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.ledger import (
    quarantine_of,
    same_build,
    trial_of,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.paths import STORE_DIRECTORY
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import names_of

# release, boot_id: of what runs. patches: the interface's, each with `build_id`. ledger: as it holds in this boot.
# boot: see _init_system.boot_part. kept: the digests of the store. guarded: False where nothing will end the trial.
# journal, changing: see history.py.
Seen = namedtuple("Seen", "release boot_id patches ledger boot kept guarded journal changing")


def drift(seen):
    """The findings, none where all is as it should be. While a change goes on, what is not enabled is not judged."""
    found = [*_about_enabled(seen), *_about_quarantined(seen), *_about_boot(seen)]
    if not seen.changing:
        found += [*_about_accepted(seen), *_about_gone(seen)]
    return found


def is_accepted(seen, patch):
    """Whether an interface's patch is enabled, not on trial, and what the next boot of this kernel loads."""
    return patch["state"] == "enabled" and not trial_of(seen.ledger, patch["name"]) and _among(
        patch, _accepted_here(seen))


def _about_enabled(seen):
    ledger = seen.ledger
    trial = ledger["trial"]
    known = ledger["loaded"] + ledger["booted"]["patches"]
    accepted_names = names_of(_accepted_here(seen))
    for patch in seen.patches:
        name = patch["name"]
        if patch["state"] != "enabled" or is_accepted(seen, patch):
            continue
        if not _among(patch, known):
            yield finding("loaded-by-hand", name, name=name)
        elif trial_of(ledger, name):
            yield finding(
                "on-trial", name, name=name, since=trial["since"], seconds=trial["seconds"],
                back_to=", ".join(names_of(trial["back_to"])) or "no live patch")
            if not seen.guarded and not seen.changing:
                yield finding("trial-process-missing", name, name=name)
        elif name not in accepted_names:  # or other-build-than-accepted says so
            yield finding("enabled-not-accepted", name, name=name)


def _about_accepted(seen):
    here = _accepted_here(seen)
    if seen.ledger["accepted"] and not here:
        releases = sorted({entry["release"] for entry in seen.ledger["accepted"]})
        yield finding("kernel-changed", seen.release, releases=", ".join(releases), running=seen.release)
    enabled = {patch["name"]: patch for patch in _in_effect(seen)}
    trial = seen.ledger["trial"]
    for entry in here:
        name = entry["name"]
        patch = enabled.get(name)
        if (trial and _among(entry, trial["back_to"])) or (patch and same_build(entry, _layer(patch))):
            continue
        if patch:
            yield finding(
                "other-build-than-accepted", name, name=name, loaded=patch["build_id"] or "unknown",
                wanted=entry["build_id"] or "unknown")
        else:
            yield finding("accepted-not-loaded", name, name=name, why=_why_not_loaded(seen, entry))


def _why_not_loaded(seen, entry):
    """The clause, from the surest reason to none."""
    this_boot = [change for change in seen.journal if change["boot_id"] == seen.boot_id]
    at_boot = next((change for change in this_boot if change["action"] == "boot"), {"outcome": None})
    replacing = _replacing(seen, entry, this_boot)
    last = this_boot[0] if this_boot else None
    if quarantine_of(seen.ledger, entry):
        why, facts = "quarantined", {}
    elif replacing:
        why, facts = "replaced", replacing
    elif last and _among(entry, last["after"] or []):
        why, facts = "removed", last
    elif seen.boot["switched_off"]:
        why, facts = "switched-off", {}
    elif at_boot["outcome"] in ("failed", "interrupted"):
        why, facts = at_boot["outcome"], at_boot
    elif not _boots(seen):
        why, facts = "no-boot-service", {}
    else:
        why, facts = "unknown", {}
    return WHY_NOT_LOADED[why].format(**dict(facts, name=entry["name"]))


def _replacing(seen, entry, changes):
    """The enabled patch that has replaced an accepted one, as `other` and `transaction`; None where there is none."""
    enabled = names_of(_in_effect(seen))
    for change in changes:
        others = [patch["name"] for patch in change["patches"] if patch["name"] in enabled]
        if entry["name"] in change["replaces"] and others:
            return {"other": others[-1], "transaction": change["transaction"]}
    return None


def _about_gone(seen):
    """What was enabled after the last change and not accepted; the accepted ones have findings of their own."""
    change = next((one for one in seen.journal if (one["action"], one["boot_id"]) != ("boot", seen.boot_id)), None)
    if change is None:
        return
    earlier_boot = change["boot_id"] != seen.boot_id
    # The end of a change that a crash cut off is not known, and what was there before it is gone all the same.
    layers = change["before"] if earlier_boot and change["after"] is None else change["after"]
    for layer in layers or []:
        told = _among(layer, seen.ledger["accepted"]) or quarantine_of(seen.ledger, layer)
        if not told and layer["name"] not in names_of(_in_effect(seen)):
            yield finding(
                "gone-after-reboot" if earlier_boot else "removed-by-hand", layer["name"], name=layer["name"],
                transaction=change["transaction"])


def _about_quarantined(seen):
    """Those after which nothing has been accepted."""
    for entry in seen.ledger["quarantined"]:
        if not any(_came_after(seen, accepted, entry) for accepted in _accepted_here(seen)):
            yield finding(
                "in-quarantine", entry["name"], name=entry["name"], build_id=entry["build_id"] or "none",
                when=WHEN_CRASHED.get(entry["why"], entry["why"]))


def _came_after(seen, accepted, quarantined):
    """By the journal where it goes back that far: the clock can be wrong when a host starts after a crash."""
    changes = [change["transaction"] for change in seen.journal]
    if quarantined["transaction"] in changes:
        return accepted["transaction"] in changes[:changes.index(quarantined["transaction"])]
    # None before this boot's first change
    return quarantined["since"] is not None and accepted["since"] > quarantined["since"]


def _about_boot(seen):
    for entry in seen.ledger["accepted"]:
        if entry["sha256"] not in seen.kept:
            yield finding(
                "accepted-file-missing", entry["name"], name=entry["name"], release=entry["release"],
                directory=STORE_DIRECTORY)
    if seen.ledger["accepted"] and not _boots(seen):
        if seen.boot["init"] == "none":
            why = "no-systemd"
        else:
            why = "not-enabled" if seen.boot["installed"] else "not-installed"
        yield finding("boot-service-missing", "boot", why=WHY_NO_BOOT_PART[why])


def _boots(seen):
    return seen.boot["installed"] and seen.boot["enabled"]


def _accepted_here(seen):
    return [entry for entry in seen.ledger["accepted"] if entry["release"] == seen.release]


def _in_effect(seen):
    """The patches that are enabled, or on the way to or from it."""
    return [patch for patch in seen.patches if patch["state"] != "disabled"]


def _layer(patch):
    """An interface's patch to compare with entries: the kernel shows its build-id alone."""
    return {"name": patch["name"], "build_id": patch["build_id"], "sha256": patch.get("sha256")}


def _among(patch, entries):
    return any(same_build(_layer(patch), entry) for entry in entries)
