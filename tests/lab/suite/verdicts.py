# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two verdicts on a cause: that of patch_check, and that of the kernel."""

from __future__ import annotations

from causes import Cause
from guest import Guest


def codes(result: dict, *levels: str) -> set[str]:
    """The codes of a result's findings at these levels."""
    return {found["code"] for found in result["findings"] if found["level"] in levels}


def assert_finds(result: dict, cause: Cause) -> None:
    """The cause is found, at its level, and nothing else stands in the way."""
    assert {found["level"] for found in result["findings"] if found["code"] == cause.code} == {cause.level}, result
    expected = {*cause.beside, *([cause.code] if cause.level == "blocker" else [])}
    assert codes(result, "blocker") == expected, result["findings"]
    assert result["compatible"] is not bool(expected)


def assert_kernel_says(guest: Guest, cause: Cause) -> None:
    """The kernel, asked by hand, answers as the cause says."""
    verdict = guest.insmod(cause.file)
    assert verdict.says == cause.says, verdict
    assert cause.log in verdict.log
