# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""What the live patches of a cohort cover, from `coverage` in the patch_info results of its hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import join_limited, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import LONGEST_TEXT, is_list
from ansible_collections.kernel.livepatch.plugins.plugin_utils._util.text import join_hosts

MOST_CVES = 5  # in one line

Coverage = Mapping[str, t.Any]
NOTHING: Coverage = {"cves": (), "not_covered": {}, "effective_kernel": None}


def read_coverage(info: Mapping[str, t.Any]) -> Coverage:
    """The coverage in a patch_info result: `cves`, `not_covered` (reasons by CVE), `effective_kernel`.

    Empty for a host that does not tell it; nothing in it makes this fail.
    """
    told = info.get("coverage")
    if not isinstance(told, Mapping):
        return NOTHING
    cves, missing, kernel = told.get("cves"), told.get("not_covered"), told.get("effective_kernel")
    entries = [one for one in missing if isinstance(one, Mapping)] if is_list(missing) else []
    return {
        "cves": tuple(_text(cve) for cve in cves if isinstance(cve, str)) if is_list(cves) else (),
        "not_covered": {
            _text(one["cve"]): _text(one["reason"]) for one in entries
            if isinstance(one.get("cve"), str) and isinstance(one.get("reason"), str)},
        "effective_kernel": _text(kernel) if isinstance(kernel, str) and kernel else None,
    }


def _text(text: str) -> str:
    return truncate(text, LONGEST_TEXT)


def cohort_coverage(members: Mapping[str, Coverage]) -> dict[str, list[dict[str, t.Any]]]:
    """The part of a cohort about CVEs: hosts with the same coverage together."""
    free: dict[tuple[str, ...], list[str]] = {}
    missing: dict[tuple[str, str], list[str]] = {}
    kernels: dict[str, list[str]] = {}
    for host, told in members.items():
        if told["cves"]:
            free.setdefault(told["cves"], []).append(host)
        for entry in told["not_covered"].items():
            missing.setdefault(entry, []).append(host)
        if told["effective_kernel"]:
            kernels.setdefault(told["effective_kernel"], []).append(host)
    return {
        "cves": [{"cves": list(cves), "hosts": hosts} for cves, hosts in sorted(free.items())],
        "not_covered": [
            {"cve": cve, "reason": reason, "hosts": hosts} for (cve, reason), hosts in sorted(missing.items())],
        "effective_kernels": [{"kernel": kernel, "hosts": hosts} for kernel, hosts in sorted(kernels.items())],
    }


def coverage_lines(cohort: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[str]:
    return [
        *(f"  effective kernel {one['kernel']} on {join_hosts(one['hosts'])}" for one in cohort["effective_kernels"]),
        *(f"  free of {join_limited(one['cves'], MOST_CVES)} on {join_hosts(one['hosts'])}" for one in cohort["cves"]),
        *(f"  no live patch closes {one['cve']} on {join_hosts(one['hosts'])}: {one['reason']}"
          for one in cohort["not_covered"])]
