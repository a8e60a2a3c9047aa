# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The CSV of a status (RFC 4180): one row for each host and patch, and one for a host without a patch."""

from __future__ import annotations

import csv
import io
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.cves import Statement, statements

Record = Mapping[str, t.Any]

COLUMNS = (
    "host", "verdict", "problem", "kernel", "arch", "kernel_build_id", "patch", "version", "state", "build_id",
    "sha256", "verified", "cves_closed", "cves_on_trial", "cves_unverified", "cves_open", "expires", "expired",
    "effective_kernel", "reboot")
CVE_COLUMNS = {"closed": "cves_closed", "on_trial": "cves_on_trial", "unverified": "cves_unverified"}
# A spreadsheet takes a cell with such a beginning for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")  # also in full width


def csv_text(record: Record) -> str:
    """The table of a status, sorted by host; every cell is quoted."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, restval="", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writeheader()
    for name, host in sorted(record["hosts"].items()):
        for row in _rows(name, host):
            table.writerow({column: _cell(value) for column, value in row.items()})
    return text.getvalue()


def _rows(name: str, host: Record) -> Iterator[dict[str, t.Any]]:
    told = host.get("coverage") or {}
    shared = {
        "host": name, "verdict": host.get("state"), "problem": (host.get("failure") or {}).get("code"),
        "kernel": host.get("kernel"), "arch": host.get("arch"), "kernel_build_id": host.get("kernel_build_id"),
        "effective_kernel": told.get("effective_kernel"), "reboot": told.get("reboot")}
    said = list(statements(host))
    patches = host.get("patches") or ()
    for patch in patches:
        yield {**shared, **_of_patch(patch, said, told)}
    if not patches:
        yield shared


def _of_patch(patch: Record, said: list[Statement], told: Record) -> dict[str, t.Any]:
    cves: dict[str, list[str]] = {column: [] for column in (*CVE_COLUMNS.values(), "cves_open")}
    for one in said:
        if one.kind == "open" and one.cve in patch["not_covered"]:
            cves["cves_open"].append(one.cve)
        elif one.patch is patch:
            cves[CVE_COLUMNS[one.kind]].append(one.cve)
    return {
        "patch": patch["name"], **{key: patch[key] for key in ("version", "state", "build_id", "sha256", "expires")},
        "verified": patch["verified"], "expired": patch["name"] in told.get("expired", ()),
        **{column: " ".join(found) for column, found in cves.items()}}


def _cell(value: t.Any) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet would run."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    text = printable(str(value))
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
