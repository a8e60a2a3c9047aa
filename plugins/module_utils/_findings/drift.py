# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of patch_info about drift: the meaning of each code, and the action against it."""


# Of a patch that this host has reverted; see trial_end.py of _unattended.
WATCH_FAILED = (
    "The watch of {name} failed at {time}, so this host reverted before the end of the trial. To try {name} again, "
    "set it to state enabled with trial. To forget this, set it to state absent. {why}")

# code: (level, may be ignored, message). There is no change to ignore them for.
DRIFT = {
    # enabled patches
    "on-trial": (
        "note", False,
        "{name} has been on trial since {since}, for {seconds} s. The host then reverts automatically to {back_to}. "
        "Set {name} to state accepted to keep it."),
    "trial-process-missing": (
        "warning", False,
        "{name} is on trial, and no process on this host is left to watch it and to end the trial. Renew the trial "
        "with state enabled and trial, or remove it with patch_rollback."),
    "trial-process-stopped": (
        "warning", False,
        "The process that ends the trial of {name} is stopped, so the host does not revert. Continue it with kill "
        "-CONT {pid}."),
    "trial-process-hung": (
        "warning", False,
        "The process that ends the trial of {name} (pid {pid}) gives no sign of life, so the host may not revert. "
        "Remove {name} with patch_rollback and to: original."),
    "trial-overdue": (
        "warning", False,
        "The trial of {name} ended {seconds} s ago, and {name} is still {state}. Remove it with patch_rollback and to: "
        "original."),
    "trial-not-recorded": (
        "warning", False,
        "The trial of {name} ended {seconds} s ago and {name} is {state}, but the ledger still has the trial. Run "
        "patch_rollback with to: original to close it."),
    "hook-unfinished": (
        "warning", False,
        "The run {run} of {who} began livepatch_before here on {since}, and livepatch_after has not been run to its "
        "end since. Run the rollout again with livepatch_after, or undo livepatch_before by hand and then run "
        "patch_hook with state: ended."),
    "trial-ended-without-records": (
        "warning", False,
        "At {time}, this host reverted without its records. Repair them, then set each patch to the state that you "
        "want. {message}"),
    "watch-failed": ("warning", False, WATCH_FAILED),
    "enabled-not-accepted": (
        "note", False,
        "{name} is enabled and not accepted, so the boot service does not load it. Set it to state accepted to keep "
        "it."),
    "loaded-by-hand": (
        "warning", False,
        "{name} is enabled, and it was not loaded by this collection. See other_tools in patch_info. To keep the "
        "patch, set it to state accepted with its file as src. To remove it, set it to state absent."),
    "patch-expired": (
        "warning", False,
        "{name} was meant for use until {expires}, so a reboot is due. Install a kernel with the same fixes and reboot "
        "this host into it."),
    # patches that are not enabled
    "other-build-than-accepted": (
        "warning", False,
        "{name} is enabled in the build with build-id {loaded}, and the next boot loads the accepted one ({wanted}). "
        "Set the right build to state accepted."),
    "accepted-not-loaded": (
        "warning", False,
        "{name} is accepted for this kernel and not enabled: {why}."),
    "removed-by-hand": (
        "warning", False,
        "{name} was enabled after the last change ({transaction}), and it was not this collection that removed it. See "
        "other_tools in patch_info. Load the patch again if you still want it."),
    "gone-after-reboot": (
        "note", False,
        "{name} was enabled and not accepted before the last reboot (transaction {transaction}), so it was not loaded "
        "again. If you still want it, set a build for this kernel to state accepted."),
    "kernel-changed": (
        "warning", False,
        "Patches are accepted for kernel {releases} and none for the running {running}, so nothing was loaded at "
        "boot. Accept builds for this kernel. Set patches to state absent if this kernel does not need them."),
    "in-quarantine": (
        "warning", False,
        "{name} (build-id {build_id}) is quarantined and not loaded again: this host crashed {when}. Find "
        "the cause, then accept a corrected build. To accept this build, ignore its blocker quarantined."),
    # needed for the next boot
    "next-kernel-uncovered": (
        "warning", False,
        "The boot loader starts kernel {release} next, and no patch is accepted for it. For the running {running}, "
        "{names} is accepted. Before the reboot, run patch with state: accepted and kernel: {release}."),
    "accepted-file-missing": (
        "warning", False,
        "{name} is accepted for kernel {release}, but its file is missing in {directory}, so no boot can load it. "
        "Set it to state accepted again, with its file as src."),
    "boot-service-missing": (
        "warning", False,
        "Patches are accepted, and no boot will load them: {why}."),
    "accepted-file-damaged": (
        "warning", False,
        "{name} is accepted for kernel {release}, but this host's file of it is damaged ({why}), so no boot can load "
        "it. Set it to state accepted again, with its file as src."),
    "accepted-for-other-kernel-build": (
        "warning", False,
        "{name} is accepted for kernel {release} with the build-id {wanted}, and this host runs another build of it, "
        "so a boot of this kernel does not load {name}. Set a build for this kernel to state accepted."),
    "boot-unit-changed": (
        "warning", False,
        "No boot will load the accepted patches, because {path} is not as this collection writes it: {why}. Set one of "
        "the patches to state accepted again, and use drop-in files for changes of your own."),
    "boot-unit-overridden": (
        "warning", False,
        "systemd uses {other} instead of {path}, so it is not known whether a boot will load the accepted patches. "
        "Remove {other}, then run systemctl daemon-reload."),
    "boot-interpreter-missing": (
        "warning", False,
        "No boot will load the accepted patches, because {path} cannot run the boot service's program: {why}. Install "
        "Python again, or set one of the patches to state accepted again to use another one."),
    "boot-interpreter-may-go": (
        "warning", False,
        "The boot service runs {path}, and an update of the host can remove it. Then no boot loads the accepted "
        "patches. Install the distribution's python3, then set one of the patches to state accepted again."),
    "boot-shared": (
        "warning", False,
        "{tool} loads {name} at each boot ({path}), and the boot service loads the accepted patches as well. Set a "
        "patch to state accepted with adopt, or keep {tool} from loading it."),
    "boot-denied-by-selinux": (
        "warning", False,
        "No boot will load the accepted patches, because SELinux is enforcing and its policy does not let the boot "
        "service ({domain}) load modules from files with the label {label}. Allow it in the policy."),
    "boot-program-damaged": (
        "warning", False,
        "No boot will load the accepted patches, because the program {path} is damaged: {why}. Set one of the patches "
        "to state accepted again to write it anew."),
    "boot-program-fails": (
        "warning", False,
        "No boot will load the accepted patches, because {interpreter} cannot run the boot service's program "
        "({output}). Repair this Python, then set one of the patches to state accepted again."),
    "boot-directory-refused": (
        "warning", False,
        "No boot will load the accepted patches, because it refuses {path}: {why}. Set one of the patches to state "
        "accepted again, or set the owner to root and the mode to 0700."),
    "boot-journal-unusable": (
        "warning", False,
        "No boot will load the accepted patches, because {path} is not a regular file. Move it away."),
    "newer-version": ("warning", False, "{why}"),
    # records
    "ledger-damaged": ("warning", False, "{why}"),
    "ledger-unreadable": ("warning", False, "{why}"),
    "ledger-set-aside": (
        "warning", False,
        "A change found the ledger damaged and kept it as {path}. The accepted and quarantined patches in it are not "
        "in effect, and no patch file is deleted. Accept the patches again, then delete this file."),
    "journal-damaged": (
        "warning", False,
        "{count} of the newest lines of {journal} cannot be read, so changes can be missing in the journal. Undo a "
        "change by its transaction, or use to: original."),
    "record-unusable": (
        "warning", False,
        "{path} cannot be used: {why}. {action}."),
}

