# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the last changes of a host from its journal: one entry for the begin and the end of a change."""

from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.actor import UNKNOWN_ACTOR
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.journal import (
    SHAPES,
    ends_unfinished,
    newest_records,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.lock import running_change
from ansible_collections.kernel.livepatch.plugins.module_utils._persistence.stack import same_stack

MOST_ENTRIES = 20  # entries
LAYER = ("name", "build_id", "sha256", "parameters", "accepted")  # the keys of each patch in `before` and `after`


def history(host):
    """The last changes, the running change, and the number of unreadable lines between them.

    Shape: `changing` (see running_change), `journal` (entries, newest first) and `journal_unreadable` (a number); all
    are None if this user may not read the journal. A change has the outcome `interrupted` if it has no end and its
    process is gone.
    """
    try:
        earlier, unreadable = _pairs(host)
        changing = running_change(host)
        lost = {name for name, pair in earlier.items() if "end" not in pair}
        lost -= {changing["transaction"]} if changing else set()
        if lost:  # or it ended or began just now; a process writes the end before it exits
            earlier, unreadable = _pairs(host)
    except OSError:
        return {"changing": None, "journal": None, "journal_unreadable": None}
    entries = [_entry(name, pair, lost) for name, pair in earlier.items()]
    return {"changing": changing, "journal": entries, "journal_unreadable": unreadable}


def _pairs(host):
    """Transaction to its records by event, newest first, and the number of unreadable lines."""
    pairs, begun, unreadable = {}, 0, int(ends_unfinished(host))
    for record in newest_records(host):
        if record is None:
            unreadable += 1
            continue
        pairs.setdefault(record["transaction"], {})[record["event"]] = record
        begun += record["event"] == "begin"
        if begun == MOST_ENTRIES:
            break
    return dict(list(pairs.items())[:MOST_ENTRIES]), unreadable


def _entry(name, pair, lost):
    begin = pair.get("begin") or dict.fromkeys(SHAPES["begin"], None)
    end = pair.get("end") or dict.fromkeys(SHAPES["end"], None)
    open_outcome = "interrupted" if name in lost else "running"
    return {
        "transaction": name,
        "action": begin["action"],
        "outcome": end["outcome"] or open_outcome,
        "code": end["code"],
        "why": end["why"],
        "began": begin["time"],
        "ended": end["time"],
        "seconds": end["seconds"],
        "boot_id": begin["boot_id"],
        "kernel": begin["kernel"],
        "who": _select(begin["who"] or {}, UNKNOWN_ACTOR),
        "patches": _patches(begin["patches"] or [], end["patches"] or []),
        "replaces": end["replaces"] or [],
        "before": _stack(begin["before"]),
        "after": _stack(end["after"]),
    }


def _patches(wanted, reached):
    """The wanted and the reached state of each patch; None for values that are not recorded."""
    wanted = {patch["name"]: patch for patch in wanted}
    reached = {patch["name"]: patch for patch in reached}
    keys = ("sha256", "build_id", "previous_state", "wanted_state", "kernel", "state", "transition_seconds")
    both = {name: dict(wanted.get(name, {}), **reached.get(name, {})) for name in [*wanted, *reached]}
    return [dict(_select(patch, keys), name=name) for name, patch in both.items()]


def _stack(patches):
    return patches and [_select(patch, LAYER) for patch in patches]


def _select(values, keys):
    return {key: values.get(key) for key in keys}


def journal_changes(host):
    """The journal's changes, newest first, as pairs of the begin and the end record (None without an end).

    (None, None) stands for an unreadable line: a change that is not known. Raises OSError.
    """
    ends = {}
    for record in newest_records(host):
        if record is None:
            yield None, None
        elif record["event"] == "end":
            ends[record["transaction"]] = record
        else:
            yield record, ends.pop(record["transaction"], None)


def changed_stack(begin, end):
    """Whether a requested change loaded or removed a patch, or may still do so."""
    return begin["action"] == "patch" and not (
        end and end["outcome"] != "in-transition" and same_stack(begin["before"], end["after"]))


def has_failed(begin, end):
    """Whether a change failed and left the stack as it was."""
    return end is not None and end["outcome"] == "failed" and same_stack(begin["before"], end["after"])
