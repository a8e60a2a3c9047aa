# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""The parts of a report about causes: failures and findings by cause, hosts in detail, and CVE coverage."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._patch.builds import choose_builds
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.coverage import KINDS, coverage_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._record.record import cves_of_build
from ansible_collections.kernel.livepatch.plugins.plugin_utils._report.vocabulary import STATES, STEPS, state_word

Record = Mapping[str, t.Any]

PLANNED = STATES["plan"]["pending"]
LEVELS = ("failure", "blocker", "warning", "note")
MOST_CAUSES = 60
MOST_MESSAGES = 4
MOST_HOSTS_IN_DETAIL = 100
MOST_IN_DETAIL = 20


class Cause(t.NamedTuple):
    """A failure or a finding on several hosts; `messages` has each message with its hosts."""

    level: str
    code: str
    step: str
    hosts: Sequence[str]
    messages: Sequence[tuple[str, Sequence[str]]]
    more: int


class Detail(t.NamedTuple):
    """A host with more details than a row of the grid has."""

    name: str
    number: int
    host: Record
    word: t.Any
    step: str


class Coverage(t.NamedTuple):
    """A patch with its CVEs: the covered hosts, the hosts on trial, and the others by their state.

    `unproven`: a patch of this name runs, and its build is unknown. `unverified`: its verification failed.
    `other_build`: it runs in another build. `later`: a later version of the patch runs.
    """

    name: str
    summary: str | None
    advisory: str | None
    cves: Sequence[str]
    covered: Sequence[str]
    for_now: Sequence[str]
    unproven: Sequence[str]
    unverified: Sequence[str]
    other_build: Sequence[str]
    later: Sequence[str]
    missing: Sequence[tuple[t.Any, Sequence[str], bool]]  # the last: whether the record is a plan


def causes(record: Record) -> list[Cause]:
    """Failures first, then findings by level; within a level, the most frequent first."""
    found: dict[tuple[str, str, str], dict[str, dict[str, None]]] = {}
    for name, host in record["hosts"].items():
        failure = host.get("failure")
        entries = [("failure", failure.get("code"), failure.get("step"), failure.get("message"))] if failure else []
        listed = {(failure.get("code"), failure.get("message"))} if failure else set()
        # The failure of a host is often a finding too, and is listed once.
        entries += [
            (entry.get("level"), entry.get("code"), "", entry.get("message")) for entry in host.get("findings") or ()
            if (entry.get("code"), entry.get("message")) not in listed]
        for level, code, step, message in entries:
            key = (str(level), str(code or ""), _step(record, step))
            found.setdefault(key, {}).setdefault(str(message), {})[name] = None
    grouped = [_cause(*key, messages) for key, messages in found.items()]
    return sorted(
        grouped, key=lambda one: (LEVELS.index(one.level) if one.level in LEVELS else 9, -len(one.hosts), one.code))


def _step(record: Record, step: t.Any) -> str:
    """The step of a rollout in which a host failed; empty for other kinds of record."""
    return STEPS.get(str(step), "") if record["kind"] == "rollout" else ""


def _cause(level: str, code: str, step: str, messages: Mapping[str, Mapping[str, None]]) -> Cause:
    hosts = dict.fromkeys(name for names in messages.values() for name in names)
    frequent = sorted(messages.items(), key=lambda entry: -len(entry[1]))
    shown = [(message, list(names)) for message, names in frequent[:MOST_MESSAGES]]
    return Cause(level, code, step, list(hosts), shown, len(frequent) - len(shown))


def details(record: Record) -> tuple[list[Detail], int]:
    """The hosts with a failure, a held transition or a failed health check, and the number of further ones."""
    found = [
        Detail(name, number, host, state_word(record, host),
               _step(record, (host.get("failure") or {}).get("step")))
        for number, (name, host) in enumerate(record["hosts"].items())
        if host.get("failure") or host.get("blockers")
        or any(one.get("ok") is False for one in host.get("health") or ())]
    return found[:MOST_HOSTS_IN_DETAIL], max(0, len(found) - MOST_HOSTS_IN_DETAIL)


def coverage(record: Record) -> list[Coverage]:
    """The coverage of each patch of the record, once for each set of CVEs that its builds close."""
    cut = [(patch, parts_of(patch)) for patch in record.get("patches") or ()]
    parts = [part for _patch, own in cut for part in own]
    found = []
    for patch, own in cut:
        elsewhere = {name: part_for(patch, own, host) for name, host in record["hosts"].items()} if own[1:] else {}
        for part in own:
            hosts = {
                name: host for name, host in record["hosts"].items() if elsewhere.get(name) in (None, part)}
            found.append(_coverage_of_part(record, part, parts, hosts))
    return found


