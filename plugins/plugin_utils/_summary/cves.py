# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What the live patches of a cohort cover, from `coverage` in the patch_info results of its hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import KEPT
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_MESSAGE,
    LONGEST_TEXT,
    is_list,
)
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.shapes import MOST_PATCHES
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

MOST_CVES = 5  # in one line
# Of one host: closed CVEs, open or unverified ones, patches with a failed verification, codes of one of these.
MOST_CLOSED, MOST_OPEN, MOST_UNVERIFIED, MOST_CODES = 1000, 300, 50, 20
MOST_OF_PATCH = 5000  # before they are limited, as many as the results of a host can have
MISSING = object()
LONGEST_CVE = 64

Coverage = Mapping[str, t.Any]
NOTHING: Coverage = {
    "cves": (), "not_covered": {}, "unverified": (), "effective_kernel": None, "expired": (), "reboot": None}


def read_coverage(info: Mapping[str, t.Any]) -> Coverage:
    """The coverage in a patch_info result: `cves`, `not_covered` (reasons by CVE), `unverified` (name, CVEs and codes
    of each patch), `effective_kernel`, `expired` (names) and `reboot` (the advice in words, or None).

    Empty for a host that does not tell it; nothing in it makes this fail.
    """
    told = info.get("coverage")
    if not isinstance(told, Mapping):
        return NOTHING
    reboot = told.get("reboot")
    return {
        "cves": _texts(told.get("cves"), MOST_CLOSED), "not_covered": _reasons(told.get("not_covered")),
        "unverified": _unverified(told.get("unverified")),
        "effective_kernel": _text_or_none(told.get("effective_kernel")),
        "expired": _texts(told.get("expired"), MOST_PATCHES, LONGEST_TEXT),
        "reboot": _text_or_none(reboot.get("message"), LONGEST_MESSAGE) if isinstance(reboot, Mapping) else None,
    }


def patch_cves(metadata: t.Any) -> dict[str, t.Any]:
    """What bundle.yml says of one patch of a patch_info result: `cves`, `not_covered` (CVEs) and `expires`."""
    told = metadata if isinstance(metadata, Mapping) else {}
    return {
        "cves": list(_texts(told.get("cves"), MOST_OF_PATCH)),
        "not_covered": list(_reasons(told.get("not_covered"), MOST_OF_PATCH)),
        "expires": _text_or_none(told.get("expires"))}


def coverage_dict(told: Coverage) -> dict[str, t.Any]:
    """A coverage as plain data for a record, in the shape of patch_info; `reboot` is the advice in words."""
    return {
        **{key: told[key] for key in ("effective_kernel", "reboot")},
        "cves": list(told["cves"]), "expired": list(told["expired"]),
        "not_covered": [{"cve": cve, "reason": reason} for cve, reason in told["not_covered"].items()],
        "unverified": [
            {"name": name, "cves": list(cves), "codes": list(codes)} for name, cves, codes in told["unverified"]]}


def limit_cves(patches: Sequence[dict[str, t.Any]], told: Coverage) -> None:
    """Keep the CVEs of the patches of one host within the bounds of a host.

    Of too many, those stay that the host tells of, each with one patch: a verified one that is no more on trial, if
    there is such a patch.
    """
    for key, most in (("cves", MOST_CLOSED), ("not_covered", MOST_OPEN)):
        if sum(len(patch[key]) for patch in patches) > most:
            left = dict.fromkeys(told[key])
            for patch in sorted(patches, key=lambda one: (not one["verified"], one["state"] not in KEPT)):
                patch[key] = [cve for cve in patch[key] if left.pop(cve, MISSING) is not MISSING]


def _unverified(place: t.Any) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    """The name, the CVEs and the codes of each patch with a failed verification."""
    found, left = [], MOST_OPEN
    for one in _mappings(place)[:MOST_UNVERIFIED]:
        if isinstance(one.get("name"), str):
            cves = _texts(one.get("cves"), left)
            left -= len(cves)
            found.append((_text(one["name"]), cves, _texts(one.get("codes"), MOST_CODES)))
    return tuple(found)


def _texts(place: t.Any, most: int, longest: int = LONGEST_CVE) -> tuple[str, ...]:
    return tuple(truncate(one, longest) for one in place[:most] if isinstance(one, str)) if is_list(place) else ()


def _mappings(place: t.Any) -> list[Mapping[str, t.Any]]:
    return [one for one in place if isinstance(one, Mapping)] if is_list(place) else []


def _reasons(place: t.Any, most: int = MOST_OPEN) -> dict[str, str]:
    entries = [
        one for one in _mappings(place) if isinstance(one.get("cve"), str) and isinstance(one.get("reason"), str)]
    return {truncate(one["cve"], LONGEST_CVE): _text(one["reason"]) for one in entries[:most]}


def _text(text: str) -> str:
    return truncate(text, LONGEST_TEXT)


def _text_or_none(text: t.Any, most: int = LONGEST_TEXT) -> str | None:
    return truncate(text, most) if isinstance(text, str) and text else None


def cohort_coverage(members: Mapping[str, Coverage]) -> dict[str, list[dict[str, t.Any]]]:
    """The part of a cohort about CVEs: hosts with the same coverage together."""
    free: dict[tuple[str, ...], list[str]] = {}
    kernels: dict[str, list[str]] = {}
    advice: dict[str, list[str]] = {}
    missing: dict[tuple[str, str], list[str]] = {}
    unverified: dict[tuple[t.Any, ...], list[str]] = {}
    for host, told in members.items():
        if told["cves"]:
            free.setdefault(told["cves"], []).append(host)
        for entry in told["not_covered"].items():
            missing.setdefault(entry, []).append(host)
        for patch in told["unverified"]:
            unverified.setdefault(patch, []).append(host)
        if told["effective_kernel"]:
            kernels.setdefault(told["effective_kernel"], []).append(host)
        if told["reboot"]:
            advice.setdefault(told["reboot"], []).append(host)
    return {
        "cves": [{"cves": list(cves), "hosts": hosts} for cves, hosts in sorted(free.items())],
        "not_covered": [
            {"cve": cve, "reason": reason, "hosts": hosts} for (cve, reason), hosts in sorted(missing.items())],
        "unverified": [
            {"name": name, "cves": list(cves), "codes": list(codes), "hosts": hosts}
            for (name, cves, codes), hosts in sorted(unverified.items())],
        "effective_kernels": [{"kernel": kernel, "hosts": hosts} for kernel, hosts in sorted(kernels.items())],
        "reboot": [{"message": message, "hosts": hosts} for message, hosts in sorted(advice.items())],
    }


def coverage_lines(cohort: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[str]:
    return [
        *(f"  effective kernel {one['kernel']} on {join_hosts(one['hosts'])}" for one in cohort["effective_kernels"]),
        *(f"  free of {join_limited(one['cves'], MOST_CVES)} on {join_hosts(one['hosts'])}" for one in cohort["cves"]),
        *(f"  not verified, so it closes nothing: {one['name']} on {join_hosts(one['hosts'])} "
          f"({join_limited(one['codes'], MOST_CVES)})" for one in cohort["unverified"]),
        *(f"  no live patch closes {one['cve']} on {join_hosts(one['hosts'])}: {one['reason']}"
          for one in cohort["not_covered"]),
        *(f"  reboot advised on {join_hosts(one['hosts'])}: {one['message']}" for one in cohort["reboot"])]
