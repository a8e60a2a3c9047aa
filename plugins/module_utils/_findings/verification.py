# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of patch_verify about differences between the kernel and a patch file."""

# A patch may be accepted despite these: with stacking, a later patch may override a function.
# An object that is built in was ignored before the load, or blocked it.
TOLERATED = ("function-overridden", "object-never-loaded")
# A boot loads patches before the modules that they patch, and a rollback restores what was there before.
TOLERATED_IN_RESTORE = (*TOLERATED, "ineffective")

# code: (level, may be ignored, message). A finding must not be ignored if the change cannot work despite it.
VERIFICATION = {
    "nothing-enabled": (
        "blocker", False,
        "No live patch is enabled on this host, so there is nothing to verify. Load one with patch."),
    "tasks-unreadable": (
        "blocker", False,
        "The kernel does not show this user the patch state of every task (patch_state or kgr_in_progress below "
        "/proc/PID). Run the task with become: true."),
    "not-loaded": ("blocker", False, "The patch {name} is not loaded. Load it with patch."),
    "not-enabled": (
        "blocker", False,
        "The patch {name} is {state}, not enabled. Load it with patch."),
    "other-build": (
        "blocker", False,
        "The loaded {name} is another build than {file}: build-id {loaded} is not {wanted}. Correct src, or remove "
        "{name} and load {file}."),
    "build-unknown": (
        "warning", False,
        "The loaded {name} cannot be compared with the build in {file}, because one of them has no build-id. Build the "
        "patch with a build-id."),
    "file-unknown": (
        "blocker", False,
        "This host keeps no file of {name}, so its functions are not known. Name the file with src."),
    "function-missing": (
        "blocker", False,
        "{file} claims {object}:{function},{sympos}, and the kernel does not list it among the functions of {name}. "
        "Remove {name} and load {file} again."),
    "function-extra": (
        "blocker", False,
        "The kernel lists {object}:{function},{sympos} as patched by {name}, and {file} does not claim it. Remove "
        "{name} and load {file} again."),
    "function-not-hooked": (
        "blocker", False,
        "{object}:{function} is listed as patched by {name}, but ftrace does not redirect it (no {flag} in "
        "enabled_functions). Remove {name} and load it again."),
    "function-overridden": (
        "blocker", False,
        "{object}:{function} of {name} is overridden by {other}, a patch loaded later. Remove {other} if this is not "
        "intended."),
    "object-not-patched": (
        "blocker", False,
        "The module {object} is loaded and {name} does not patch it. Remove {name} and load it again."),
    "object-absent": (
        "note", False,
        "The module {object} is not loaded, so {name} changes nothing in it until it is."),
    "ineffective": (
        "blocker", True,
        "{name} patches only modules that are not loaded ({objects}), so none of its functions is in effect. Make sure "
        "that it is meant for this host, and load such a module. To load the patch for a module that comes later, name "
        "this code in ignore_findings."),
    "object-never-patched": (
        "blocker", False,
        "{name} patches an object called {object}, and no module can have this name: {why}. Correct the patch, because "
        "it changes nothing in this object."),
    "object-never-loaded": (
        "blocker", False,
        "{name} patches the module {object}, and this kernel has its code built in, so the patch changes nothing in "
        "it. Load a build for the running kernel."),
    "task-left-behind": (
        "blocker", False,
        "{tasks} still in the code from before {name}. Run again when the transition has ended."),
    "ftrace-unreadable": (
        "warning", False,
        "The kernel does not show the functions redirected by ftrace, so only sysfs was compared. Mount tracefs, and "
        "see whether the kernel is locked down."),
    "functions-not-listed": (
        "blocker", False,
        "The kernel lists no object and no function of {name}, so nothing could be verified. Update the kernel."),
    "ftrace-not-used": (
        "note", False,
        "This kernel can redirect functions without ftrace, and ftrace does not show those of {name}. Only sysfs was "
        "compared."),
    "tables-opaque": (
        "warning", False,
        "{file} builds its tables when it is loaded, so its functions are known to the kernel only. "
        "Checks of functions before the load are skipped."),
}
