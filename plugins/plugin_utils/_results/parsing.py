# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Parses the results of one module on many hosts: results, failures, and malformed results.

A finding is a dict of `code`, `level`, `subject` and `message`. A failure is a pair of code and message; the code is
None for an error of Ansible itself. No text of a host can control the terminal.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable

LEVELS = ("blocker", "warning", "note")
MALFORMED = ("host-not-trusted", "The host returned a malformed result. Check that the host has not been compromised.")

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
    """Whether this is a list of dicts with names."""
    return is_list(place) and all(isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in place)


def failure_of(answer: Mapping[str, t.Any]) -> Failure:
    """The failure of a host that is unreachable or unchecked."""
    if not (answer.get("unreachable") or answer.get("failed")):
        return MALFORMED
    code = answer.get("code")
    # ansible-core 2.19 and later put "Task failed:" before the message.
    message = str(answer.get("msg") or "").strip().removeprefix("Task failed:").strip() or "no reason given"
    # When no module ran, for example without sudo, the reason is the last line of the output.
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
