# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: it can change at any time.
"""Hosts in groups: by cohort, by finding, by failure, by verdict."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.kernel.livepatch.plugins.module_utils._util.text import printable, truncate
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.cohorts import Cohort, cohort_of
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.kinds import LEVELS, level_rank, printable_lines
from ansible_collections.kernel.livepatch.plugins.plugin_utils._results.parsing import (
    LONGEST_CODE,
    Failure,
    Finding,
    is_name,
)

# One host must not make a summary too large, or hide what other hosts returned.
MOST_CODES, MOST_OF_HOST, MOST_MESSAGES = 30, 5, 50
LONGEST_MESSAGE = 1000  # characters
LEFT_OUT = ("warning", "findings-left-out")
CODES_LEFT_OUT = (
    "The host returned findings with more codes than any host can have. Check that the host has not been compromised.")

Value = t.TypeVar("Value")
Key = t.TypeVar("Key", bound=t.Hashable)


def cohorts_of(
        kernels: Mapping[str, tuple[str, str]], names: Sequence[str], hostvars: Mapping[str, t.Any],
        builds: Mapping[str, str | None]) -> list[tuple[Cohort, list[str]]]:
    """Each cohort with its hosts, sorted. `kernels`: the release and the architecture of each host with a result.

    `builds`: the build-id of each host's kernel, None for a kernel that does not show one.
    """
    members: dict[Cohort, list[str]] = {}
    of_kernel: dict[tuple[str, str], set[str | None]] = {}
    for host, kernel in kernels.items():
        of_kernel.setdefault(kernel, set()).add(builds.get(host))
    for host, (release, arch) in kernels.items():
        variables = hostvars[host] if names and host in hostvars else {}
        build = builds.get(host) if len(of_kernel[release, arch]) > 1 else None
        cohort = cohort_of(printable(release), printable(arch), names, variables, build and printable(build))
        members.setdefault(cohort, []).append(host)
    return sorted(members.items(), key=lambda entry: entry[0].sort_key)


def kernel_build_of(answer: Mapping[str, t.Any]) -> str | None:
    """The build-id of the kernel in a result of patch_check, if the host shows it."""
    build = answer.get("kernel_build_id")
    return build if is_name(build) and build else None


def cohort_dict(cohort: Cohort) -> dict[str, t.Any]:
    """A cohort as a dict, for every summary."""
    return {
        "kernel": cohort.kernel, "arch": cohort.arch, "build": cohort.build, "values": dict(cohort.values),
        "title": str(cohort)}


def by_code(findings: Mapping[str, Sequence[Finding]]) -> list[dict[str, t.Any]]:
    """The findings of hosts, each code once: the worst level first, then the most frequent.

    One host adds at most MOST_CODES groups and MOST_OF_HOST messages to each. `messages_left_out` has the number of
    other messages, as far as they differ.
    """
    found: dict[tuple[str, str], _Group] = {}
    for host, entries in findings.items():
        of_host: dict[tuple[str, str], int] = {}
        # From the worst level on, because the first codes are kept.
        for entry in sorted(entries, key=level_rank):
            key = (entry["level"], truncate(entry["code"], LONGEST_CODE))
            if key not in of_host and len(of_host) >= MOST_CODES:
                key = LEFT_OUT
            group = found.setdefault(key, _Group(truncate))
            listed = of_host.setdefault(key, 0)
            of_host[key] += group.add(host, CODES_LEFT_OUT if key == LEFT_OUT else entry["message"], listed)
    groups = [{"code": code, "level": level, **group.as_dict()} for (level, code), group in found.items()]
    return sorted(
        groups, key=lambda group: (LEVELS.index(group["level"]), -len(group["hosts"]), group["code"]))


class _Group:
    """The hosts and the messages of one code; `shorten` makes a message printable, with a number of characters."""

    def __init__(self, shorten: Callable[[str, int], str]) -> None:
        self._shorten = shorten
        # Dicts for their order and their speed.
        self._messages: dict[str, None] = {}
        self._hosts: dict[str, None] = {}
        self._seen: set[int] = set()

    def add(self, host: str, message: str, listed: int) -> bool:
        """Add a message of a host with `listed` messages in this group; returns whether it is one more."""
        self._hosts[host] = None
        known = len(self._seen)
        self._seen.add(hash(message))
        if len(self._seen) == known or listed >= MOST_OF_HOST or len(self._messages) >= MOST_MESSAGES:
            return False
        self._messages[self._shorten(message, LONGEST_MESSAGE)] = None
        return True

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "messages": list(self._messages), "messages_left_out": len(self._seen) - len(self._messages),
            "hosts": list(self._hosts)}


def by_failure(failures: Mapping[str, Failure]) -> list[dict[str, t.Any]]:
    """Hosts with a failure, by code; failures without a code, from Ansible itself, are one group."""
    found: dict[str | None, _Group] = {}
    for host, (code, message) in failures.items():
        found.setdefault(code, _Group(printable_lines)).add(host, message, 0)
    groups = [{"code": code, **group.as_dict()} for code, group in found.items()]
    return sorted(groups, key=lambda group: -len(group["hosts"]))


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
