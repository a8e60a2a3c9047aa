# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The metrics of a fleet, from its patch_info results: those that each host writes itself, with its name as a label."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._outputs.metrics import (
    FAMILIES,
    host_metrics,
    metrics_text,
)
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.status import QUERIED, verdict_of

VERDICT = "kernel_livepatch_host_verdict"
FAMILIES_OF_FLEET = {VERDICT: "What the playbook status found on a host, always 1."}


def fleet_metrics(answers: Mapping[str, t.Any], now: float) -> str:
    """The text for Prometheus; `answers` as for summarize_status, `now` in seconds since 1970.

    No result of a host makes this fail: of one in another shape, as of an earlier version, only the verdict is known.
    """
    samples: list[dict[str, t.Any]] = []
    for host, answer in answers.items():
        verdict, label = verdict_of(answer), {"host": printable(host)}
        samples.append({"name": VERDICT, "labels": {**label, "verdict": verdict}, "value": 1})
        if verdict in QUERIED:
            samples += _samples(answer["livepatch"], now, label)
    order = [VERDICT, *FAMILIES]
    return metrics_text(sorted(samples, key=lambda sample: order.index(sample["name"])), FAMILIES_OF_FLEET)


def _samples(info: Mapping[str, t.Any], now: float, label: Mapping[str, str]) -> list[dict[str, t.Any]]:
    try:
        found = host_metrics(info, now, label)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return []
    texts = all(isinstance(text, str) for one in found for text in one["labels"].values())
    numbers = all(isinstance(one["value"], (int, float)) for one in found)
    return found if texts and numbers else []
