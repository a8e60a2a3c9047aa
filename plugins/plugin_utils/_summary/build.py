# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One summary of the builds of one patch for several kernels."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import failure_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import format_duration, number_of

# By verdict, best first. With one of the last two, a summary is not `ok`.
VERDICTS = ("built", "unchanged", "planned", "refused", "failed")
BAD = ("refused", "failed")


def summarize_builds(labels: Sequence[str], results: Sequence[Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The summary of the results of patch_build, each with the name of its kernel.

    Shape: `ok`, `lines` (a text for people), `counts` by verdict, and `kernels`, a list of `kernel`, `verdict`, `file`,
    `name`, `tool`, `job`, `seconds`, `code`, `message` and `log_path`, each None if it is not known, and `findings`.
    """
    kernels = [_kernel(label, result) for label, result in zip(labels, results, strict=True)]
    counts = {verdict: sum(one["verdict"] == verdict for one in kernels) for verdict in VERDICTS}
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return {
        "ok": not any(counts[verdict] for verdict in BAD), "counts": counts, "kernels": kernels,
        "lines": [*(line for kernel in kernels for line in _lines(kernel)),
                  f"{number_of(len(kernels), 'kernel')}: {total or 'nothing to build'}"]}


def verdict_of(result: Mapping[str, t.Any]) -> str:
    """The verdict on one build. It is refused if a check has failed, before anything was built."""
    if result.get("failed") or not result:
        blockers = [one["code"] for one in result.get("findings") or () if one["level"] == "blocker"]
        return "refused" if result.get("code") in blockers else "failed"
    return result["state"]


def _kernel(label: str, result: Mapping[str, t.Any]) -> dict[str, t.Any]:
    build, progress = result.get("build") or {}, result.get("progress") or {}
    return {
        "kernel": build.get("release") or label, "verdict": verdict_of(result), "file": result.get("file"),
        "name": build.get("name"), "tool": build.get("tool"), "job": result.get("job"),
        "seconds": progress.get("seconds"), "code": result.get("code"),
        "message": failure_of(result)[1] if result.get("failed") else result.get("msg"),
        "log_path": result.get("log_path"), "findings": list(result.get("findings") or ())}


def _lines(kernel: Mapping[str, t.Any]) -> list[str]:
    """The line of a kernel, and one for each finding that it does not have: no result of a module is shown beside it.
    """
    findings = kernel["findings"]
    shown = next((one for one in findings if one["code"] == kernel["code"]), None)
    first = _line(dict(kernel, message=shown["message"]) if shown else kernel)
    others = [f"  {one['level']} {one['code']}: {_plain(one['message'])}" for one in findings if one is not shown]
    log = [f"  log on the build host: {kernel['log_path']}"] if kernel["log_path"] else []
    return [first, *others, *log]


def _line(kernel: Mapping[str, t.Any]) -> str:
    start = f"{kernel['kernel']}: {kernel['verdict']}"
    if kernel["verdict"] in BAD:
        code = f"{kernel['code']}: " if kernel["code"] else ""
        return f"{start}: {code}{_plain(kernel['message'] or 'no reason given')}"
    if kernel["verdict"] == "planned":
        return f"{start}: {kernel['name']} with {kernel['tool']}"
    duration = f" ({kernel['tool']}, {format_duration(kernel['seconds'])})" if kernel["verdict"] == "built" else ""
    return f"{start}: {kernel['file']}{duration}"


def _plain(message: str) -> str:
    return " ".join(message.split())
