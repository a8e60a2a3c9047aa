# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that a journal tells of, and which of them can be undone."""

from ansible_collections.kernel.livepatch.plugins.module_utils._journal import newest_records
from ansible_collections.kernel.livepatch.plugins.module_utils._stack import same_stack


def past_changes(host):
    """The journal's changes, newest first: what was written before each, and after it (None where it has no end).

    Raises OSError.
    """
    ends = {}
    for record in newest_records(host):
        if record is None:
            continue
        if record["event"] == "end":
            ends[record["transaction"]] = record
        else:
            yield record, ends.pop(record["transaction"], None)


def moved_the_stack(begin, end):
    """Whether somebody's change brought a patch in or took one out, or may still do so."""
    return begin["action"] == "patch" and not (
        end and end["outcome"] != "left-going" and same_stack(begin["before"], end["after"]))
