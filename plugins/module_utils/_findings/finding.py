# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: results of checks and of comparisons, with stable codes."""

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.changes import CHANGES
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.drift import DRIFT
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.preload import PRELOAD
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.verification import VERIFICATION
from ansible_collections.kernel.livepatch.plugins.module_utils._findings.watch import WATCH
from ansible_collections.kernel.livepatch.plugins.module_utils._util.errors import LivepatchError

# code: (level, may be ignored, message); see the tables.
FINDINGS = {**PRELOAD, **VERIFICATION, **CHANGES, **DRIFT, **WATCH}


def finding(code, subject, **facts):
    """One finding: a dict of `code`, `level`, `subject`, `message`; raises KeyError for an unknown code or fact."""
    return finding_of(FINDINGS, code, subject, facts)


def finding_of(table, code, subject, facts):
    """The same for a code of one table."""
    level, _ignorable, message = table[code]
    return {"code": code, "level": level, "subject": subject, "message": message.format(**facts)}


def check_ignorable(codes):
    """Refuse codes that do not exist or that must not be ignored; raises LivepatchError `finding-not-ignorable`."""
    ignorable = sorted(code for code, (_level, may, _message) in FINDINGS.items() if may)
    for code in codes:
        if code not in ignorable:
            raise LivepatchError(
                "finding-not-ignorable",
                f"ignore_findings: {code} {_why_not(code)}. "
                f"Correct it. These codes can be ignored: {', '.join(ignorable)}.")


def _why_not(code):
    if code not in FINDINGS:
        return "is not a code of a finding"
    level = FINDINGS[code][0]
    return "must never be ignored" if level == "blocker" else f"is a {level}, and only a blocker needs to be ignored"


def blockers_in(findings, ignored=()):
    """The findings of level `blocker` with codes not in `ignored`."""
    return [entry for entry in findings if entry["level"] == "blocker" and entry["code"] not in ignored]


def merge(earlier, later):
    """The findings of two checks, without duplicates."""
    return earlier + [entry for entry in later if entry not in earlier]


def error_from(blockers, **details):
    """The LivepatchError for one or more blockers: the first one's code and message, and the number of others."""
    first = blockers[0]
    more = len(blockers) - 1
    return LivepatchError(
        first["code"], first["message"] + (f" ({more} more in findings.)" if more else ""), **details)
