# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What each host says of its CVEs, by CVE: one judgement for the page, the CSV and the OpenVEX of a status."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import TRIED

Record = Mapping[str, t.Any]
# `closed`: each function of a patch with this CVE is in effect. `on_trial`: the same, and the patch is on trial.
# `unverified`: a patch with it is enabled, and its verification failed. `open`: no live patch closes it.
KINDS = ("closed", "on_trial", "unverified", "open")


class Statement(t.NamedTuple):
    """What a host says of one CVE: one of KINDS, the patch behind it, if known, and the reason or the codes."""

    cve: str
    kind: str
    patch: Record | None
    why: str | None


class CveRow(t.NamedTuple):
    """The hosts of one CVE in each of KINDS, and the reasons of open ones with their hosts."""

    cve: str
    closed: Sequence[str]
    on_trial: Sequence[str]
    unverified: Sequence[str]
    reasons: Sequence[tuple[str, Sequence[str]]]


def statements(host: Record) -> Iterator[Statement]:
    """What a host of a status says of each CVE that one of its patches names, sorted by CVE; each CVE once."""
    told = host.get("coverage") or {}
    enabled = [patch for patch in host.get("patches") or () if patch.get("verified")]
    closing: dict[str, Record] = {}
    for patch in sorted(enabled, key=lambda one: one["state"] in TRIED):
        for cve in patch.get("cves") or ():
            closing.setdefault(cve, patch)
    found = {}
    for entry in told.get("not_covered") or ():
        found[entry["cve"]] = Statement(entry["cve"], "open", None, entry["reason"])
    for one in told.get("unverified") or ():
        unproven = next((patch for patch in host.get("patches") or () if patch["name"] == one["name"]), None)
        found.update({cve: Statement(cve, "unverified", unproven, ", ".join(one["codes"])) for cve in one["cves"]})
    for cve in told.get("cves") or ():
        behind = closing.get(cve)
        tried = behind is not None and behind["state"] in TRIED
        # A host that claims a CVE without a verified patch that names it contradicts itself.
        kind = "unverified" if behind is None else "on_trial" if tried else "closed"
        found[cve] = Statement(cve, kind, behind, None if behind else "no verified patch of the host names it")
    return iter(found[cve] for cve in sorted(found))


def cve_rows(record: Record) -> list[CveRow]:
    """Every CVE that a host tells of, sorted."""
    kinds: dict[str, dict[str, list[str]]] = {}
    reasons: dict[str, dict[str, list[str]]] = {}
    for name, host in record["hosts"].items():
        for one in statements(host):
            kinds.setdefault(one.cve, {kind: [] for kind in KINDS})[one.kind].append(name)
            if one.kind == "open":
                reasons.setdefault(one.cve, {}).setdefault(one.why or "no reason given", []).append(name)
    return [
        CveRow(cve, found["closed"], found["on_trial"], found["unverified"], sorted(reasons.get(cve, {}).items()))
        for cve, found in sorted(kinds.items())]


def reboot_advice(record: Record) -> list[tuple[str, list[str]]]:
    """Each advice to reboot, with its hosts."""
    found: dict[str, list[str]] = {}
    for name, host in record["hosts"].items():
        message = (host.get("coverage") or {}).get("reboot")
        if message:
            found.setdefault(message, []).append(name)
    return sorted(found.items())
