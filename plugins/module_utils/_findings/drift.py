# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_info finds between what is and what should be: what each code means and what to do about it."""


# code: (level, may be ignored, message). There is no change to ignore them for.
DRIFT = {
    # what is enabled
    "on-trial": (
        "note", False,
        "{name} has been on trial since {since}, for {seconds} s, and then the host goes back to {back_to} by itself: "
        "bring it to state accepted to keep it."),
    "trial-not-guarded": (
        "warning", False,
        "{name} is on trial, and nothing on this host is left that would end the trial: bring it to state accepted, or "
        "take it back with patch_rollback."),
    "enabled-not-accepted": (
        "note", False,
        "{name} is enabled and not accepted, so the next boot does not load it: bring it to state accepted to keep "
        "it."),
    "loaded-by-hand": (
        "warning", False,
        "{name} is enabled and something else than this collection has loaded it: find out what, and bring it to state "
        "accepted, with its file as src, or to state absent."),
    # what is not enabled
    "other-build-than-accepted": (
        "warning", False,
        "{name} is enabled in another build (build-id {loaded}) than the accepted one ({wanted}), which is what the "
        "next boot loads: bring the build that is right to state accepted."),
    "accepted-not-loaded": ("warning", False, "{name} is accepted for this kernel and not enabled: {why}."),
    "taken-out-by-hand": (
        "warning", False,
        "{name} was enabled after the last change ({transaction}) and something else than this collection has taken it "
        "out: find out what, and enable it again if it is still wanted."),
    "gone-after-reboot": (
        "note", False,
        "{name} was enabled and not accepted before the last reboot (transaction {transaction}), so it was not loaded "
        "again: if it is still wanted, bring a build for this kernel to state accepted."),
    "kernel-changed": (
        "warning", False,
        "Patches are accepted for kernel {releases} and none for {running}, which runs now, so nothing was loaded at "
        "boot: accept builds for this kernel, or bring to state absent what it does not need."),
    "in-quarantine": (
        "warning", False,
        "{name} (build-id {build_id}) is quarantined, because this host crashed {when}, and is not loaded again: find "
        "the cause, then accept a mended build, or this one with its blocker quarantined ignored."),
    # what the next boot needs
    "accepted-file-missing": (
        "warning", False,
        "{name} is accepted for kernel {release} and its file is not in {directory} any more, so no boot can load it: "
        "bring it to state accepted again, with its file as src."),
    "boot-part-missing": (
        "warning", False,
        "Patches are accepted, and no boot is going to load them, because {why}."),
    "ledger-damaged": ("warning", False, "{why}"),
}

# Why an accepted patch is not enabled, and what to do, as a clause.
WHY_NOT_LOADED = {
    "quarantined": "it is quarantined, see in-quarantine",
    "replaced": (
        "{other} has replaced it in transaction {transaction} and is not accepted, so the next boot loads {name} and "
        "not {other}; accept {other}, or go back with patch_rollback"),
    "taken-out": (
        "it was after transaction {transaction}, and something else than this collection has taken it out; find out "
        "what, and bring it to state accepted again"),
    "switched-off": (
        "the kernel was booted with kernel_livepatch=off; boot without it, or bring the patch to state accepted again"),
    "failed": (
        "loading it at boot ended with {code} (transaction {transaction}); look that up in the guide to codes, mend it "
        "and bring the patch to state accepted again"),
    "interrupted": (
        "loading it at boot was interrupted (transaction {transaction}); bring the patch to state accepted again"),
    "no-boot-part": "nothing loads it at boot, see boot-part-missing; bring the patch to state accepted again",
    "unknown": (
        "why is not known; look at the journal in patch_info and at what the unit kernel-livepatch has logged, and "
        "bring the patch to state accepted again"),
}

# When a host crashed, by why a build was quarantined (see _persistence/quarantine.py).
WHEN_CRASHED = {
    "crashed-on-trial": "while it was enabled and not accepted",
    "crashed-after-boot": "soon after it had been loaded at boot",
}

# Why no boot loads anything, and what to do, as a clause.
WHY_NO_BOOT_PART = {
    "no-systemd": "this host has no systemd to do it; after each boot, bring them to state accepted again",
    "not-installed": (
        "the unit kernel-livepatch.service is missing or masked; unmask it, or bring one of them to state accepted "
        "again, which installs it"),
    "not-enabled": (
        "the unit kernel-livepatch.service is disabled; run systemctl enable kernel-livepatch.service, or leave it if "
        "that is meant"),
}
