# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of findings, and the errors that are made of them."""

import re

import pytest

from ansible_collections.kernel.livepatch.plugins.module_utils._findings.finding import (
    FINDINGS,
    blockers_in,
    error_from,
    finding,
)

BLOCKER = finding("not-loaded", "fix", name="fix")
WARNING = finding("replaced-module-kept", "old", other="old", why="It is pinned.")


@pytest.mark.parametrize("code", sorted(FINDINGS))
def test_a_row_of_the_table(code):
    level, ignorable, message = FINDINGS[code]
    assert re.match(r"[a-z]+(-[a-z]+)*\Z", code)
    assert level in ("blocker", "warning", "note")
    assert level == "blocker" or not ignorable
    assert message.endswith((".", "{why}", "{message}", "{line}")) and "  " not in message
    assert ("ignore_findings" in message) == ignorable


def test_what_can_be_ignored_are_few_blockers():
    assert {code: FINDINGS[code][0] for code in FINDINGS if FINDINGS[code][1]} == dict.fromkeys((
        "quarantined", "unknown-parameter", "signature-key-unknown", "replaces-foreign-patch", "orc-mismatch",
        "object-would-be-refused", "object-built-in", "vermagic-mismatch", "symbol-version-mismatch",
        "symbol-not-exported", "older-version", "ineffective", "other-mechanism-active", "selinux-denies-load",
        "other-tool-loads-at-boot", "earlier-patch-disabled"), "blocker")


def test_a_finding():
    assert WARNING == {
        "code": "replaced-module-kept", "level": "warning", "subject": "old",
        "message": "The replaced patch old has no effect any more, but its module stays loaded. It is pinned."}


@pytest.mark.parametrize("code, facts", [("no-such-code", {}), ("not-loaded", {})])
def test_a_finding_without_its_facts_is_a_bug(code, facts):
    with pytest.raises(KeyError):
        finding(code, "fix", **facts)


def test_only_blockers_that_are_not_ignored_stand():
    assert blockers_in([WARNING, BLOCKER]) == [BLOCKER]
    assert blockers_in([WARNING, BLOCKER], ["not-loaded"]) == []


def test_an_error_says_the_first_and_counts_the_rest():
    error = error_from([BLOCKER], findings=[BLOCKER, WARNING])
    assert (error.code, error.message) == ("not-loaded", "The patch fix is not loaded. Load it with patch.")
    assert error.details == {"findings": [BLOCKER, WARNING]}
    assert error_from([BLOCKER] * 3).message == (
        "The patch fix is not loaded. Load it with patch. (2 more in findings.)")