def parts_of(patch: Record) -> list[Record]:
    """The patch once for each set of CVEs, with the builds that close exactly these: one name can have several."""
    found: dict[frozenset[str], list[Record]] = {}
    for build in patch.get("builds") or ():
        found.setdefault(frozenset(cves_of_build(patch, build)), []).append(build)
    if len(found) < 2:
        return [patch]
    return [
        {**patch, "cves": list(cves_of_build(patch, builds[0])), "series": builds[0].get("series"), "builds": builds}
        for builds in found.values()]


def part_for(patch: Record, parts: Sequence[Record], host: Record) -> Record | None:
    """The part of a patch with the build for a host's kernel, None without one. Of several the one that runs."""
    if len(parts) < 2:
        return parts[0] if parts and builds_for(patch, host) else None
    wanted = [build["sha256"] for build in builds_for(patch, host)]
    fitting = [part for part in parts if any(build["sha256"] in wanted for build in part["builds"])]
    return min(fitting, key=lambda part: KINDS.index(coverage_of_host(part, host)), default=None)


def _coverage_of_part(
        record: Record, part: Record, parts: Sequence[Record], hosts: Mapping[str, Record]) -> Coverage:
    later = later_versions(part, parts)
    kinds: dict[str, list[str]] = {kind: [] for kind in (*KINDS, "later")}
    missing: dict[t.Any, list[str]] = {}
    for name, host in hosts.items():
        if _is_for_other_kernels(part, parts, host):
            continue
        kind = coverage_of_host(part, host)
        if kind == "missing" and any(coverage_of_host(one, host) == "covered" for one in later):
            kind = "later"
        kinds[kind].append(name)
        if kind == "missing":
            missing.setdefault(state_word(record, host), []).append(name)
    return Coverage(
        part["name"], part.get("summary"), _link(part.get("advisory")), part.get("cves") or [],
        kinds["covered"], kinds["on_trial"], kinds["unproven"], kinds["unverified"], kinds["other_build"],
        kinds["later"], [
            (word, names, word is PLANNED) for word, names in sorted(
                missing.items(), key=lambda entry: -len(entry[1]))])


def later_versions(patch: Record, patches: Sequence[Record]) -> list[Record]:
    """The later versions of a patch, or of a part of one, among all."""
    own = patch.get("series")
    if not own:
        return []
    series = [(one, one.get("series")) for one in patches]
    return [one for one, place in series if place and place["stem"] == own["stem"] and place["rank"] > own["rank"]]


def _is_for_other_kernels(patch: Record, patches: Sequence[Record], host: Record) -> bool:
    """Whether the host's kernel has no build of this patch, and one of another patch that closes a CVE of it.

    Such are patches with names that hold the release.
    """
    def has_build(one: Record) -> bool:
        return any(_is_for_kernel(build, host) for build in one.get("builds") or ())

    cves = set(patch.get("cves") or ())
    return not has_build(patch) and any(cves.intersection(one.get("cves") or ()) and has_build(one) for one in patches)


def coverage_of_host(patch: Record, host: Record) -> str:
    """How the patch covers a host. A status has every patch of a host, a rollout only its own."""
    patches = host["patches"] if "patches" in host else [dict(host, name=host.get("patch"))]
    return coverage_of(patch["name"], patches, builds_for(patch, host))


def builds_for(patch: Record, host: Record) -> list[Record]:
    """The builds of a patch for the kernel of a host: of a status the one that its summary compares with."""
    builds = [build for build in patch.get("builds") or () if _is_for_kernel(build, host)]
    if "kernel_build_id" not in host:
        return builds
    named = [
        {**build, "name": patch["name"], "metadata": {"kernel_build_id": build["kernel_build_id"]}} for build in builds]
    return list(choose_builds(named, host["kernel"], host["arch"], host["kernel_build_id"]).builds)


def _is_for_kernel(build: Record, host: Record) -> bool:
    """Whether a build is for the host's kernel. A rollout knows no build-id of a kernel: the host compared it."""
    if (build.get("release"), build.get("arch")) != (host.get("kernel"), host.get("arch")):
        return False
    return "kernel_build_id" not in host or build.get("kernel_build_id") in (None, host["kernel_build_id"])


def _link(advisory: t.Any) -> str | None:
    return advisory if isinstance(advisory, str) and advisory.startswith(("https://", "http://")) else None
