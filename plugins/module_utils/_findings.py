# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: results of checks and of comparisons, with stable codes."""

from ansible_collections.kernel.livepatch.plugins.module_utils._errors import LivepatchError
from ansible_collections.kernel.livepatch.plugins.module_utils._findings_before_load import BEFORE_A_LOAD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings_of_drift import DRIFT
from ansible_collections.kernel.livepatch.plugins.module_utils._findings_of_watch import WATCH

# code: (level, may be ignored, message). What may not be ignored, neither the tool nor the kernel can work in spite of.
FINDINGS = {
    **BEFORE_A_LOAD,
    **DRIFT,
    **WATCH,
    # what patch_verify finds
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
    # what happened during a change
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


def finding(code, subject, **facts):
    """One finding: a dict of `code`, `level`, `subject`, `message`; KeyError for a code or a fact that is not there."""
    level, _ignorable, message = FINDINGS[code]
    return {"code": code, "level": level, "subject": subject, "message": message.format(**facts)}


def check_ignorable(codes):
    """Refuse codes that do not exist or that must not be ignored; raises LivepatchError `finding-not-ignorable`."""
    ignorable = sorted(code for code, (_level, may, _message) in FINDINGS.items() if may)
    for code in codes:
        if code not in ignorable:
            raise LivepatchError(
                "finding-not-ignorable",
                f"ignore_findings: {code} {_why_not(code)}; what can be ignored is: {', '.join(ignorable)}.")


def _why_not(code):
    if code not in FINDINGS:
        return "is not a finding"
    level = FINDINGS[code][0]
    return "must never be ignored" if level == "blocker" else f"is a {level} and stands in the way of nothing"


def standing_blockers(findings, ignored=()):
    """The findings that stand in the way."""
    return [found for found in findings if found["level"] == "blocker" and found["code"] not in ignored]


def joined(earlier, later):
    """The findings of two looks, those of both once."""
    return earlier + [found for found in later if found not in earlier]


def refusal(blockers, **details):
    """The LivepatchError for one or more blockers: the first one's code and sentence, and how many more there are."""
    first = blockers[0]
    more = len(blockers) - 1
    return LivepatchError(
        first["code"], first["message"] + (f" ({more} more in findings.)" if more else ""), **details)
