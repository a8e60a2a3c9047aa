# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems of a host after it was patched: the meaning of each code, and the action against it."""


# Of a host whose watch failed; see _unattended/trial_end.py.
REVERTS = "The watch of {name} failed, so this host reverts. {why}"

# code: (level, may be ignored, message). There is no change to ignore them for.
WATCH = {
    "host-rebooted": (
        "blocker", False,
        "This host has rebooted since the baseline was taken (boot-id {then}, now {now}). Unless it was accepted, "
        "{name} is no longer loaded, and after a crash it is quarantined. See quarantined and drift in patch_info."),
    "patch-not-running": (
        "blocker", False,
        "{name} is {state} and should be enabled. Find the change that removed it in the journal of patch_info."),
    "build-changed": (
        "blocker", False,
        "The loaded {name} is another build than the one on trial: build-id {loaded} is not {wanted}. Find the change "
        "that loaded it in the kernel log."),
    "file-not-kept": (
        "warning", False,
        "This host keeps no file of {name}, because it was not loaded by this collection, so only the kernel's list "
        "of functions is checked. Set it to state accepted with its file as src: this compares and keeps the file."),
    "no-object-loaded": (
        "warning", False,
        "{name} patches only modules that are not loaded now ({objects}), so none of its functions is in effect. Load "
        "such a module before you accept the patch."),
    "new-taint": (
        "blocker", False,
        "The kernel has the new taint {letter} ({meaning}) since the baseline was taken, and {name} does not set it. "
        "Find its cause in the kernel log."),
    "kernel-warning": (
        "blocker", False,
        "The kernel has logged warnings since the baseline was taken ({kind}, {count} in all). Find their cause. The "
        "first line: {line}"),
    "kernel-log-incomplete": (
        "warning", False,
        "The kernel log has lost {records} since the baseline was taken, so warnings among them are not "
        "seen. Give the host a larger log with log_buf_len."),
    "kernel-log-unreadable": (
        "warning", False,
        "The kernel log (/dev/kmsg) cannot be read, so warnings in it are not seen. Run the task with become: true."),
    "calls-not-counted": (
        "warning", False,
        "The calls of {function} in {name} are not counted, because the kernel refuses a probe: {why}. Renew the trial "
        "without min_calls, or find the cause in the kernel log."),
    "health-check-failed": ("blocker", False, "The health check {name} failed. Its message: {message}"),
}
