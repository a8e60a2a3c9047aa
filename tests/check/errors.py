# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that end a run."""

from __future__ import annotations


class CheckError(Exception):
    """A check cannot be run at all. The message is one sentence: what is missing and what to do."""
