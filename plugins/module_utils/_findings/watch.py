# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a host that has been patched: what each code means and what to do about it."""


# code: (level, may be ignored, message). There is no change to ignore them for.
WATCH = {
    "host-rebooted": (
        "blocker", False,
        "This host was booted anew (boot-id {now}) since the baseline was taken (boot-id {then}), so {name} is gone "
        "unless it was accepted, and quarantined if the host has crashed: look at quarantined and drift of "
        "patch_info."),
    "patch-not-running": (
        "blocker", False,
        "{name} is {state} and should be enabled: look at the journal that patch_info returns for what has taken it "
        "out."),
    "file-not-kept": (
        "warning", False,
        "This host keeps no file of {name}, because something else has loaded it, so only what the kernel lists is "
        "looked at: bring it to state accepted with its file as src, which compares it and keeps the file."),
    "new-taint": (
        "blocker", False,
        "The kernel has got the taint {letter} ({meaning}) since the baseline was taken, and {name} does not bring it: "
        "look for its cause in the kernel log."),
    "kernel-warning": (
        "blocker", False,
        "The kernel has warned since the baseline was taken ({kind}, {count} in all): {line}"),
    "kernel-log-incomplete": (
        "warning", False,
        "{count} records of the kernel log since the baseline was taken have been overwritten, so warnings among them "
        "are not seen: give the host a larger log with log_buf_len."),
    "kernel-log-unreadable": (
        "warning", False,
        "The kernel log (/dev/kmsg) cannot be read, so warnings in it are not seen: run the task with become: true."),
    "health-check-failed": ("blocker", False, "The health check {name} failed: {message}"),
}
