# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""One host of a summary: its verdict, and the parts of its patch_info result."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import IDENTITY
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import coverage_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    Finding,
    are_findings,
    are_named,
    findings_sentence,
    is_name,
    is_small,
    missing_result,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import LONGEST_NAME
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.cves import (
    limit_cves,
    patch_cves,
    read_coverage,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._summary.holds import read_hold

# The verdicts of a host, by its least stable patch. The last three have no result.
VERDICTS = (
    "accepted", "enabled", "on_trial", "in_transition", "unpatched", "unsupported", "unchecked", "unreachable",
    "no_result")
QUERIED = VERDICTS[:6]
# The states of a patch in patch_info, and in a summary, the most stable first.
PATCH_STATES = ("accepted", "enabled", "disabled", "enabling", "disabling")
STATES = ("accepted", "enabled", "on trial", "enabling", "disabling", "disabled", "quarantined")
VERDICT_OF_STATE = {
    "accepted": "accepted", "enabled": "enabled", "on trial": "on_trial", "enabling": "in_transition",
    "disabling": "in_transition"}
NO_DRIFT = "The drift of the host is unknown without root. Run the task with become: true."


def verdict_of(answer: t.Any) -> str:
    """The verdict for a host's result, one of VERDICTS."""
    verdict = missing_result(answer)
    if verdict:
        return verdict
    if not _is_well_formed(answer.get("livepatch")):
        return "unchecked"
    status = HostStatus(answer["livepatch"])
    if status.interface == "none":
        return "unsupported"
    least_settled = max((STATES.index(patch["state"]) for patch in status.patches if patch["state"] != "disabled"),
                        default=None)
    return "unpatched" if least_settled is None else VERDICT_OF_STATE[STATES[least_settled]]


def _is_well_formed(info: t.Any) -> bool:
    kernel = info.get("kernel") if isinstance(info, Mapping) else None
    if not isinstance(kernel, Mapping):
        return False
    trial, drift = info.get("trial"), info.get("drift")
    return (
        all(is_name(text) for text in (kernel.get("release"), kernel.get("arch"), info.get("interface")))
        and are_named(info.get("patches")) and all(patch.get("state") in PATCH_STATES for patch in info["patches"])
        and (drift is None or are_findings(drift))
        and (info.get("quarantined") is None or are_named(info["quarantined"]))
        and (trial is None or (are_named([trial]) and is_small(trial.get("seconds_left"))))
        and all(info.get(key) is None or isinstance(info[key], Mapping) for key in ("transition", "changing")))


class HostStatus:
    """The parts of a patch_info result for a summary; texts are printable."""

    def __init__(self, info: Mapping[str, t.Any]) -> None:
        self.kernel = (info["kernel"]["release"], info["kernel"]["arch"])
        build_id = info["kernel"].get("build_id")
        self.kernel_build = printable(build_id) if isinstance(build_id, str) and build_id else None
        self.interface = printable(info["interface"])
        self.trial: Mapping[str, t.Any] | None = info.get("trial")
        self.transition: Mapping[str, t.Any] | None = info.get("transition")
        self.changing: Mapping[str, t.Any] | None = info.get("changing")
        self.lease, self.hook = read_hold(info, "lease"), read_hold(info, "hook")
        self.drift: Sequence[Finding] | None = info.get("drift")
        self.cves = read_coverage(info)
        self.patches = [self._patch(patch) for patch in info["patches"]]
        self.quarantined = [self._patch(dict(entry, state="quarantined")) for entry in info.get("quarantined") or []]
        limit_cves([*self.patches, *self.quarantined], self.cves)

    def _patch(self, patch: Mapping[str, t.Any]) -> dict[str, t.Any]:
        on_trial = self.trial and patch["state"] == "enabled" and patch["name"] == self.trial["name"]
        identity = {key: patch.get(key) for key in IDENTITY}
        return {
            **{key: truncate(text, LONGEST_NAME) if isinstance(text, str) else None for key, text in identity.items()},
            "state": "on trial" if on_trial else patch["state"],
            "verified": patch.get("verified") if isinstance(patch.get("verified"), bool) else None,
            **patch_cves(patch.get("metadata"))}

    def warnings(self) -> list[Finding]:
        return [entry for entry in self.drift or [] if entry["level"] != "note"]

    def complaint(self) -> str | None:
        """The drift of the host in one message; None without drift."""
        if self.drift is None:
            return NO_DRIFT
        return findings_sentence(self.warnings()) if self.warnings() else None

    def coverage(self, build: Mapping[str, t.Any]) -> str:
        """How this build covers the host; see coverage_of()."""
        return coverage_of(build["name"], self.patches, [build])
