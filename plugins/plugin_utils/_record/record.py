# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The record of a rollout: a plain dict of the plan and its results.

Each step of a rollout is a task in its own process, so the record is kept in a file. Reports are made from it
(docs/docsite/rst/guide_report.rst lists its keys).
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.metadata import required_kernel_build, version_of
from ansible_collections.kernel.livepatch.plugins.module_utils._util.clock import utc_timestamp
from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import truncate

Record = dict[str, t.Any]

SCHEMA = 1
LONGEST_CODE, LONGEST_MESSAGE = 80, 1000  # characters of a failure
# The states of a host, the requested one first. `unchanged`: nothing was loaded. `reverting`: on trial, or perhaps on
# trial, and reverts automatically. `unknown`: may have changed, and could not be checked.
STATES = (
    "accepted", "enabled", "on_trial", "waiting", "reverting", "rolled_back", "unchanged", "pending", "no_build",
    "unknown")
# With the patch, or perhaps with the patch.
STATES_WITH_PATCH = ("accepted", "enabled", "on_trial", "waiting", "reverting", "unknown")

TASK_SKIPPED = (None, "The task was skipped on this host. Run the rollout again.")  # a failure


def new_record(
        options: Mapping[str, t.Any], patches: Sequence[Mapping[str, t.Any]], operator: Mapping[str, str],
        check_mode: bool, now: float) -> Record:
    """The record of a new rollout; `options` comes from Options.as_record(), `patches` from patches_of()."""
    return {
        "schema": SCHEMA,
        "kind": "rollout",
        "id": new_run(now),
        "started": utc_timestamp(now),
        "ended": None,
        "operator": dict(operator),
        "check_mode": check_mode,
        "alone": False,
        "outcome": "running",
        "ok": False,
        "options": dict(options),
        "patches": list(patches),
        "cohorts": [],
        "waves": [],
        "hosts": {},
        "counts": {},
        "failures": 0,
        "breach": None,
        "lines": [],
    }


def new_run(now: float) -> str:
    """The identifier of a run: of its record, and of the lease that it leaves on hosts."""
    return f"{datetime.fromtimestamp(now, timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def new_host() -> Record:
    return {
        "wave": None, "kernel": None, "arch": None, "cohort": None, "state": "pending", "failure": None, "patch": None,
        "build_id": None, "sha256": None, "transaction": None, "functions": [], "loaded_at": None,
        "transition_seconds": None, "trial_ends": None, "accepted_at": None, "back_at": None, "findings": [],
        "blockers": [], "health": [], "watch": None,
    }


def fail(host: Record, step: str, failure: tuple[str | None, str], state: str | None = None) -> None:
    """Record the failure of a host, unless it failed before, and its new state."""
    if host["failure"] is None:
        code, message = failure
        host["failure"] = {
            "code": code and truncate(code, LONGEST_CODE), "message": message[:LONGEST_MESSAGE], "step": step}
    host["state"] = state or host["state"]


def failed_hosts(record: Record) -> list[str]:
    return [name for name, host in record["hosts"].items() if host["failure"]]


def update_counts(record: Record) -> None:
    """Update the counts of a record from its hosts."""
    states = [host["state"] for host in record["hosts"].values()]
    record["counts"] = {state: states.count(state) for state in STATES if state in states}
    record["failures"] = len(failed_hosts(record))


def patches_of(builds: Sequence[Mapping[str, t.Any]]) -> list[Record]:
    """The patches in livepatch_src for a record: each name once, with its builds."""
    patches: dict[str, Record] = {}
    for build in builds:
        metadata = build.get("metadata") or {}
        patch = patches.setdefault(
            build["name"],
            {"name": build["name"], "series": build.get("series"), "summary": metadata.get("summary"),
             "advisory": metadata.get("advisory"), "cves": [], "builds": []})
        patch["cves"] = list(dict.fromkeys([*patch["cves"], *(metadata.get("cves") or [])]))
        patch["builds"].append({
            **{key: build[key] for key in ("release", "arch", "sha256", "build_id", "file")},
            "version": version_of(build), "series": build.get("series"),
            "kernel_build_id": required_kernel_build(build), "cves": list(dict.fromkeys(metadata.get("cves") or [])),
            "objects": [
                {"name": one["name"], "functions": [
                    {"name": function["name"], "sympos": function["sympos"]} for function in one["functions"]]}
                for one in build["objects"]]})
    return list(patches.values())


def cves_of_build(patch: Mapping[str, t.Any], build: Mapping[str, t.Any]) -> Sequence[str]:
    """The CVEs that a build of a patch of a record closes: builds of one name can close different ones."""
    cves = build.get("cves")
    return (patch.get("cves") or ()) if cves is None else cves
