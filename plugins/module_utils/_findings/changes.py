# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings about events during a change."""

# The sentence of a trial's end without the lock, the store and the ledger; see _unattended/last_resort.py.
WITHOUT_RECORDS = (
    "The trial of {name} ended without acceptance, and without the lock, the store and the ledger of this host: {why}. "
    "As a last resort, {became}.")

# code: (level, may be ignored, message). A finding must not be ignored if the change cannot work despite it.
CHANGES = {
    "transition-unfinished": (
        "warning", False,
        "The transition of {name} {how}. It is held by {blockers}."),
    "transition-forced": (
        "warning", False,
        "The transition of {name} was forced after {seconds} s, as on_stall asks. Tasks may run old and new "
        "code at once. Modules pinned by the kernel stay loaded until the next reboot."),
    "replaced-module-kept": (
        "warning", False,
        "The replaced patch {other} has no effect any more, but its module stays loaded. {why}"),
    "trial-not-begun": (
        "warning", False,
        "{name} is enabled already and not on trial, so the option trial has no effect. Set it to state absent first, "
        "or accept it."),
    "interface-cannot": (
        "blocker", False,
        "{interface} cannot {what}. {instead}."),
    "earlier-file-missing": (
        "blocker", False,
        "This host keeps no file of {name} (build-id {build}), so it cannot be loaded again. Load it with patch "
        "and its file, or use to: original."),
    "journal-begin-missing": (
        "warning", False,
        "The journal has no record of the begin of this change: {why}. The change was made nevertheless, because "
        "a rollback must always be possible. Make the journal writable."),
    "ledger-not-written": (
        "warning", False,
        "The state after this change could not be written: {why}. The next boot may load a removed patch. "
        "Make /var/lib/kernel-livepatch writable and run again."),
    "ledger-not-read": (
        "warning", False,
        "The record of accepted, trial and quarantined patches could not be read, and is treated as empty. {why}"),
    "lock-not-held": (
        "warning", False,
        "This change did not hold the lock {lock}: {why}. The change was made nevertheless, because a rollback must "
        "always be possible. Check the lock and its holder before the next change."),
    "lease-taken-over": (
        "note", False,
        "This change took the lease of this host over from the run {run} of {who}. The host refuses the earlier run "
        "now."),
    "lease-not-written": (
        "warning", False,
        "The lease of this host could not be written to {path}: {why}. It can end too early or too late. The change "
        "was made nevertheless. Make {path} writable."),
    "journal-end-missing": (
        "warning", False,
        "The change has ended, but the journal has no record of its end: {why}. patch_info shows {transaction} as "
        "interrupted. Make the journal writable."),
    "adopted": (
        "note", False,
        "{tool} no longer loads {name} at boot: its file has the name {path} now. A rollback gives it back."),
    "given-back": (
        "note", False,
        "{tool} loads {name} at boot again ({path}), and this collection does not."),
    "not-given-back": (
        "warning", False,
        "{tool} should load {name} at boot again, and {aside} cannot be renamed to {path} ({why}). Rename it."),
    "command-not-installed": (
        "note", False,
        "The command {name} is not in {directory} ({why}). At the console of this host, run: {command}."),
    "output-not-written": (
        "warning", False,
        "{what} are not up to date, because {path} cannot be written ({why}). The live patches are not affected. "
        "Correct this, then run kernel-livepatch refresh on the host."),
    "module-kept": (
        "warning", False,
        "The patch {name} has no effect any more, but its module stays loaded. {why}"),
}
