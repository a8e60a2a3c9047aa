# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Hosts in groups: by cohort, by finding, by failure, by verdict."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort, cohort_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import LEVELS, Failure, Finding

Value = t.TypeVar("Value")
Key = t.TypeVar("Key", bound=t.Hashable)


def cohorts_of(
        kernels: Mapping[str, tuple[str, str]], names: Sequence[str],
        hostvars: Mapping[str, t.Any]) -> list[tuple[Cohort, list[str]]]:
    """Each cohort with its hosts, sorted. `kernels`: the release and the architecture of each host with a result."""
    members: dict[Cohort, list[str]] = {}
    for host, (release, arch) in kernels.items():
        variables = hostvars[host] if names and host in hostvars else {}
        members.setdefault(cohort_of(printable(release), printable(arch), names, variables), []).append(host)
    return sorted(members.items(), key=lambda entry: entry[0].sort_key)


def cohort_dict(cohort: Cohort) -> dict[str, t.Any]:
    """A cohort as a dict, for every summary."""
    return {"kernel": cohort.kernel, "arch": cohort.arch, "values": dict(cohort.values), "title": str(cohort)}


def by_code(findings: Mapping[str, Sequence[Finding]]) -> list[dict[str, t.Any]]:
    """The findings of hosts, each code once: the worst level first, then the most frequent."""
    # Dicts for their order and their speed: one host can return many thousands of messages.
    found: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for host, entries in findings.items():
        for entry in entries:
            messages, hosts = found.setdefault((entry["level"], printable(entry["code"])), ({}, {}))
            messages[printable(entry["message"])] = None
            hosts[host] = None
    groups = [
        {"code": code, "level": level, "messages": list(messages), "hosts": list(hosts)}
        for (level, code), (messages, hosts) in found.items()]
    return sorted(
        groups, key=lambda group: (LEVELS.index(group["level"]), -len(group["hosts"]), group["code"]))


def by_failure(failures: Mapping[str, Failure]) -> list[dict[str, t.Any]]:
    """Hosts with a failure, by code; failures without a code, from Ansible itself, are one group."""
    found: dict[str | None, dict[str, t.Any]] = {}
    for host, (code, message) in failures.items():
        group = found.setdefault(code, {"code": code, "messages": [], "hosts": []})
        group["hosts"].append(host)
        if message not in group["messages"]:
            group["messages"].append(message)
    return sorted(found.values(), key=lambda group: -len(group["hosts"]))


def by_verdict(verdicts: Mapping[str, str], words: Sequence[str]) -> dict[str, list[str]]:
    """The hosts of each verdict, in the order of `words`."""
    hosts: dict[str, list[str]] = {word: [] for word in words}
    for host, verdict in verdicts.items():
        hosts[verdict].append(host)
    return hosts


def group_by(hosts: Mapping[str, Value], key: Callable[[Value], Key]) -> dict[Key, list[str]]:
    """Hosts in groups with the same `key` of their values, the largest group first."""
    groups: dict[Key, list[str]] = {}
    for host, value in hosts.items():
        groups.setdefault(key(value), []).append(host)
    return dict(sorted(groups.items(), key=lambda entry: -len(entry[1])))
