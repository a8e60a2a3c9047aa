# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What hosts answered to one module, for a summary: the results, the failures, and what makes no sense.

A finding is a dict of `code`, `level`, `subject` and `message`; a failure is a pair of its code, None where Ansible
failed by itself, and its sentence. Nothing of what a host answers can control the terminal that it is shown on.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

LEVELS = ("blocker", "warning", "note")
MALFORMED = ("host-not-trusted", "The host returned a malformed result. Check that the host has not been compromised.")

Finding = Mapping[str, t.Any]
Failure = tuple[str | None, str]


def missing_result(answer: t.Any) -> str | None:
    """Why an answer is no result of a module: `no_result`, `unreachable` or `unchecked`; None where it may be one."""
    if not isinstance(answer, Mapping) or not answer or answer.get("skipped"):
        return "no_result"
    if answer.get("unreachable"):
        return "unreachable"
    return "unchecked" if answer.get("failed") else None


def is_finding(entry: t.Any) -> bool:
    return (
        isinstance(entry, Mapping) and entry.get("level") in LEVELS
        and all(isinstance(entry.get(key), str) for key in ("code", "message")))


def are_findings(entries: t.Any) -> bool:
    return is_list(entries) and all(is_finding(entry) for entry in entries)


def is_list(place: t.Any) -> bool:
    return isinstance(place, (list, tuple))


def are_named(place: t.Any) -> bool:
    """Whether this is a list of dicts that have a name each."""
    return is_list(place) and all(isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in place)


def failure_of(answer: Mapping[str, t.Any]) -> Failure:
    """What went wrong on a host that is unreachable or unchecked."""
    if not (answer.get("unreachable") or answer.get("failed")):
        return MALFORMED
    code = answer.get("code")
    # Since 2.19 Ansible says "Task failed:" before what went wrong.
    message = str(answer.get("msg") or "no reason given").strip().removeprefix("Task failed: ")
    # Where no module ran, as without sudo, Ansible sends the reader to what was printed; the last line of it tells why.
    printed = str(answer.get("module_stderr") or answer.get("module_stdout") or "").split("\n")
    last = next((line.strip() for line in reversed(printed) if line.strip()), None)
    if last and not code:
        message = f"{message.splitlines()[0]} ({last})"
    return (printable(code) if isinstance(code, str) else None), "\n".join(map(printable, message.splitlines()))


def failure_sentence(failure: Failure) -> str:
    code, message = failure
    return f"{code}: {message}" if code else message


def findings_sentence(findings: Sequence[Finding]) -> str:
    """The first of some findings, and the codes of the others."""
    first, *more = findings
    codes = ", ".join(dict.fromkeys(printable(entry["code"]) for entry in more))
    return f"{printable(first['code'])}: {printable(first['message'])}" + (f" Also: {codes}." if codes else "")
