# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened during a change."""

# code: (level, may be ignored, message). What may not be ignored, neither the tool nor the kernel can work in spite of.
CHANGES = {
    "transition-unfinished": (
        "warning", False,
        "The transition of {name} {how}: held by {blockers}."),
    "transition-forced": (
        "warning", False,
        "The transition of {name} was forced after {seconds} s, as asked for by on_stall: tasks may run old and new "
        "code at once, and modules the kernel pinned stay loaded until the next reboot."),
    "replaced-module-kept": (
        "warning", False,
        "The replaced patch {other} has no effect any more, but its module stays loaded: {why}"),
    "trial-not-begun": (
        "warning", False,
        "{name} is enabled already and not on trial, so trial has no effect: bring it to state absent first, or accept "
        "it."),
    "earlier-file-missing": (
        "blocker", False,
        "This host keeps no file of {name} (build-id {build}), so it cannot be loaded again: bring it in with patch "
        "and its file, or use to: original."),
    "journal-begin-missing": (
        "warning", False,
        "The journal could take no record before the change ({why}), which was made all the same, because the way back "
        "is always open: make the journal writable."),
    "ledger-not-written": (
        "warning", False,
        "What holds after this change could not be written ({why}), so that the next boot may load what was taken out: "
        "make /var/lib/kernel-livepatch writable and run again."),
    "ledger-not-read": (
        "warning", False,
        "What was accepted, on trial or quarantined here could not be read, and counts as nothing now: {why}"),
    "journal-end-missing": (
        "warning", False,
        "The change is over and the journal could not take a record of its end ({why}), so that patch_info calls "
        "{transaction} interrupted: make the journal writable."),
    "module-kept": (
        "warning", False,
        "The patch {name} has no effect any more, but its module stays loaded: {why}"),
}