# The action for a record that cannot be used; a full stop follows.
REPAIR_DIRECTORY = (
    "Set its owner to root and its mode to 0700, or remove it. Until then, no patch is loaded, and only a rollback "
    "works")
REPAIR_FILE = "Remove it. The next change writes it again"
REPAIR_STORED = "Remove it, then set its patch to state accepted again with the file as src"

# The reason why an accepted patch is not enabled, and the action; a full stop follows.
WHY_NOT_LOADED = {
    "quarantined": "it is quarantined. See the finding in-quarantine",
    "replaced": (
        "{other} has replaced it in transaction {transaction}. {other} is not accepted, so the next boot loads {name} "
        "instead. Accept {other}, or return to {name} with patch_rollback"),
    "removed": (
        "it was enabled after transaction {transaction}, and it was not this collection that removed it. See "
        "other_tools in patch_info, then set it to state accepted again"),
    "switched-off": (
        "the kernel was booted with kernel_livepatch=off. Boot without it, or set the patch to state accepted again"),
    "failed": (
        "loading it at boot failed with {code} (transaction {transaction}). Look up this code in the guide to codes, "
        "correct the cause, and set the patch to state accepted again"),
    "interrupted": (
        "loading it at boot was interrupted (transaction {transaction}). Set the patch to state accepted again"),
    "no-boot-service": (
        "no service loads it at boot. See boot-service-missing, then set the patch to state accepted again"),
    "unknown": (
        "the reason is not known. See the journal in patch_info and the log of the unit kernel-livepatch, "
        "then set the patch to state accepted again"),
}

# The time of a crash, by the reason of a quarantine (see _persistence/quarantine.py).
WHEN_CRASHED = {
    "crashed-on-trial": "while it was enabled and not accepted",
    "crashed-after-boot": "soon after it had been loaded at boot",
}

# The reason why no boot loads a patch, and the action; a full stop follows.
WHY_NO_BOOT_SERVICE = {
    "no-systemd": "this host has no systemd. After each boot, set them to state accepted again",
    "not-kept": "the unit is {path}, and {why}. After each boot, set them to state accepted again",
    "state-lost": "this host keeps them in {path}, and {why}. Mount a disk at /var/lib",
    "masked": "the unit kernel-livepatch.service is masked. Run systemctl unmask kernel-livepatch.service",
    "not-installed": (
        "the unit kernel-livepatch.service is missing. Set one of the patches to state accepted again to install it"),
    "not-enabled": (
        "the unit kernel-livepatch.service is disabled. Run systemctl enable kernel-livepatch.service, or set one of "
        "the patches to state accepted again, or leave it if this is intended"),
}
