# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Parses the results of one module on many hosts: results, failures, and malformed results.

A finding is a dict of `code`, `level`, `subject` and `message`. A failure is a pair of code and message; the code is
None for an error of Ansible itself. No text of a host can control the terminal.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import LEVELS, MOST
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import MOST_PATCHES

MALFORMED = ("malformed-result", "The host returned a malformed result. Check that the host has not been compromised.")
# With these codes of the controller, what the host did is not known.
UNTRUSTED_CODES = (MALFORMED[0], "host-not-trusted")
LONGEST_CODE, LONGEST_TEXT, LONGEST_MESSAGE = 200, 200, 2000  # characters
MOST_CODES = 10  # in one sentence

# The code of a host that has not answered when the bound of its task was over.
HOST_SILENT = "host-silent"

Finding = Mapping[str, t.Any]
Failure = tuple[str | None, str]


def missing_result(answer: t.Any) -> str | None:
    """Why there is no result of a module: `no_result`, `unreachable` or `unchecked`; None when there may be one."""
    if not isinstance(answer, Mapping) or not answer or answer.get("skipped"):
        return "no_result"
    if answer.get("unreachable") or (answer.get("failed") and answer.get("code") == HOST_SILENT):
        return "unreachable"
    return "unchecked" if answer.get("failed") else None


def is_finding(entry: t.Any) -> t.TypeGuard[Finding]:
    return (
        isinstance(entry, Mapping) and entry.get("level") in LEVELS
        and all(isinstance(entry.get(key), str) for key in ("code", "message")))


def are_findings(entries: t.Any) -> t.TypeGuard[Sequence[Finding]]:
    return is_list(entries) and all(is_finding(entry) for entry in entries)


def is_list(place: t.Any) -> t.TypeGuard[list[t.Any] | tuple[t.Any, ...]]:
    return isinstance(place, (list, tuple))


def are_named(place: t.Any) -> t.TypeGuard[Sequence[Mapping[str, t.Any]]]:
    """Whether this is a list of dicts with names, no more and no longer than on any honest host."""
    return is_list(place) and all(isinstance(one, Mapping) for one in place) and are_names(
        [one.get("name") for one in place])


def are_names(place: t.Any) -> t.TypeGuard[Sequence[str]]:
    """Whether this is a list of names of patches, no more and no longer than on any honest host."""
    return is_list(place) and len(place) <= MOST_PATCHES and all(is_name(one) for one in place)


def is_name(value: t.Any) -> t.TypeGuard[str]:
    """Whether this is a text no longer than a patch's name, a kernel release or an architecture."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def is_small(value: t.Any) -> t.TypeGuard[int]:
    """Whether this is a whole number that a text can have."""
    return isinstance(value, int) and abs(value) < MOST


def text_from(value: t.Any, most: int) -> str:
    """Any value as a printable text of one line, with at most `most` characters."""
    if isinstance(value, str):
        return truncate(value, most)
    return str(value) if is_small(value) or isinstance(value, float) else f"a {type(value).__name__}"


def failure_of(answer: Mapping[str, t.Any]) -> Failure:
    """The failure of a host that is unreachable or unchecked."""
    if not (answer.get("unreachable") or answer.get("failed")):
        return MALFORMED
    code = answer.get("code")
    # ansible-core 2.19 and later put "Task failed:" before the message.
    message = _text(answer, "msg").strip().removeprefix("Task failed:").strip() or "no reason given"
    # When no module ran, for example without sudo, the reason is the last line of the output.
    printed = (_text(answer, "module_stderr") or _text(answer, "module_stdout")).split("\n")
    last = next((line.strip() for line in reversed(printed) if line.strip()), None)
    if last and not code:
        message = f"{message.splitlines()[0]} ({last})"
    return (
        truncate(code, LONGEST_CODE) if isinstance(code, str) else None,
        "\n".join(map(printable, message[:LONGEST_MESSAGE].splitlines())))


def reported_code(answer: Mapping[str, t.Any]) -> str | None:
    """The code of a failure that the host itself reports; None if its module was killed, or its result is malformed."""
    code = failure_of(answer)[0]
    return None if code in UNTRUSTED_CODES else code


def _text(answer: Mapping[str, t.Any], key: str) -> str:
    """A text of a failure; its last part if it is very long, because the reason is at the end of an output."""
    value = answer.get(key)
    if isinstance(value, str):
        return value[-LONGEST_MESSAGE:] if key != "msg" else value[:LONGEST_MESSAGE]
    # Of a task of the user, this can be anything. In parts, because the whole can be very large.
    text = ""
    try:
        for part in json.JSONEncoder(default=lambda one: f"a {type(one).__name__}").iterencode(value or ""):
            text += part
            if len(text) > LONGEST_MESSAGE:
                break
    except (RecursionError, TypeError, ValueError):
        return f"a {type(value).__name__}"
    return text[:LONGEST_MESSAGE].strip('"')


def failure_sentence(failure: Failure) -> str:
    code, message = failure
    return f"{code}: {message}" if code else message


def findings_sentence(findings: Sequence[Finding]) -> str:
    """The first of some findings, and the codes of the others."""
    first, *more = findings
    codes = join_limited(
        list(dict.fromkeys(truncate(entry["code"], LONGEST_CODE) for entry in more)), MOST_CODES)
    return (
        f"{truncate(first['code'], LONGEST_CODE)}: {truncate(first['message'], LONGEST_MESSAGE)}"
        + (f" Also: {codes}." if codes else ""))
