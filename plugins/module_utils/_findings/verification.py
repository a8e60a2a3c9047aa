# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What patch_verify finds where a kernel differs from a patch file."""

# A patch may be kept in spite of these: stacking is what lets a later patch override a function.
TOLERATED = ("function-overridden",)

# code: (level, may be ignored, message). What may not be ignored, neither the tool nor the kernel can work in spite of.
VERIFICATION = {
    "nothing-enabled": (
        "blocker", False,
        "No live patch is enabled on this host, so there is nothing to verify."),
    "tasks-unreadable": (
        "blocker", False,
        "The kernel does not show this user which code every task runs (/proc/PID/patch_state): run the task with "
        "become: true."),
    "not-loaded": ("blocker", False, "The patch {name} is not loaded: bring it to state enabled."),
    "not-enabled": ("blocker", False, "The patch {name} is {state}, not enabled."),
    "other-build": (
        "blocker", False,
        "The loaded {name} is another build than {file} (build-id {loaded} is not {wanted})."),
    "build-unknown": (
        "warning", False,
        "Whether the loaded {name} is the build in {file} cannot be told, because one of them has no build-id."),
    "file-unknown": (
        "blocker", False,
        "This host keeps no file of {name}, so what it should patch is not known: name the file as src."),
    "function-missing": (
        "blocker", False,
        "{file} claims {object}:{function},{sympos} and the kernel does not list it among the functions that {name} "
        "patches."),
    "function-extra": (
        "blocker", False,
        "The kernel lists {object}:{function},{sympos} as patched by {name}, and {file} does not claim it."),
    "function-not-hooked": (
        "blocker", False,
        "{object}:{function} is listed as patched by {name}, but ftrace does not redirect it (no I in "
        "enabled_functions)."),
    "function-overridden": (
        "blocker", False,
        "{object}:{function} of {name} is overridden by {other}, which was loaded later."),
    "object-not-patched": (
        "blocker", False,
        "The module {object} is loaded and {name} does not patch it."),
    "object-absent": (
        "note", False,
        "The module {object} is not loaded, so {name} changes nothing in it until it is."),
    "task-left-behind": (
        "blocker", False,
        "{count} tasks still run the code from before {name}."),
    "ftrace-unreadable": (
        "warning", False,
        "The kernel does not show which functions ftrace redirects (tracefs is not mounted or locked down): sysfs "
        "alone was compared."),
    "tables-opaque": (
        "warning", False,
        "{file} builds its tables when it is loaded, so that only the kernel can tell which functions it patches."),
}
